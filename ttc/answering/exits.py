"""How commands that answer end: their exit codes, and errors in one line."""

from collections.abc import Callable
import signal
import sys
import traceback

from ttc.runtime import storage, termination
from ttc.runtime.safe_text import message, printable
from ttc.runtime.termination import Terminated

_WORK_FAILED, _CANNOT_START = 1, 2


def guarded(work: Callable[[], None], debug: bool, kept: str = '') -> int:
  """Does the work of a command, and tells an error in one line.

  Args:
    work: raises ValueError where it cannot be done.
    debug: whether errors are printed with a traceback.
    kept: what to say beside "stopped".

  Returns:
    The exit code: 0; 1 if work failed; 2 if it cannot be done, with one line
    that says why; 128 + signal number if stopped.
  """
  stopped = ' '.join(filter(None, ('ttc: stopped.', kept)))
  try:
    with termination.handling():
      work()
  except BrokenPipeError:
    raise  # of no importance, and the command's to tell from others
  except (ValueError, FloatingPointError, OSError) as error:
    if storage.unreachable(error):
      raise
    if debug:
      traceback.print_exc()
    told = ' '.join(message(error).split())
    bad = isinstance(error, ValueError)
    return _fail(f'ttc: {told}', _CANNOT_START if bad else _WORK_FAILED)
  except KeyboardInterrupt:
    return _fail(stopped, 128 + signal.SIGINT)
  except Terminated:
    return _fail(stopped, 128 + signal.SIGTERM)
  return 0


def _fail(text: str, code: int) -> int:
  print(printable(text), file=sys.stderr, flush=True)
  return code
