"""The processes of one run: they join, exchange values and notice losses.

Process 0 runs the coordinator, which listens at an address that all processes
know. Every process, process 0 included, connects to it, introduces itself, and
keeps the connection open for as long as it works. The messages are:

    hello    who it is                        to process 0
    welcome  hosts, jax's port                to all, when all have joined
    refused  why                              to all, when one is missing or
                                              differs from the others; or to a
                                              caller that does not belong here
    busy     why                              to a caller that should try again
    here     name of an exchange, a value     to process 0
    all      names and values of all          to all, when all values are there
    bye      exit code                        to process 0
    gone     process, exit code or null       to the others

A connection that breaks shows at once which process died, whatever the others
are waiting for. Nothing here needs jax: joining through jax.distributed would
abort a process whose peers do not come, without saying which ones are missing.

Any host that reaches the address may connect. Process 0 admits callers that
know the run's nonce or, without one, that call from the run's own hosts
(guard.py), and closes all others. The nonce is sent as plain text: it does not
protect against a host that reads the network or that listens at the address in
place of process 0.
"""

from collections.abc import Callable, Sequence
import queue
import socket
import threading
import time
from typing import Any, Protocol

from ttc.runtime.admission import HELLO_S
from ttc.runtime.connection import Connection, MESSAGE_BYTES, shown
from ttc.runtime.coordinator import Coordinator, JoinError
from ttc.runtime.guard import Guard
from ttc.runtime.hello import Hello

_RETRY_S = 0.2  # between attempts to connect
_POLL_S = 0.2  # the longest wait between two chances to handle signals
# Seconds that process 0 waits for the others to exit, after success and after
# an error: jax aborts every process that outlives its coordinator, process 0.
_AFTER_WORK_S, _AFTER_ERROR_S = 60.0, 10.0
# Seconds that a process gets to end by itself, with an error of its own, after
# another one ended: what ended the other often ends this one too.
_OWN_END_S = 2.0
_LONGEST_REFUSAL = 16 * 2**10  # characters; it may name every host of a pod

# Called with the name of the process that ended and its exit code or None.
Lost = Callable[[str, int | None], None]


class Processes(Protocol):
  """All processes of a run, seen from one of them.

  Attributes:
    index: number of this process, from 0.
    count: number of processes.
  """

  index: int
  count: int

  def name(self, index: int) -> str:
    """The name of a process in messages to people, with its host."""

  def meet(self, what: str, value: Any = None) -> list:
    """Exchanges values: waits until every process has called it.

    Args:
      what: name of the exchange, the same in every process.
      value: this process's value, plain JSON.

    Returns:
      The values of all processes, by index.

    Raises:
      RuntimeError: another process is at an exchange of another name.
      ValueError: the value takes more than connection.MESSAGE_BYTES.
    """

  def leave(self, code: int) -> None:
    """Announces that this process is about to exit with a code."""


class Alone:
  """The only process of a run; it never waits."""

  index, count = 0, 1

  def name(self, index: int) -> str:
    """See `Processes`."""
    return f'process {index} ({shown(socket.gethostname())})'

  def meet(self, what: str, value: Any = None) -> list:
    """A list of this process's own value."""
    del what
    return [value]

  def leave(self, code: int) -> None:
    """Does nothing."""


