"""Waiting for files of other processes, which a shared disk shows late."""

import pathlib
import time

LATEST_S = 60.0


def until_exists(path: pathlib.Path, seconds: float = LATEST_S) -> bool:
  """Waits for a file; whether it is there after at most so many seconds."""
  deadline = time.monotonic() + seconds
  while not path.exists():
    if time.monotonic() >= deadline:
      return False
    time.sleep(min(1.0, seconds))
  return True
