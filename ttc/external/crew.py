"""Threads that wait for a server, so that nobody else has to."""

from collections.abc import Callable, Iterator
import queue
import threading
from typing import Any

_OVER = object()  # a job for which a thread ends; any other may be given


class Crew:
  """Does jobs in threads of its own; a context, at whose end no more begin.

  They are daemons, because a thread that waits for a server cannot be ended:
  the process must not wait for it.

  Attributes:
    under_way: jobs that were given and not taken back yet.
  """

  def __init__(self, do: Callable[[Any], Any], size: int):
    """Starts no thread before there is a job for it.

    Args:
      do: a job to its result; called in several threads.
      size: most threads.
    """
    self._do, self._size = do, size
    self._jobs, self._results = queue.SimpleQueue(), queue.SimpleQueue()
    self._threads, self._over = 0, threading.Event()
    self.under_way = 0

  def __enter__(self) -> 'Crew':
    return self

  def __exit__(self, *_) -> None:
    self._over.set()
    for _ in range(self._threads):
      self._jobs.put(_OVER)

  def give(self, job: Any) -> None:
    """Adds a job to those that wait for a thread."""
    self.under_way += 1
    self._jobs.put(job)
    if self._threads < min(self.under_way, self._size):
      self._threads += 1
      threading.Thread(target=self._work, daemon=True).start()

  def take(self, seconds: float) -> Iterator[tuple[Any, Any]]:
    """Yields jobs that are done, with their results.

    Args:
      seconds: the longest to wait for the first of them.

    Raises:
      Exception: what a job raised.
    """
    while self.under_way:
      try:
        job, result, error = self._results.get(timeout=seconds)
      except queue.Empty:
        return
      self.under_way -= 1
      if error is not None:
        raise error
      yield job, result
      seconds = 0.0

  def _work(self) -> None:
    while (job := self._jobs.get()) is not _OVER and not self._over.is_set():
      try:
        self._results.put((job, self._do(job), None))
      except BaseException as error:  # raised where the job was given
        self._results.put((job, None, error))
