"""One device's questions, rows and slots: who waits for what."""

from collections import deque
from collections.abc import Callable, Collection, Iterator
import dataclasses

from ttc.decoding import lines
from ttc.search.plans import Extend, Plan, Question, Read
from ttc.search.rows import Row, Slot
from ttc.verifiers.scoring import Bridge


@dataclasses.dataclass(eq=False)
class Job:
  """A plan at work.

  Attributes:
    slots: the most that it will hold at once.
    held: those it holds now.
    waiting: rows of its request that are not there yet.
  """

  question: Question
  plan: Plan
  slots: int
  held: set[Slot] = dataclasses.field(default_factory=set)
  waiting: int = 0


@dataclasses.dataclass(eq=False)
class Task:
  """What is wanted of one row.

  Attributes:
    most: tokens it may still gain.
    steps: step ends after which it pauses; 0 never pauses.
    grows: whether it came to be sampled, and not only to be read.
    growing: whether it still wants tokens.
    keep: whether it keeps its slot when it is done.
  """

  row: Row
  job: Job
  most: int = 0
  steps: int = 0
  greedy: bool = False
  grows: bool = False
  growing: bool = False
  keep: bool = True


class Board:
  """Tasks by what they wait for, and the slots that are free.

  A task goes through the queues in this order, as far as it needs them:

      reading['proposer']   known tokens that the proposer has not read
      growing               tokens to be sampled
      reading['verifier']   tokens that the verifier has not read
  """

  def __init__(
    self,
    slots: int,
    max_step_tokens: int,
    who: Collection[str],
    finished: Callable[[Job, list[Row]], None],
    bridge: Bridge | None = None,
  ):
    """Begins with all slots free.

    Args:
      slots: of the device.
      max_step_tokens: see `Generation`.
      who: of 'proposer' and 'verifier', those that there are.
      finished: called with each plan's rows when it returns.
      bridge: to a verifier of another vocabulary.
    """
    self.nobody = slots
    self.reading: dict[str, list[Task]] = {'proposer': [], 'verifier': []}
    self.growing: list[Task] = []
    self.copies: dict[str, list[tuple[int, int, int]]] = {
      name: [] for name in who
    }
    self.jobs: list[Job] = []
    self._free = list(range(slots))
    self._max_step = max_step_tokens
    self._who = who
    self._finished = finished
    self._bridge = bridge
    self._ready: deque[Job] = deque()

  @property
  def to_grow(self) -> int:
    """Rows that wait for a lane, or will soon."""
    return len(self.growing) + len(self.reading['proposer'])

  def room(self, slots: int) -> bool:
    """Whether another job that holds so many slots can never get stuck."""
    promised = sum(max(0, j.slots - len(j.held)) for j in self.jobs)
    return len(self._free) - promised >= slots

  def start(self, job: Job) -> None:
    """Takes a job on and asks for its first request."""
    self.jobs.append(job)
    self._resume(job)

  def own(self, task: Task, lane: bool = False) -> bool:
    """Gives a row a slot that it may write to; False where none is free.

    Args:
      task: whose row it is.
      lane: whether the proposer's cells are on their way to a lane, and need
        not be copied.
    """
    slot, job, row = task.row.slot, task.job, task.row
    if slot is not None and slot.users == 1:
      return True
    if not self._free:
      return False
    fresh = Slot(self._free.pop())
    job.held.add(fresh)
    if slot is not None:
      slot.users -= 1
      for who, length in (
        ('proposer', 0 if lane else row.read),
        ('verifier', row.scored),
      ):
        if length and who in self.copies:
          self.copies[who].append((slot.index, fresh.index, length))
    row.slot = fresh
    return True

  def route(self, task: Task) -> None:
    """Puts a task into the queue it has to wait in, or ends it."""
    row = task.row
    growing = task.growing and not row.done
    if (growing or not task.grows) and self._lacks(row, 'proposer'):
      self.reading['proposer'].append(task)
    elif growing:
      self.growing.append(task)
    elif self._unheard(task):
      self.reading['verifier'].append(task)
    else:
      self._end(task)

  def settle(self) -> None:
    """Resumes the plans whose rows are all there, until none is left."""
    while self._ready:
      self._resume(self._ready.popleft())

  def take_line(self, who: str, size: int) -> list[tuple[Task, int, list[int]]]:
    """(task, first position, tokens) for a line of a model.

    Args:
      who: 'proposer' or 'verifier'; what is taken leaves its queue.
      size: tokens of the line.
    """
    segments = lines.max_segments(size)
    taken, left = [], []
    for looked, task in enumerate(self.reading[who]):
      if not lines.room(size, segments):
        left += self.reading[who][looked:]
        break
      start, stop = task.row.unread(who)
      count = min(stop - start, lines.room(size, segments))
      if not count or not self.own(task):
        left.append(task)
        continue
      text = task.row.text(who)
      taken.append((task, start, list(text[start : start + count])))
      size -= count
      segments -= lines.num_segments(count)
    self.reading[who] = left
    return taken

  def take_lanes(
    self, count: int, fits: Callable[[Task], bool]
  ) -> list[tuple[Task, int | None]]:
    """Tasks for free lanes, in order; they leave the queue.

    Args:
      count: of the lanes.
      fits: whether a task can have one of them.

    Returns:
      (task, slot that has its past, or None where there is none yet).
    """
    taken, left = [], []
    for looked, task in enumerate(self.growing):
      if len(taken) == count:
        left += self.growing[looked:]
        break
      past = task.row.slot
      if fits(task) and self.own(task, lane=True):
        taken.append((task, None if past is None else past.index))
      else:
        left.append(task)
    self.growing[:] = left
    return taken

  def behind(self, who: str, enough: int) -> int:
    """Tokens that wait to be read by a model, counted up to `enough`."""
    total = 0
    for task in self.reading[who]:
      start, stop = task.row.unread(who)
      total += stop - start
      if total >= enough:
        return enough
    return total

  def _unheard(self, task: Task) -> bool:
    """Whether the verifier has something to read of a row."""
    row, script = task.row, task.row.script
    if self._bridge is not None:
      if script is None or script.of != tuple(row.tokens):
        script = self._bridge.script(
          task.job.question.id, row.tokens, row.start
        )
      row.rewrite(script)
    return self._lacks(row, 'verifier')

  def _lacks(self, row: Row, who: str) -> bool:
    start, stop = row.unread(who)
    return who in self._who and start < stop

  def _end(self, task: Task) -> None:
    row, job = task.row, task.job
    if row.done and not task.keep and (slot := row.slot) is not None:
      row.leave()
      self._sweep(job, (slot,))
    job.waiting -= 1
    if not job.waiting:
      self._ready.append(job)

  def _resume(self, job: Job) -> None:
    try:
      request = next(job.plan)
    except StopIteration as stop:
      self.jobs.remove(job)
      self._free += sorted(slot.index for slot in job.held)
      self._finished(job, stop.value)
      return
    self._sweep(job, tuple(job.held))
    if isinstance(request, Extend) and request.slots is not None:
      job.slots = request.slots
    tasks = list(self._tasks(job, request))
    job.waiting = len(tasks)
    for task in tasks:
      self.route(task)
    if not tasks:
      self._ready.append(job)

  def _tasks(self, job: Job, request: Read | Extend) -> Iterator[Task]:
    if isinstance(request, Read):
      for row in request.rows:
        yield Task(row, job)
      return
    for index, row in enumerate(request.rows):
      most = row.limit - len(row.tokens)
      if request.most is not None:
        most = min(most, request.most[index])
      elif request.steps:
        most = min(most, request.steps * self._max_step)
      yield Task(
        row,
        job,
        most,
        request.steps,
        request.greedy,
        grows=True,
        growing=most > 0,
        keep=request.keep,
      )

  def _sweep(self, job: Job, slots) -> None:
    """Frees the slots that no row looks at any more."""
    unused = sorted((s for s in slots if not s.users), key=lambda s: s.index)
    for slot in unused:
      job.held.discard(slot)
      self._free.append(slot.index)
