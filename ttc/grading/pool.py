"""A pool of worker processes for hard or hostile pairs.

Any thread may ask; each question goes to one idle worker. Workers that die are
replaced, and a forked process gets workers of its own.
"""

import contextlib
import json
import os
import queue
import signal
import threading
import weakref

from ttc.grading import line_process

_CRASH = {'failed': 'crash'}
_START_S = 120.0


class WorkerError(RuntimeError):
  """Workers cannot be started."""


class WorkerPool:
  """Answers questions in worker processes, which start when needed.

  Args:
    workers: largest number of processes; each has one child at work.
    seconds: processor time limit per question.
    megabytes: memory limit of a child.
  """

  def __init__(self, workers: int, seconds: float, megabytes: int):
    self._limits = {'seconds': seconds, 'megabytes': megabytes}
    self._workers = workers
    # A worker waits 5 * seconds + 2 for its child; after more it hangs itself.
    self._patience = 5 * seconds + 12
    self._begin()
    _pools.add(self)

  def ask(self, question: dict) -> dict:
    """The reply to {"gold", "pred", "lenient"}; see `ttc.grading.worker`.

    Raises:
      WorkerError: workers cannot be started.
    """
    line = f'{json.dumps(question)}\n'.encode('ascii')
    idle, team = self._idle, self._all
    worker = idle.get()
    try:
      for _ in range(2):  # a worker may have been killed from outside: retry
        worker = worker or self._started(team)
        if team is not self._all:
          break  # the pool was closed meanwhile
        reply = worker.ask(line, self._patience)
        if reply is not None:
          return reply
        worker = self._dropped(worker)
    except BaseException:  # else a late reply would answer the next question
      worker = worker and self._dropped(worker)
      raise
    finally:
      idle.put(worker)
    return _CRASH

  @property
  def processes(self) -> list[int]:
    """The ids of the running worker processes."""
    return [worker.process for worker in list(self._all)]

  def close(self) -> None:
    """Kills all workers; the next question starts new ones."""
    _end(self._all, self._owner)
    self._begin()

  def after_fork(self) -> None:
    """Leaves the workers to the parent, in a process that was just forked."""
    _inherited.append(self._all)
    self._begin()

  def _begin(self) -> None:
    self._owner = os.getpid()
    self._all: set[_Worker] = set()
    self._idle: queue.LifoQueue = queue.LifoQueue()
    for _ in range(self._workers):
      self._idle.put(None)
    weakref.finalize(self, _end, self._all, self._owner)

  def _started(self, team: set['_Worker']) -> '_Worker | None':
    """A new worker; None if the pool was closed while it started."""
    reply = None
    for _ in range(2):
      try:
        worker = _Worker(self._limits)
      except OSError as error:
        raise WorkerError(f'a grading worker cannot start: {error}') from error
      team.add(worker)
      reply = worker.reply(_START_S)
      if reply == {'ready': True} and team is self._all:
        return worker
      self._dropped(worker)
      if team is not self._all:
        return None
      if reply is not None:
        break
    reason = reply['error'] if reply else 'it ends without an error'
    raise WorkerError(
      f'a grading worker does not start: {reason}; try '
      "pip install 'math-verify[antlr4_13_2]'."
    )

  def _dropped(self, worker: '_Worker') -> None:
    self._all.discard(worker)
    worker.end()


_pools: weakref.WeakSet = weakref.WeakSet()
# Referenced for good: a Popen that is deleted closes its pipes and warns.
_inherited: list = []


def _after_fork() -> None:
  for pool in list(_pools):
    pool.after_fork()


os.register_at_fork(after_in_child=_after_fork)


def _end(workers: set['_Worker'], owner: int) -> None:
  if owner == os.getpid():
    while workers:
      workers.pop().end()


class _Worker:
  def __init__(self, limits: dict[str, float]):
    self._process = line_process.start('ttc.grading.worker', limits)
    self._reading = threading.Lock()

  @property
  def process(self) -> int:
    return self._process.pid

  def ask(self, line: bytes, patience: float) -> dict | None:
    """Sends a question; returns the reply, None if the worker is gone."""
    with self._reading:
      try:
        self._process.stdin.write(line)
        self._process.stdin.flush()
      except (OSError, ValueError):
        return None
    return self.reply(patience)

  def reply(self, patience: float) -> dict | None:
    """The next reply; None if the worker is gone or takes too long."""
    with self._reading:
      if self._process.stdout.closed:
        return None
      line = line_process.read_line(self._process.stdout.fileno(), patience)
    return json.loads(line) if line else None

  def end(self) -> None:
    """Kills the worker; threads that wait for a reply get None."""
    if self._process.returncode is None:  # else its id may be in use again
      with contextlib.suppress(ProcessLookupError):
        os.killpg(self._process.pid, signal.SIGKILL)
    with self._reading:
      self._process.wait()
      self._process.stdout.close()
      with contextlib.suppress(OSError):  # from flushing an unread question
        self._process.stdin.close()
