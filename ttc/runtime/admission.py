"""Admission to a run: accepts connections and reads the hello of each.

Any host may connect, so nothing here waits for a single caller: one thread
serves all of them as their bytes arrive, within limits of time, bytes and
number. A connection that is not from a process of the run is closed and logged,
and has no other effect.
"""

import collections
import dataclasses
import selectors
import socket
import sys
import time

from ttc.runtime import guard as guards
from ttc.runtime import hello as hellos
from ttc.runtime.connection import Connection, HELLO_BYTES, ProtocolError, shown
from ttc.runtime.guard import Address, Guard
from ttc.runtime.hello import Hello

HELLO_S = 10.0  # seconds that a connection gets for its whole hello
# Connections that may be without a hello at one time, beside one for each
# process of the run, all of which may call in the same moment. One more closes
# the oldest and is not closed itself: a process of the run sends its hello at
# once, so strangers cannot keep it out by taking all places.
_MOST_STRANGERS = 64
# Lines about strangers in the log. They must not fill a disk and, at 320 bytes
# each, all fit into a pipe that nobody reads, where a write would stop us.
_MOST_LOGGED = 100
_PAUSE_S = 0.1  # after an error of accept, which may come again at once


@dataclasses.dataclass(eq=False)
class _Caller:
  """A connection without a hello so far."""

  connection: Connection
  address: Address
  deadline: float


class Admission:
  """Accepts connections and returns those that belong to the run.

  Args:
    server: listening socket; `close` closes it.
    count: number of processes in the run.
    guard: decides which callers belong to the run.
  """

  def __init__(self, server: socket.socket, count: int, guard: Guard):
    self._server, self._guard = server, guard
    self._most = _MOST_STRANGERS + count
    self._callers: dict[_Caller, None] = {}  # as a set, the oldest first
    self._admitted: collections.deque = collections.deque()
    self._logged = 0
    self._selector = selectors.DefaultSelector()
    server.setblocking(False)
    self._selector.register(server, selectors.EVENT_READ)

  def next(self, deadline: float) -> tuple[Connection, Hello] | None:
    """Waits for the next process of the run.

    Args:
      deadline: time.monotonic() at which to give up.

    Returns:
      Its connection and hello; None when the deadline has passed.
    """
    while not self._admitted:
      now = time.monotonic()
      if now >= deadline:
        return None
      ends = [deadline, *(caller.deadline for caller in self._callers)]
      ready = self._selector.select(max(0.0, min(ends) - now))
      callers = [key.data for key, _ in ready if key.data is not None]
      for caller in callers:
        self._read(caller)
      # After the reads, since both of these close callers: a hello that has
      # arrived counts, however late this thread gets to read it.
      if len(callers) < len(ready):
        self._accept()
      self._expire()
    return self._admitted.popleft()

  def close(self) -> None:
    """Closes the listening socket and all connections without a hello."""
    for caller in [*self._callers]:
      self._close(caller, '')
    self._selector.close()
    self._server.close()
    self._guard.close()

  def _accept(self) -> None:
    """Accepts one connection and turns it away or waits for its hello."""
    try:
      accepted, (peer, *_) = self._server.accept()
    except BlockingIOError:
      return
    except OSError:  # the caller is gone, or too many files are open
      time.sleep(_PAUSE_S)
      return
    try:
      own = guards.address(accepted.getsockname()[0])
      connection = Connection(accepted, HELLO_BYTES)
    except OSError:  # the caller is gone
      accepted.close()
      return
    caller = _Caller(
      connection, guards.address(peer), time.monotonic() + HELLO_S
    )
    self._callers[caller] = None
    self._selector.register(connection, selectors.EVENT_READ, caller)
    if not self._guard.allows(caller.address, own):
      self._turn_away(caller)
    elif len(self._callers) > self._most:
      reason = f'process 0 has {self._most} newer callers without a hello'
      self._close(next(iter(self._callers)), reason, {'busy': reason})

  def _turn_away(self, caller: _Caller) -> None:
    """Closes a connection from an address that is not of the run."""
    reason = (
      f'{caller.address} is not known as a host of this run; set '
      f'{guards.NONCE} to the same value on all hosts'
    )
    if self._guard.looking:  # the host's name may not resolve yet
      self._close(caller, '', {'busy': reason})
    else:
      self._close(caller, reason, {'refused': f'{reason}.'})

  def _read(self, caller: _Caller) -> None:
    """Reads what a caller has sent, and admits or closes it if that is all."""
    try:
      message = caller.connection.poll()
      if message is None:
        return
      hello = hellos.parse(message)
    except ProtocolError as error:
      self._close(caller, str(error))
      return
    if not self._guard.recognizes(hello.nonce):
      reason = f'{hello.who} has another {guards.NONCE} than process 0, or none'
      self._close(caller, reason, {'refused': f'{reason}.'})
      return
    self._forget(caller)
    self._admitted.append((caller.connection, hello))

  def _expire(self) -> None:
    """Closes the connections whose time for a hello is over."""
    now = time.monotonic()
    for caller in [c for c in self._callers if c.deadline <= now]:
      self._close(caller, f'it sent no hello within {HELLO_S:.0f} s')

  def _close(
    self, caller: _Caller, reason: str, answer: dict | None = None
  ) -> None:
    """Closes a connection.

    Args:
      caller: whose connection it is.
      reason: for the log; '' logs nothing.
      answer: sent first, in case the caller is a process of the run.
    """
    self._forget(caller)
    if reason:
      self._log(f'closed a connection from {caller.address}: {shown(reason)}.')
    if answer is not None:
      caller.connection.send(answer)
    caller.connection.close()

  def _log(self, text: str) -> None:
    self._logged += 1
    if self._logged > _MOST_LOGGED + 1:
      return
    if self._logged > _MOST_LOGGED:
      text = 'closed more connections, which are not logged.'
    print(f'ttc: {text}', file=sys.stderr, flush=True)

  def _forget(self, caller: _Caller) -> None:
    del self._callers[caller]
    self._selector.unregister(caller.connection)
