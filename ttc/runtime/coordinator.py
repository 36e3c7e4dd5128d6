"""The coordinator of a run: process 0's end of every process's connection.

It first admits the processes of the run (joining), then gathers the values that
they exchange and reports to all when one of them ends. process_group.py lists
the messages.
"""

import socket
import threading
import time
from typing import Any

from ttc.runtime.connection import Connection

# Seconds that a new connection gets to send its hello, and that processes still
# on their way get to connect once it is clear that the run cannot start.
HELLO_S = 10.0


class JoinError(ValueError):
  """The processes of a run cannot be joined."""


class Coordinator:
  """Admits each process once, then relays messages, from background threads.

  One thread admits all processes. After that each connection has a thread of
  its own, which receives the messages of that process.
  """

  def __init__(self, address: str, count: int, timeout: float):
    """Listens at an address and starts to admit processes.

    Args:
      address: 'host:port'; it listens on the port, on all interfaces.
      count: number of processes in the run, process 0 included.
      timeout: seconds to wait until all have joined.

    Raises:
      JoinError: the port is taken.
    """
    self._address, self._count, self._timeout = address, count, timeout
    self._connections: dict[int, Connection] = {}
    # From processes with an index that is taken; kept to send them the refusal.
    self._duplicates: list[Connection] = []
    self._hosts: dict[int, str] = {}
    # Name and `about` of the first process, with which others are compared.
    self._first: tuple[str, dict[str, str]] | None = None
    self._values: dict[int, Any] = {}  # of the exchange under way
    self._lock = threading.Lock()
    self._receivers: list[threading.Thread] = []
    self._server = _listening(address)
    threading.Thread(target=self._admit_all, daemon=True).start()

  def wait_for_ends(self, seconds: float) -> None:
    """Waits until all other processes have exited, at most `seconds`."""
    deadline = time.monotonic() + seconds
    for receiver in self._receivers:
      receiver.join(max(0.0, deadline - time.monotonic()))

  def _admit_all(self) -> None:
    """Admits `count` processes, then welcomes them all or refuses them all."""
    deadline, refusal = time.monotonic() + self._timeout, ''
    while len(self._connections) + len(self._duplicates) < self._count:
      self._server.settimeout(max(0.01, deadline - time.monotonic()))
      try:
        connection, _ = self._server.accept()
      except TimeoutError:
        refusal = refusal or self._missing()
        break
      if complaint := self._admit(Connection(connection)):
        # Keep accepting for a while: processes that connect late should get
        # the reason too, and not an error about a coordinator that is gone.
        deadline = min(deadline, time.monotonic() + HELLO_S)
        refusal = refusal or complaint
    self._server.close()
    if refusal:
      for connection in (*self._duplicates, *self._own_last()):
        connection.send({'refused': refusal})
      return
    hosts = [self._hosts[index] for index in range(self._count)]
    welcome = {'welcome': hosts, 'port': _free_port()}
    for index, connection in self._connections.items():
      connection.send(welcome)
      self._receivers.append(
        threading.Thread(
          target=self._receive, args=(index, connection), daemon=True
        )
      )
      self._receivers[-1].start()

  def _admit(self, connection: Connection) -> str:
    """Registers a connection; why the run cannot start, '' if it can."""
    connection.wait_at_most(HELLO_S)
    try:
      hello = connection.receive()
    except TimeoutError:
      hello = None
    if hello is None or 'hello' not in hello:
      connection.close()  # not a process of ours: a port scanner, for example
      return ''
    connection.wait_at_most(None)
    index, host = hello['hello'], hello['host']
    who = f'process {index} ({host})'
    earlier = self._connections.get(index)
    owner = self._hosts.get(index)
    if earlier is not None and earlier.is_broken():
      owner = None  # the earlier process ended and was started again
    if owner is not None:
      self._duplicates.append(connection)
      return (
        f'{owner} and {host} both say --process={index}; give each '
        'process its own.'
      )
    self._hosts[index], self._connections[index] = host, connection
    if hello['count'] != self._count:
      return (
        f'{who} was started with --processes={hello["count"]} and '
        f'process 0 with {self._count}; give all the same.'
      )
    if self._first is None:
      self._first = who, hello['about']
    first, about = self._first
    for key, value in about.items():
      if hello['about'].get(key) != value:
        return (
          f'{key} is {hello["about"].get(key)} in {who} and {value} in '
          f'{first}; install the same on all hosts.'
        )
    return ''

  def _own_last(self) -> list[Connection]:
    """All connections, process 0's own last.

    A message that ends process 0 ends this coordinator with it, so all others
    must have been sent theirs before.
    """
    return [
      self._connections[index]
      for index in sorted(self._connections, reverse=True)
    ]

  def _missing(self) -> str:
    """The refusal that names the processes that have not joined."""
    missing = [str(i) for i in range(self._count) if i not in self._hosts]
    there = ', '.join(f'{i} ({h})' for i, h in sorted(self._hosts.items()))
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
        self._add(index, (message['here'], message['value']))
      elif 'bye' in message:
        left = True
        self._report_end(index, message['bye'])
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
        if connection is not self._connections[index]:
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
