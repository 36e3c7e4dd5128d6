"""The schedulers for the questions of all clients, in threads of their own.

    ask        a question's first plan waits in line
    rounds     the scheduler takes plans from the line while it has room
    judge      rows that are ready are graded in another thread, which ends the
               question or puts its next plan in front of the line
    give up    a question that nobody waits for is dropped before a round

There is one for each pair of models, and nearly always one in all. Answers do
not depend on any of this; see `inference.scheduler`.
"""

import collections
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
import dataclasses
import logging
import threading
import time

from jax.sharding import Mesh

from ttc.inference.arrivals import Arrival
from ttc.inference.requests import Question
from ttc.inference.rows import Row
from ttc.inference.scheduler import Scheduler
from ttc.models import partitioning
from ttc.serving import errors
from ttc.serving.answered import Answered, Assignment, Solving

_log = logging.getLogger(__name__)
_JUDGES = 4  # threads; hard answers wait for the grader's own processes


@dataclasses.dataclass(eq=False)
class Errand:
  """A question on its way to an answer.

  Attributes:
    begin: begins to answer, and does so anew.
    answer: what will come of it.
    solving: at work; None before it begins.
    work: the plan that is to be started, or is at work.
    alone: whether it has to be at work alone, because something failed when it
      was at work beside others.
    over: whether nobody waits for it any more.
  """

  begin: Callable[[], Solving]
  answer: futures.Future[Answered] = dataclasses.field(
    default_factory=futures.Future
  )
  solving: Solving | None = None
  work: Assignment | None = None
  alone: bool = False
  over: bool = False


@dataclasses.dataclass(eq=False)
class _Desk:
  """One of the schedulers, and who waits for it or is at work there."""

  scheduler: Scheduler
  mesh: Mesh
  line: collections.deque[Errand] = dataclasses.field(
    default_factory=collections.deque
  )
  at_work: dict[Question, Errand] = dataclasses.field(default_factory=dict)

  def next(self) -> Errand | None:
    """The first in line, if it may start beside what is at work."""
    if not self.line:
      return None
    alone = self.line[0].alone or any(e.alone for e in self.at_work.values())
    return None if alone and self.at_work else self.line.popleft()


