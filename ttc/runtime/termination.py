"""Handles SIGTERM and SIGINT: stops work at once, or at the next checkpoint.

Inside `handling` a signal raises at once. Training between two checkpoints
would lose its steps, so inside `deferred` a first signal only makes `requested`
true, and a second one raises.

Python runs signal handlers between two of its own instructions only, and a
device call or a compilation may take minutes. A watchdog thread, which the
signal wakes through a pipe, therefore ends the process when its grace is over.
"""

from collections.abc import Callable, Iterator
import contextlib
import os
import signal
import sys
import threading
import time

# Seconds between a signal and the forced exit. A preempted machine is taken
# away 30 s after the notice.
_GRACE_S = 25.0
# Seconds after which the signal is sent again: an exception that a handler
# raises is lost when it strikes in a callback of the garbage collector.
_RESEND_S = 3.0


class Terminated(BaseException):
  """The process was asked to end; passes through `except Exception`."""


class _State:
  """What the handlers know; a process has one main thread, so one state.

  Attributes:
    deferred: whether a first signal waits for `requested` to be polled.
    number: number of the first signal; None before it.
    grace: seconds from the first signal to the forced exit.
    finished: whether work has ended, so that signals no longer raise.
  """

  deferred = False
  number: int | None = None
  grace = 0.0
  finished = False


_state = _State()
# What a forced exit does first, and the seconds that it may take.
_farewells: list[Callable[[], None]] = []
_FAREWELL_S = 3.0


@contextlib.contextmanager
def handling(
  last: Callable[[int], None] = lambda _: None, grace: float = _GRACE_S
) -> Iterator[None]:
  """Handles signals in the block; does nothing outside the main thread.

  Python allows signal handlers in the main thread only.

  Args:
    last: called with the exit code, in the watchdog thread, just before a
      forced exit.
    grace: seconds from the first signal to the forced exit.

  Raises:
    Terminated: in the block, on SIGTERM.
    KeyboardInterrupt: in the block, on SIGINT.
  """
  if threading.current_thread() is not threading.main_thread():
    yield
    return
  _state.deferred, _state.number, _state.grace = False, None, grace
  _state.finished = False
  ended = threading.Event()
  reader, writer = os.pipe()
  os.set_blocking(writer, False)  # set_wakeup_fd accepts no blocking one
  threading.Thread(
    target=_watch, args=(reader, ended, last), daemon=True
  ).start()
  old_writer = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
  old_handlers = install_handlers()
  try:
    yield
  finally:
    ended.set()
    for number, handler in old_handlers.items():
      signal.signal(number, handler)
    signal.set_wakeup_fd(old_writer)
    os.close(writer)  # ends the watchdog


def install_handlers() -> dict:
  """Installs the handlers, also again after a library replaced them.

  Returns:
    The earlier handlers, by signal number.
  """
  return {
    # None is a handler that was not installed from Python: Python cannot
    # restore it, so the default takes its place.
    number: signal.signal(number, _handle) or signal.SIG_DFL
    for number in (signal.SIGTERM, signal.SIGINT)
  }


@contextlib.contextmanager
def deferred() -> Iterator[None]:
  """Defers the first signal until the next checkpoint or block exit.

  The block polls `requested` at its checkpoints and returns when it is true. A
  second signal raises at once.
  """
  _state.deferred = True
  try:
    yield
  finally:
    _state.deferred = False
  if requested():
    stop()


def requested() -> bool:
  """Whether a signal has asked the process to end."""
  return _state.number is not None


def finish_work() -> None:
  """Marks the end of work: signals no longer raise.

  What is left, such as the last entry of the run log, is not interrupted. The
  grace still limits it.
  """
  _state.finished = True


def shorten_grace(seconds: float) -> None:
  """Limits the time from a signal to the forced exit to `seconds`."""
  _state.grace = min(_state.grace, seconds)


@contextlib.contextmanager
def giving_back(release: Callable[[], None]) -> Iterator[None]:
  """Calls `release` at the end of the block, or before a forced exit in it.

  Args:
    release: gives back what others wait for; it may be called in any thread.
  """
  _farewells.append(release)
  try:
    yield
  finally:
    _farewells.remove(release)
    release()


def exit_now(code: int) -> None:
  """Exits without an end of the main thread's work, which may hang."""
  for release in reversed(_farewells):
    # A store may not answer, and others see by themselves that this one ended.
    thread = threading.Thread(target=release, daemon=True)
    thread.start()
    thread.join(_FAREWELL_S)
  os._exit(code)


def stop() -> None:
  """Raises what the first signal asks for.

  Raises:
    KeyboardInterrupt: after SIGINT.
    Terminated: after SIGTERM, or without any signal.
  """
  _state.number = _state.number or signal.SIGTERM
  if _state.number == signal.SIGINT:
    raise KeyboardInterrupt
  raise Terminated


def _handle(number, frame) -> None:
  """The signal handler."""
  del frame
  if _state.finished:
    return
  first = not requested()
  if first:
    _state.number = number
  if not (first and _state.deferred):
    stop()


def _watch(reader, ended, last) -> None:
  """The watchdog thread: waits for a signal, then for the process to end.

  Args:
    reader: file descriptor to which Python writes the number of each signal, as
      a byte; its end is the end of `handling`.
    ended: event that the block of `handling` is over.
    last: called with the exit code before a forced exit.
  """
  with os.fdopen(reader, 'rb', buffering=0) as signals:
    while byte := signals.read(1):
      if byte[0] in (signal.SIGTERM, signal.SIGINT):
        _enforce(byte[0], ended, last)
        return


def _enforce(number, ended, last) -> None:
  """Exits the process unless the block ends within the grace."""
  began = time.monotonic()
  # `_state.grace` is read anew each time, since `shorten_grace` may change it.
  while (left := began + _state.grace - time.monotonic()) > 0:
    if ended.wait(min(left, _RESEND_S)):
      return
    if not (_state.deferred or _state.finished):
      signal.pthread_kill(threading.main_thread().ident, number)
  code = 128 + number
  print(
    f'ttc: stopped in the midst of work, {time.monotonic() - began:.0f} s '
    f'after {signal.Signals(number).name}.',
    file=sys.stderr,
    flush=True,
  )
  last(code)
  exit_now(code)
