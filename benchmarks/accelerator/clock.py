"""How long something takes."""

from collections.abc import Callable
import time


def seconds(run: Callable[[], object]) -> float:
  """Of one call, which waits for what it started."""
  began = time.perf_counter()
  run()
  return time.perf_counter() - began


def first_and_best(
  run: Callable[[], object], repeats: int
) -> tuple[float, float]:
  """Seconds of the first call, which compiles, and of the fastest later one."""
  first = seconds(run)
  return first, min(seconds(run) for _ in range(repeats))
