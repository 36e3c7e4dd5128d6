"""How long devices had a program to run, as the host can tell."""

from concurrent.futures import ThreadPoolExecutor
import time

import jax


class BusyTime:
  """Adds up the time from a program's launch, or the end before it, to its end.

  Programs run in the order of their launches, so the copies between two that
  are followed count with the later one. A thread of its own waits for the ends,
  since the scheduler looks at results when it comes to them.

  Attributes:
    seconds: so far; none on a CPU, whose programs run while they are launched
      and which the host needs itself.
  """

  def __init__(self, platform: str):
    """Starts the thread, where there is something to tell."""
    self.seconds = 0.0
    self._ended = 0.0
    self._thread = None if platform == 'cpu' else ThreadPoolExecutor(1, 'busy')

  def follow(self, result: jax.Array) -> None:
    """Follows a program that was just launched, by a result that stays."""
    if self._thread is not None:
      self._thread.submit(self._wait, time.monotonic(), result)

  def _wait(self, launched: float, result: jax.Array) -> None:
    jax.block_until_ready(result)
    now = time.monotonic()
    self.seconds += now - max(launched, self._ended)
    self._ended = now
