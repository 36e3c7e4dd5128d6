"""The end of all lines, in process 0: the roll call, and meetings."""

import socket
import threading
import time
from typing import Any

from ttc.runtime.connection import Connection

HELLO_S = 10.0  # for a caller to say who it is


class JoinError(ValueError):
  """The processes of a run cannot come together."""


class Coordinator:
  """Admits each process once, then passes news on; threads do the work."""

  def __init__(self, address: str, count: int, timeout: float):
    """Listens at 'host:port', so many seconds, until all have called.

    Raises:
      JoinError: the port is taken.
    """
    self._address, self._count, self._timeout = address, count, timeout
    self._lines: dict[int, Connection] = {}
    self._extra: list[
      Connection
    ] = []  # of those who call themselves like others
    self._hosts: dict[int, str] = {}
    self._first: tuple[str, dict[str, str]] | None = None
    self._brought: dict[int, Any] = {}
    self._lock = threading.Lock()
    self._ears: list[threading.Thread] = []
    self._server = _listening(address)
    threading.Thread(target=self._call_roll, daemon=True).start()

  def wait_for_ends(self, seconds: float) -> None:
    """Returns when all other processes have ended, or after so long."""
    deadline = time.monotonic() + seconds
    for ear in self._ears:
      ear.join(max(0.0, deadline - time.monotonic()))

  def _call_roll(self) -> None:
    deadline, why = time.monotonic() + self._timeout, ''
    while len(self._lines) + len(self._extra) < self._count:
      self._server.settimeout(max(0.01, deadline - time.monotonic()))
      try:
        connection, _ = self._server.accept()
      except TimeoutError:
        why = why or self._missing()
        break
      if complaint := self._admit(Connection(connection)):
        # Who has not called yet shall hear of it too.
        deadline = min(deadline, time.monotonic() + HELLO_S)
        why = why or complaint
    self._server.close()
    if why:
      for line in (*self._extra, *self._each()):
        line.send({'refused': why})
      return
    hosts = [self._hosts[index] for index in range(self._count)]
    welcome = {'welcome': hosts, 'port': _free_port()}
    for index, line in self._lines.items():
      line.send(welcome)
      self._ears.append(
        threading.Thread(target=self._listen, args=(index, line), daemon=True)
      )
      self._ears[-1].start()

  def _admit(self, line: Connection) -> str:
    """Takes a caller on; why nobody may work, or ''."""
    line.wait_at_most(HELLO_S)
    try:
      hello = line.receive()
    except TimeoutError:
      hello = None
    if hello is None or 'hello' not in hello:
      line.close()  # somebody else, looking for open ports
      return ''
    line.wait_at_most(None)
    index, host = hello['hello'], hello['host']
    who = f'process {index} ({host})'
    before = self._lines.get(index)
    taken = self._hosts.get(index)
    if before is not None and before.is_broken():
      taken = None  # it ended and was started again
    if taken is not None:
      self._extra.append(line)
      return (
        f'{taken} and {host} both say --process={index}; give each '
        'process its own.'
      )
    self._hosts[index], self._lines[index] = host, line
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

  def _each(self) -> list[Connection]:
    """All lines, that of this process last: it may end the process."""
    return [self._lines[index] for index in sorted(self._lines, reverse=True)]

  def _missing(self) -> str:
    missing = [str(i) for i in range(self._count) if i not in self._hosts]
    there = ', '.join(f'{i} ({h})' for i, h in sorted(self._hosts.items()))
    return (
      f'of {self._count} processes these did not call {self._address} within '
      f'{self._timeout:.0f} s: {", ".join(missing)}; there are {there}. Look '
      f'at their hosts, start them with --process={missing[0]}, or wait longer '
      'with --join_timeout.'
    )

  def _listen(self, index: int, line: Connection) -> None:
    left = False
    while (news := line.receive()) is not None:
      if 'here' in news:
        self._meet(index, (news['here'], news['value']))
      elif 'bye' in news:
        left = True
        self._pass_on(index, news['bye'])
        if not index:
          return  # its line ends with the process, which waits for this
    if not left:
      self._pass_on(index, None)

  def _pass_on(self, index: int, code: int | None) -> None:
    """Tells the others that a process ends before they do."""
    if code == 0:
      return
    with self._lock:  # after what it was still there for
      for line in self._each():
        if line is not self._lines[index]:
          line.send({'gone': index, 'code': code})

  def _meet(self, index: int, brought: Any) -> None:
    with self._lock:
      self._brought[index] = brought
      if len(self._brought) < self._count:
        return
      everything = [self._brought[i] for i in range(self._count)]
      self._brought = {}
      for line in self._each():
        line.send({'all': everything})


def _listening(address: str) -> socket.socket:
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
  with socket.create_server(('', 0)) as probe:
    return probe.getsockname()[1]
