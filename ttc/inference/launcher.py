"""Programs launched one after the other, by a thread of their own.

Where a host is cut into devices a launch waits for the program before it, and
compiling waits everywhere; meanwhile the host can look after rows.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
import sys
from typing import TypeVar

from jax.sharding import Mesh

from ttc.models import partitioning

_SWITCH_S = 2e-4  # a launch waits at most so long for the interpreter

T = TypeVar('T')


class Launcher:
  """See the module; a program may take what an earlier one left."""

  def __init__(self, mesh: Mesh):
    """Starts the thread.

    Args:
      mesh: that programs run on.
    """
    # Its default, 5 ms, is longer than a small program runs.
    sys.setswitchinterval(min(_SWITCH_S, sys.getswitchinterval()))
    self._thread = ThreadPoolExecutor(
      1, 'launcher', partitioning.use(mesh).__enter__
    )
    self._error: BaseException | None = None

  def launch(self, program: Callable[[], T]) -> Future[T]:
    """Queues a program; what it returns, or raises, is in the future.

    None runs after one that failed: it raises the same again.
    """

    def guarded():
      if self._error is not None:
        raise self._error
      try:
        return program()
      except BaseException as error:
        self._error = error
        raise

    return self._thread.submit(guarded)
