"""SIGTERM and SIGINT: at once where nothing is lost, else at the next step.

Training between two checkpoints is `held`: a first signal then only makes
`asked` true, and a second one ends it. Python runs handlers between two of its
own instructions, and a device call or a compilation may take minutes, so a
thread that the signal wakes ends the process when the time is up.
"""

from collections.abc import Callable, Iterator
import contextlib
import os
import signal
import sys
import threading
import time

# Hosts that are taken away give 30 s.
_GRACE_S = 25.0
# What a handler raises is lost in a callback of the garbage collector.
_AGAIN_S = 3.0


class Terminated(BaseException):
  """The process was asked to end; passes through `except Exception`."""


class _State:
  held = False
  number: int | None = None  # of the first signal
  grace = 0.0  # seconds to end in
  settled = False


_state = _State()


@contextlib.contextmanager
def watched(
  last: Callable[[int], None] = lambda _: None, grace: float = _GRACE_S
) -> Iterator[None]:
  """SIGTERM raises Terminated inside; SIGINT, as always, KeyboardInterrupt.

  Args:
    last: called, by another thread, with the exit code when the process did
      not end so many seconds after a SIGTERM, and is made to.
    grace: those seconds.

  Outside the main thread, where Python allows no handlers, it does nothing.
  """
  if threading.current_thread() is not threading.main_thread():
    yield
    return
  _state.held, _state.number, _state.grace = False, None, grace
  _state.settled = False
  ended = threading.Event()
  inside, outside = os.pipe()
  os.set_blocking(outside, False)
  threading.Thread(
    target=_end_in_time, args=(inside, ended, last), daemon=True
  ).start()
  wakened = signal.set_wakeup_fd(outside, warn_on_full_buffer=False)
  before = handle()
  try:
    yield
  finally:
    ended.set()
    for number, handler in before.items():
      signal.signal(number, handler)
    signal.set_wakeup_fd(wakened)
    os.close(outside)


def handle() -> dict:
  """Takes the signals, again after a library did; the handlers before."""
  return {
    number: signal.signal(number, _came) or signal.SIG_DFL
    for number in (signal.SIGTERM, signal.SIGINT)
  }


@contextlib.contextmanager
def held() -> Iterator[None]:
  """A first signal inside waits for `asked`, or for the end."""
  _state.held = True
  try:
    yield
  finally:
    _state.held = False
  if asked():
    stop()


def asked() -> bool:
  """Whether a signal has come."""
  return _state.number is not None


def settle() -> None:
  """Work has ended; signals do not cut short what is left, but time does."""
  _state.settled = True


def hurry(seconds: float) -> None:
  """Leaves no more time than that between a SIGTERM and the end."""
  _state.grace = min(_state.grace, seconds)


def stop() -> None:
  """Raises what the signal would have raised; Terminated without one."""
  _state.number = _state.number or signal.SIGTERM
  if _state.number == signal.SIGINT:
    raise KeyboardInterrupt
  raise Terminated


def _came(number, frame) -> None:
  del frame
  if _state.settled:
    return
  first = not asked()
  if first:
    _state.number = number
  if not (first and _state.held):
    stop()


def _end_in_time(inside, ended, last) -> None:
  with os.fdopen(inside, 'rb', buffering=0) as signals:
    while byte := signals.read(1):
      if byte[0] == signal.SIGTERM:
        _see_it_end(ended, last)
        return


def _see_it_end(ended, last) -> None:
  began = time.monotonic()
  while (left := began + _state.grace - time.monotonic()) > 0:
    if ended.wait(min(left, _AGAIN_S)):
      return
    if not (_state.held or _state.settled):
      signal.pthread_kill(threading.main_thread().ident, signal.SIGTERM)
  code = 128 + signal.SIGTERM
  print(
    f'ttc: stopped in the midst of work, {time.monotonic() - began:.0f} s '
    'after SIGTERM.',
    file=sys.stderr,
    flush=True,
  )
  last(code)
  os._exit(code)