class SharedScheduler:
  """Takes questions from any thread; see the module."""

  def __init__(
    self,
    schedulers: Sequence[tuple[Scheduler, Mesh]],
    most: int,
  ):
    """Starts the threads.

    Args:
      schedulers: which nobody else uses, with the meshes of their models; see
        `Assignment.by`.
      most: questions that wait or are at work.
    """
    self._most = most
    self._changed = threading.Condition()
    # All below change under that lock.
    self._open: set[Errand] = set()
    self._desks = [_Desk(*pair) for pair in schedulers]
    self._refusing = self._closed = False
    self._judges = futures.ThreadPoolExecutor(_JUDGES, 'ttc-judge')
    self._threads = [
      threading.Thread(
        target=self._serve, args=(desk,), name='ttc-scheduler', daemon=True
      )
      for desk in self._desks
    ]
    for thread in self._threads:
      thread.start()

  @property
  def refusing(self) -> bool:
    """Whether no question is taken any more."""
    return self._refusing

  @property
  def open(self) -> int:
    """Questions that wait or are at work."""
    return len(self._open)

  def ask(self, begin: Callable[[], Solving]) -> Errand:
    """Takes a question on.

    Args:
      begin: from `Answerer.prepare`.

    Raises:
      ApiError: there are too many, or the server is stopping.
    """
    errand = Errand(begin)
    errand.answer.set_running_or_notify_cancel()
    with self._changed:
      if self._refusing:
        raise errors.stopping()
      if len(self._open) >= self._most:
        raise errors.full(len(self._open))
      self._open.add(errand)
    self._judges.submit(self._proceed, errand, None)
    return errand

  def give_up(self, errand: Errand, error: Exception | None = None) -> None:
    """Frees what a question holds; nobody waits for its answer.

    Args:
      errand: the question; nothing happens where it has an answer.
      error: what its answer raises; None for nothing.
    """
    with self._changed:
      if errand.over:
        return
      self._end(errand)
      if errand.work is not None:
        errand.work.question.cancelled.set()
        desk = self._desks[errand.work.by]
        desk.at_work.pop(errand.work.question, None)
        if errand in desk.line:
          desk.line.remove(errand)
      self._changed.notify_all()
    if error is not None:
      errand.answer.set_exception(error)

  def refuse(self) -> None:
    """Takes no further question."""
    with self._changed:
      self._refusing = True

  def drain(self, seconds: float) -> bool:
    """Waits until all questions have answers; whether they do."""
    with self._changed:
      return self._changed.wait_for(lambda: not self._open, seconds)

  def close(self, seconds: float) -> bool:
    """Refuses all that has no answer, and ends the threads.

    Args:
      seconds: to wait for rounds that are at work.

    Returns:
      Whether the threads have ended.
    """
    until = time.monotonic() + seconds
    self.refuse()
    with self._changed:
      left = list(self._open)
    for errand in left:
      self.give_up(errand, errors.stopping())
    with self._changed:
      self._closed = True
      self._changed.notify_all()
    for thread in self._threads:
      thread.join(max(0.0, until - time.monotonic()))
    self._judges.shutdown(wait=False, cancel_futures=True)
    return not any(thread.is_alive() for thread in self._threads)

  def _proceed(self, errand: Errand, rows: Sequence[Row] | None) -> None:
    """Goes on with a question whose rows are ready, up to its next plan."""
    try:
      if rows is None:
        errand.solving = errand.begin()
      work = Assignment(*errand.solving.send(rows))
    except StopIteration as stop:
      answer = stop.value
      self._finish(errand, lambda: errand.answer.set_result(answer))
    except Exception as error:
      self._fail(errand, error)
    else:
      with self._changed:
        errand.work = work
        if errand.over:
          return
        # What has begun goes first: it is waited for longest.
        begun = rows is not None or errand.alone
        line = self._desks[work.by].line
        (line.appendleft if begun else line.append)(errand)
        self._changed.notify_all()

  def _finish(self, errand: Errand, tell: Callable[[], None]) -> None:
    with self._changed:
      if errand.over:
        return
      self._end(errand)
    tell()

  def _fail(self, errand: Errand, error: Exception) -> None:
    _log.error('a question failed: %s', ' '.join(str(error).split()))
    told = errors.failed(error)
    self._finish(errand, lambda: errand.answer.set_exception(told))

  def _end(self, errand: Errand) -> None:
    errand.over = True
    self._open.discard(errand)
    self._changed.notify_all()

  def _serve(self, desk: _Desk) -> None:
    """A thread: rounds, until it is closed."""
    while not self._closed:
      try:
        with partitioning.use(desk.mesh):
          for question, rows in desk.scheduler.run(self._arrivals(desk)):
            with self._changed:
              errand = desk.at_work.pop(question, None)
            if errand is not None:
              self._judges.submit(self._proceed, errand, rows)
      except Exception as error:
        self._recover(desk, error)

  def _arrivals(self, desk: _Desk) -> Iterator[Arrival | None]:
    """Plans for the scheduler; waits only while nothing is at work."""
    while True:
      with self._changed:
        self._changed.wait_for(
          lambda: desk.line or desk.at_work or self._closed
        )
        if self._closed:
          return
        errand = desk.next()
        if errand is not None:
          desk.at_work[errand.work.question] = errand
      yield errand and errand.work[:3]

  def _recover(self, desk: _Desk, error: Exception) -> None:
    """Asks again what was at work, one by one: one of them is to blame."""
    with self._changed:
      there = list(desk.at_work.values())
      desk.at_work.clear()
    if len(there) == 1:
      self._fail(there[0], error)
      return
    for errand in there:
      errand.alone = True
      self._judges.submit(self._proceed, errand, None)