class Joined:
  """A process connected to the coordinator; made by `join`.

  Attributes:
    index: number of this process, from 0.
    count: number of processes.
    hosts: host name of each process, by index, safe to print.
    port: port on process 0's host for jax's own coordinator.
  """

  def __init__(
    self,
    connection: Connection,
    coordinator: Coordinator | None,
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
    self._connection, self._coordinator = connection, coordinator
    self._lost = lost
    self._exchanged: queue.SimpleQueue = queue.SimpleQueue()
    self._left = threading.Event()
    self._first_lost: int | None = None
    threading.Thread(target=self._receive, daemon=True).start()

  def name(self, index: int) -> str:
    """The name of a process in messages to people, with its host."""
    return f'process {index} ({self.hosts[index]})'

  def meet(self, what: str, value: Any = None) -> list:
    """See `Processes`."""
    self._connection.send({'here': what, 'value': value}, MESSAGE_BYTES)
    while True:
      # Python handles signals in the main thread, between two instructions. A
      # signal that the kernel gives to another thread does not interrupt this
      # wait, so it must end by itself every now and then.
      try:
        pairs = self._exchanged.get(timeout=_POLL_S)
        break
      except queue.Empty:
        continue
    for index, (other, _) in enumerate(pairs):
      if other != what:
        raise RuntimeError(
          f'{self.name(self.index)} is at {what!r} and {self.name(index)} at '
          f'{shown(repr(other))}; end all processes and start them again.'
        )
    return [value for _, value in pairs]

  def leave(self, code: int) -> None:
    """Announces the exit; in process 0, waits until the others have exited.

    The caller must exit afterwards: losses are not reported any more.
    """
    self._left.set()
    self._connection.send({'bye': code})
    if self._coordinator is not None:
      self._coordinator.wait_for_ends(_AFTER_ERROR_S if code else _AFTER_WORK_S)

  def _receive(self) -> None:
    while (message := self._connection.receive()) is not None:
      if 'all' in message:
        self._exchanged.put(message['all'])
      elif 'gone' in message:
        self._lose(message['gone'], message['code'])
    # Process 0 is lost when the connection is. Not for process 0 itself, whose
    # connection closes when it exits.
    if self.index:
      self._lose(0, None)

  def _lose(self, index: int, code: int | None) -> None:
    """Reports the first lost process; later losses are its consequences."""
    if self._first_lost is not None:
      return
    self._first_lost = index
    if code is None:
      self._report(index, code)
      return
    timer = threading.Timer(_OWN_END_S, self._report, (index, code))
    timer.daemon = True
    timer.start()

  def _report(self, index: int, code: int | None) -> None:
    if not self._left.is_set():
      self._lost(self.name(index), code)


def join(
  address: str,
  count: int,
  index: int,
  about: dict[str, str],
  timeout: float,
  lost: Lost,
  nonce: str = '',
  hosts: Sequence[str] = (),
) -> Joined:
  """Connects to the coordinator and waits until all processes have joined.

  Process 0 starts the coordinator first.

  Args:
    address: 'host:port' where process 0 listens.
    count: number of processes in the run.
    index: number of this process, from 0.
    about: what must be the same in all processes, by name, e.g. the version of
      the code.
    timeout: seconds to wait for the others.
    lost: called at most once, in another thread, when another process ends
      while this one works: with its name, and its exit code or None if it died
      without one.
    nonce: secret that all processes of the run share; '' if there is none.
    hosts: in process 0, the hosts from which it accepts others where there is
      no nonce, beside its own.

  Raises:
    JoinError: a process is missing or differs, which the message names; the
      address is wrong; the coordinator cannot be reached, or refuses this
      process as a stranger.
  """
  host, _, port = address.rpartition(':')
  if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
    raise JoinError(
      f'--coordinator={address} is not of the form host:port, with a port from '
      '1 to 65535.'
    )
  if not 0 <= index < count:
    raise JoinError(
      f'--process={index} is not in 0 to {count - 1}, for --processes={count}.'
    )
  deadline = time.monotonic() + timeout
  coordinator = None
  if not index:
    coordinator = Coordinator(address, count, timeout, Guard(nonce, hosts))
    host = 'localhost'
  hello = Hello(index, count, socket.gethostname(), about, nonce)
  connection, answer = _introduce(hello, host, int(port), deadline, timeout)
  members, jax_port = answer.get('welcome'), answer.get('port')
  if not (
    isinstance(members, list)
    and len(members) == count
    and isinstance(jax_port, int)
  ):
    connection.close()
    raise JoinError(
      shown(str(answer.get('refused', '')), _LONGEST_REFUSAL)
      or (
        f'{address} was called and did not say which processes have come; '
        f'process 0 ended, or something else than ttc listens there.'
      )
    )
  names = [shown(str(member)) for member in members]
  return Joined(connection, coordinator, index, names, jax_port, lost)


def _introduce(
  hello: Hello, host: str, port: int, deadline: float, timeout: float
) -> tuple[Connection, dict]:
  """Sends the hello, and again for as long as the coordinator is busy.

  Args:
    hello: who this process is.
    host: host of process 0.
    port: port where the coordinator listens.
    deadline: time.monotonic() at which to give up.
    timeout: seconds from the start to the deadline, for the error.

  Returns:
    The connection and the coordinator's answer, {} if there was none.

  Raises:
    JoinError: it could not be reached before the deadline.
  """
  while True:
    connection = _connect(host, port, deadline, timeout)
    # One message of the coordinator may hold a value of every process.
    connection.limit = MESSAGE_BYTES * hello.count
    connection.send(hello.message())
    # Give up after this process's own timeout, even where process 0 started
    # much later and waits on. HELLO_S more, because a refusal for a missing
    # process is sent only when the coordinator's timeout, often the same, is
    # over.
    try:
      answer = connection.receive(deadline + HELLO_S)
    except TimeoutError:
      answer = None
    if answer is None or 'busy' not in answer:
      return connection, answer or {}
    connection.close()
    if time.monotonic() > deadline:
      raise JoinError(f'{shown(str(answer["busy"]))}.')
    time.sleep(_RETRY_S)


def _connect(
  host: str, port: int, deadline: float, timeout: float
) -> Connection:
  """Connects to the coordinator, retrying until it listens.

  Args:
    host: host of process 0.
    port: port where the coordinator listens.
    deadline: time.monotonic() at which to give up.
    timeout: seconds from the start to the deadline, for the error.

  Raises:
    JoinError: it did not answer before the deadline.
  """
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
