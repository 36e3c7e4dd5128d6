"""The coordinator of a run: process 0's end of every process's connection.

It first admits the processes of the run (joining), then gathers the values that
they exchange and reports to all when one of them ends. process_group.py lists
the messages, and admission.py keeps strangers out.
"""

import dataclasses
import socket
import threading
import time
from typing import Any

from ttc.runtime.admission import Admission, HELLO_S
from ttc.runtime.connection import Connection, MESSAGE_BYTES, shown
from ttc.runtime.guard import Guard
from ttc.runtime.hello import Hello


class JoinError(ValueError):
  """The processes of a run cannot be joined."""


@dataclasses.dataclass(frozen=True)
class _Member:
  """A process that has joined."""

  connection: Connection
  hello: Hello


class Coordinator:
  """Admits each process once, then relays messages, from background threads.

  One thread admits all processes. After that each connection has a thread of
  its own, which receives the messages of that process.
  """

  def __init__(self, address: str, count: int, timeout: float, guard: Guard):
    """Listens at an address and starts to admit processes.

    Args:
      address: 'host:port'; it listens on the port, on all interfaces.
      count: number of processes in the run, process 0 included.
      timeout: seconds to wait until all have joined.
      guard: decides which callers belong to the run.

    Raises:
      JoinError: the port is taken.
    """
    self._address, self._count, self._timeout = address, count, timeout
    # By index, in the order in which they joined.
    self._members: dict[int, _Member] = {}
    # From processes with an index that is taken; kept to send them the refusal.
    self._duplicates: list[Connection] = []
    self._values: dict[int, Any] = {}  # of the exchange under way
    self._lock = threading.Lock()
    self._receivers: list[threading.Thread] = []
    self._admission = Admission(_listening(address), count, guard)
    threading.Thread(target=self._admit_all, daemon=True).start()

  def wait_for_ends(self, seconds: float) -> None:
    """Waits until all other processes have exited, at most `seconds`."""
    deadline = time.monotonic() + seconds
    for receiver in self._receivers:
      receiver.join(max(0.0, deadline - time.monotonic()))

  def _admit_all(self) -> None:
    """Admits `count` processes, then welcomes them all or refuses them all."""
    deadline, refusal = time.monotonic() + self._timeout, ''
    while len(self._members) + len(self._duplicates) < self._count:
      caller = self._admission.next(deadline)
      if caller is None:
        refusal = refusal or self._missing()
        break
      if complaint := self._admit(_Member(*caller)):
        # Keep accepting for a while: processes that connect late should get
        # the reason too, and not an error about a coordinator that is gone.
        deadline = min(deadline, time.monotonic() + HELLO_S)
        refusal = refusal or complaint
    self._admission.close()
    if refusal:
      for connection in (*self._duplicates, *self._own_last()):
        connection.send({'refused': refusal})
      return
    hosts = [self._members[i].hello.host for i in range(self._count)]
    welcome = {'welcome': hosts, 'port': _free_port()}
    # The lock keeps the end of a process, which its receiver may see at once,
    # behind the welcome of the others.
    with self._lock:
      for index, member in self._members.items():
        member.connection.limit = MESSAGE_BYTES
        self._receivers.append(
          threading.Thread(
            target=self._receive, args=(index, member.connection), daemon=True
          )
        )
        self._receivers[-1].start()
      for connection in self._own_last():
        connection.send(welcome)

  def _admit(self, member: _Member) -> str:
    """Registers a process; why the run cannot start, '' if it can."""
    hello, earlier = member.hello, self._members.get(member.hello.index)
    if earlier is not None:
      if not earlier.connection.is_broken():
        self._duplicates.append(member.connection)
        return (
          f'{earlier.hello.who} and {shown(hello.host)} both say '
          f'--process={hello.index}; give each process its own.'
        )
      # The earlier process ended and was started again.
      earlier.connection.close()
      del self._members[hello.index]
    first = self._first_alive()
    self._members[hello.index] = member
    if hello.count != self._count:
      return (
        f'{hello.who} was started with --processes={hello.count} and '
        f'process 0 with {self._count}; give all the same.'
      )
    for key, value in first.about.items() if first else ():
      if hello.about.get(key) != value:
        return (
          f'{shown(key)} is {shown(str(hello.about.get(key)))} in '
          f'{hello.who} and {shown(value)} in {first.who}; install the '
          'same on all hosts.'
        )
    return ''

  def _first_alive(self) -> Hello | None:
    """The process with which a new one is compared.

    Processes that have ended are skipped: they may be started again with
    another version, and are compared then.
    """
    for member in self._members.values():
      if not member.connection.is_broken():
        return member.hello
    return None

  def _own_last(self) -> list[Connection]:
    """All connections, process 0's own last.

    A message that ends process 0 ends this coordinator with it, so all others
    must have been sent theirs before.
    """
    return [
      self._members[index].connection
      for index in sorted(self._members, reverse=True)
    ]

  def _missing(self) -> str:
    """The refusal that names the processes that have not joined."""
    missing = [str(i) for i in range(self._count) if i not in self._members]
    there = ', '.join(
      f'{index} ({shown(member.hello.host)})'
      for index, member in sorted(self._members.items())
    )
    return (
      f'of {self._count} processes these did not call {self._address} within '
      f'{self._timeout:.0f} s: {", ".join(missing)}; there are {there}. Look '
      f'at their hosts, start them with --process={missing[0]}, or wait longer '
      'with --join_timeout.'
    )

  def _receive(self, index: int, connection: Connection) -> None:
    """Handles the messages of one process until its connection closes."""
    left = False
    while (message := connection.receive()) is not None:
      if 'here' in message:
        self._add(index, (message['here'], message.get('value')))
      elif 'bye' in message:
        left = True
        code = message['bye']
        self._report_end(index, code if isinstance(code, int) else None)
        if not index:
          # Process 0's own connection closes only when the process exits, and
          # its exit waits for this thread (`wait_for_ends`).
          return
    if not left:
      self._report_end(index, None)

  def _report_end(self, index: int, code: int | None) -> None:
    """Sends the others the end of a process; None is a lost connection."""
    if code == 0:
      return  # the normal end, after the last exchange of the run
    # The lock keeps this behind the values of an exchange that the process
    # still took part in, which another thread may be sending.
    with self._lock:
      for connection in self._own_last():
        if connection is not self._members[index].connection:
          connection.send({'gone': index, 'code': code})

  def _add(self, index: int, value: Any) -> None:
    """Stores a process's value; the last one sends all values to everyone."""
    with self._lock:
      self._values[index] = value
      if len(self._values) < self._count:
        return
      values = [self._values[i] for i in range(self._count)]
      self._values = {}
      for connection in self._own_last():
        connection.send({'all': values})


def _listening(address: str) -> socket.socket:
  """A server socket on the port of 'host:port', for IPv6 and IPv4 if it can."""
  port = int(address.rpartition(':')[2])
  try:
    if socket.has_dualstack_ipv6():
      return socket.create_server(
        ('', port), family=socket.AF_INET6, dualstack_ipv6=True
      )
    return socket.create_server(('', port))
  except OSError as error:
    raise JoinError(
      f'process 0 cannot listen at {address}: {error.strerror}; end the run '
      'that still does, or choose another port.'
    ) from error


def _free_port() -> int:
  """A port for jax's coordinator, which starts in this process next."""
  with socket.create_server(('', 0)) as probe:
    return probe.getsockname()[1]
