"""The processes of one run, and the lines that join each with the first.

Process 0 listens at the coordinator's address. Every process, itself too,
calls it, says who it is, and stays on the line for as long as it works:

    hello   who it is                 to process 0
    welcome hosts, jax's port         to all, when all have called
    refused why                       to all, when one is missing or differs
    here    a meeting, a value        to process 0
    all     what everybody brought    to all, when everybody is there
    bye     exit code                 to process 0
    gone    who, exit code, or none   to the others

A line that breaks tells at once who died, wherever the others wait. Nothing
here needs jax, whose own start aborts a process when another does not come.
"""

from collections.abc import Callable
import queue
import socket
import threading
import time
from typing import Any, Protocol

from ttc.runtime.connection import Connection
from ttc.runtime.coordinator import Coordinator, HELLO_S, JoinError

_RETRY_S = 0.2
_POLL_S = 0.2  # between looks at signals while waiting
# Process 0, without which jax aborts the others, waits for them to end.
_AFTER_WORK_S, _AFTER_ERROR_S = 60.0, 10.0
_OWN_END_S = 2.0

Lost = Callable[[str, int | None], None]


class Processes(Protocol):
  """This process among those of the run."""

  index: int
  count: int

  def meet(self, what: str, value: Any = None) -> list:
    """Waits until every process is here; what each brought, plain JSON."""

  def leave(self, code: int) -> None:
    """Says that this process ends with an exit code."""


class Alone:
  """One process, which waits for nobody."""

  index, count = 0, 1

  def meet(self, what: str, value: Any = None) -> list:
    """Only its own value."""
    del what
    return [value]

  def leave(self, code: int) -> None:
    """Nobody listens."""


class Joined:
  """A process with its line to process 0; see `join`."""

  def __init__(
    self,
    line: Connection,
    hub: Coordinator | None,
    index: int,
    hosts: list[str],
    port: int,
    lost: Lost,
  ):
    self.index, self.count, self.hosts, self.port = (
      index,
      len(hosts),
      hosts,
      port,
    )
    self._line, self._hub, self._lost = line, hub, lost
    self._met: queue.SimpleQueue = queue.SimpleQueue()
    self._left = threading.Event()
    self._cause: int | None = None  # who ended first
    threading.Thread(target=self._hear, daemon=True).start()

  def name(self, index: int) -> str:
    """A process as messages name it."""
    return f'process {index} ({self.hosts[index]})'

  def meet(self, what: str, value: Any = None) -> list:
    """See `Processes`; raises RuntimeError where others meet for other ends."""
    self._line.send({'here': what, 'value': value})
    while True:
      try:  # never for long: the handlers of signals run in between
        brought = self._met.get(timeout=_POLL_S)
        break
      except queue.Empty:
        continue
    for index, (other, _) in enumerate(brought):
      if other != what:
        raise RuntimeError(
          f'{self.name(self.index)} is at {what!r} and {self.name(index)} at '
          f'{other!r}; end all processes and start them again.'
        )
    return [value for _, value in brought]

  def leave(self, code: int) -> None:
    """See `Processes`; the process is to end now, and process 0 ends last."""
    self._left.set()
    self._line.send({'bye': code})
    if self._hub is not None:
      self._hub.wait_for_ends(_AFTER_ERROR_S if code else _AFTER_WORK_S)

  def _hear(self) -> None:
    while (news := self._line.receive()) is not None:
      if 'all' in news:
        self._met.put(news['all'])
      else:
        self._end(news['gone'], news['code'])
    if self.index:
      self._end(0, None)

  def _end(self, index: int, code: int | None) -> None:
    if self._cause is not None:
      return  # what follows from the first
    self._cause = index
    if code is None:
      self._tell(index, code)
      return
    # What ended another one may be about to end this one, by itself.
    timer = threading.Timer(_OWN_END_S, self._tell, (index, code))
    timer.daemon = True
    timer.start()

  def _tell(self, index: int, code: int | None) -> None:
    if not self._left.is_set():
      self._lost(self.name(index), code)


def join(
  address: str,
  count: int,
  index: int,
  about: dict[str, str],
  timeout: float,
  lost: Lost,
) -> Joined:
  """Waits until all processes have called process 0.

  Args:
    address: 'host:port' where process 0 is to listen.
    count: processes of the run.
    index: of this one.
    about: what must be the same everywhere, e.g. the version.
    timeout: seconds to wait for the others.
    lost: called, by another thread, with the name and the exit code of a
      process that ended while this one works; None where it died.

  Raises:
    JoinError: a process is missing or differs; it is named.
  """
  host, _, port = address.rpartition(':')
  if not host or not port.isdigit():
    raise JoinError(f'--coordinator={address} is not of the form host:port.')
  if not 0 <= index < count:
    raise JoinError(
      f'--process={index} is not in 0 to {count - 1}, for --processes={count}.'
    )
  deadline = time.monotonic() + timeout
  hub = None if index else Coordinator(address, count, timeout)
  # Who answers later than it waits itself is not there.
  line = _call(host if index else 'localhost', int(port), deadline, timeout)
  line.send(
    {
      'hello': index,
      'count': count,
      'host': socket.gethostname(),
      'about': about,
    }
  )
  line.wait_at_most(deadline - time.monotonic() + HELLO_S)
  try:
    answer = line.receive()
  except TimeoutError:
    answer = None
  line.wait_at_most(None)
  if answer is None or 'welcome' not in answer:
    raise JoinError(
      (answer or {}).get('refused')
      or (
        f'{address} was called and did not say which processes have come; '
        f'process 0 ended, or something else than ttc listens there.'
      )
    )
  return Joined(line, hub, index, answer['welcome'], answer['port'], lost)


def _call(host: str, port: int, deadline: float, timeout: float) -> Connection:
  while True:
    try:
      return Connection(
        socket.create_connection(
          (host, port), max(_RETRY_S, deadline - time.monotonic())
        )
      )
    except OSError as error:
      if time.monotonic() + _RETRY_S > deadline:
        raise JoinError(
          f'process 0 did not answer at {host}:{port} within {timeout:.0f} s '
          f'({error.strerror or error}); start it there with --process=0, and '
          'let the port through firewalls.'
        ) from error
    time.sleep(_RETRY_S)
