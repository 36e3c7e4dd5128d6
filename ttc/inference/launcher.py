"""Launches device programs in order, from a thread of its own.

On a CPU that is split into devices a launch blocks until the program before it
has ended, and compilation blocks everywhere. Meanwhile the scheduler's thread
goes on with rows.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
import sys
from typing import TypeVar

from jax.sharding import Mesh

from ttc.models import partitioning

_SWITCH_S = 2e-4  # longest wait of a launch for the interpreter lock

T = TypeVar('T')


class Launcher:
  """Runs programs one after the other; each may use what earlier ones left."""

  def __init__(self, mesh: Mesh):
    """Starts the thread.

    Args:
      mesh: mesh that the programs run on.
    """
    # Its default, 5 ms, is longer than a small program runs.
    sys.setswitchinterval(min(_SWITCH_S, sys.getswitchinterval()))
    self._mesh = mesh
    self._thread = ThreadPoolExecutor(1, 'launcher')
    self._error: BaseException | None = None

  def launch(self, program: Callable[[], T]) -> Future[T]:
    """Queues a program.

    Returns:
      A future of its result. After a program that failed no other runs, since
      what they share may be half consumed: each raises the same error again.
    """

    def guarded():
      if self._error is not None:
        raise self._error
      try:
        # Left after each program: a context that waits for the thread's end
        # is closed by the garbage collector, in whichever thread that runs.
        with partitioning.use(self._mesh):
          return program()
      except BaseException as error:
        self._error = error
        raise

    return self._thread.submit(guarded)
