"""One device's questions, rows and slots: which row waits for what."""

from collections import deque
from collections.abc import (
  Callable,
  Collection,
  Iterator,
  Mapping,
  Sequence,
)
import dataclasses

from ttc.inference import prefill
from ttc.inference.requests import Extend, Plan, Prefill, Question
from ttc.inference.rows import Row, Slot
from ttc.inference.verifier_text import Bridge
from ttc.inference.without_history import WithoutHistory


@dataclasses.dataclass(eq=False)
class Job:
  """A plan at work on one question.

  Attributes:
    question: it works on.
    plan: the generator.
    slots: the most that it will hold at once.
    held: the slots that it holds now.
    waiting: number of rows of its request that are not ready yet.
  """

  question: Question
  plan: Plan
  slots: int
  held: set[Slot] = dataclasses.field(default_factory=set)
  waiting: int = 0


@dataclasses.dataclass(eq=False)
class RowTask:
  """What a request wants of one row.

  Attributes:
    row: the row.
    job: whose row it is.
    allowance: tokens that it may still gain.
    steps: step ends after which it pauses; 0 never pauses.
    temperature: 0 takes the most likely tokens; None is that of `Generation`.
    grows: whether it came to be sampled, and not only to be prefilled.
    growing: whether it still wants tokens.
    keep: whether it keeps its slot when it is done.
  """

  row: Row
  job: Job
  allowance: int = 0
  steps: int = 0
  temperature: float | None = None
  grows: bool = False
  growing: bool = False
  keep: bool = True

  def gain(
    self,
    new: list[int],
    live: bool,
    logprob: float,
    marks: tuple[Sequence[bool], Sequence[bool]],
  ) -> None:
    """Adds tokens to the row.

    Args:
      new: the tokens.
      live: whether it wants more of them.
      logprob: of the new tokens.
      marks: which tokens of the vocabulary end a step, and an attempt.
    """
    row, (step_end, end) = self.row, marks
    row.tokens += new
    row.proposer_len = len(row.tokens) - 1
    row.logprob += logprob
    self.allowance -= len(new)
    if self.steps:
      self.steps -= sum(step_end[token] for token in new)
    self.growing = live
    row.done = len(row.tokens) >= row.limit or (bool(new) and end[new[-1]])


class DeviceQueues:
  """Tasks of one device by what they wait for, and the slots that are free.

  A task passes through the queues in this order, as far as it needs them:

      prefill['proposer']   known tokens that the proposer has not read
      growing               tokens to be sampled
      prefill['verifier']   tokens that the verifier has not read

  Queues are first in, first out, and nothing here looks at a clock: the order
  in which rows meet, and so every shape, follows from the questions alone.

  Attributes:
    null_slot: the slot that padding is written to.
    prefill: tasks that wait for a packed prefill, by model.
    growing: tasks that wait for a lane.
    copies: (slot, slot, length) to be copied before the next write, by model.
    jobs: plans at work.
  """

  def __init__(
    self,
    slots: int,
    max_step_tokens: int,
    roles: Collection[str],
    finished: Callable[[Job, list[Row]], None],
    bridge: Bridge | WithoutHistory | None = None,
    ends: Mapping[int, int] | None = None,
  ):
    """Begins with all slots free.

    Args:
      slots: of the device.
      max_step_tokens: see `Generation`.
      roles: those of 'proposer' and 'verifier' that there are.
      finished: called with each plan's rows when it returns.
      bridge: to a verifier that reads other tokens, or fewer of them.
      ends: see `Models`.
    """
    self.null_slot = slots
    self.prefill: dict[str, list[RowTask]] = {'proposer': [], 'verifier': []}
    self.growing: list[RowTask] = []
    self.copies: dict[str, list[tuple[int, int, int]]] = {
      role: [] for role in roles
    }
    self.jobs: list[Job] = []
    self._free = list(range(slots))
    self._max_step = max_step_tokens
    self._roles = roles
    self._finished = finished
    self._bridge, self._ends = bridge, ends or {}
    self._ready: deque[Job] = deque()

  @property
  def to_grow(self) -> int:
    """Rows that wait for a lane, or will soon."""
    return len(self.growing) + len(self.prefill['proposer'])

  def room(self, slots: int) -> bool:
    """Whether a further job that holds that many slots can never get stuck.

    Every job at work may still claim what it was promised, or two half-grown
    questions could wait for each other's slots for ever.
    """
    promised = sum(max(0, j.slots - len(j.held)) for j in self.jobs)
    return len(self._free) - promised >= slots

  def start(self, job: Job) -> None:
    """Takes a job on and asks for its first request."""
    self.jobs.append(job)
    self._resume(job)

  def drop(self, job: Job) -> None:
    """Ends a plan and frees its slots; no call in flight may hold its rows."""
    job.plan.close()
    self.jobs.remove(job)
    for tasks in (self.growing, *self.prefill.values()):
      tasks[:] = [task for task in tasks if task.job is not job]
    self._free += sorted(slot.index for slot in job.held)

  def ensure_private_slot(
    self, task: RowTask, skip_proposer_copy: bool = False
  ) -> bool:
    """Gives a row a slot that it may write to; False where none is free.

    Rows that share a slot are copied on their first write.

    Args:
      task: whose row it is.
      skip_proposer_copy: the row goes straight to a lane, so that the
        proposer's cache need not be copied to its slot.
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
      for role, length in (
        ('proposer', 0 if skip_proposer_copy else row.proposer_len),
        ('verifier', row.verifier_len),
      ):
        if length and role in self.copies:
          self.copies[role].append((slot.index, fresh.index, length))
    row.slot = fresh
    return True

  def enqueue(self, task: RowTask) -> None:
    """Puts a task into the queue it has to wait in, or ends it."""
    row = task.row
    growing = task.growing and not row.done
    if (growing or not task.grows) and self._lags(row, 'proposer'):
      self.prefill['proposer'].append(task)
    elif growing:
      self.growing.append(task)
    elif self._lacks_values(task):
      self.prefill['verifier'].append(task)
    else:
      self._end(task)

  def resume_ready(self) -> None:
    """Resumes the plans whose rows are all ready, until none is left."""
    while self._ready:
      self._resume(self._ready.popleft())

  def take_for_prefill(
    self, role: str, size: int
  ) -> list[tuple[RowTask, int, list[int]]]:
    """Tasks for one packed prefill; they leave their queue.

    Args:
      role: 'proposer' or 'verifier'.
      size: tokens of the packed prefill.

    Returns:
      (task, position of its first token, tokens) each.
    """
    segments = prefill.max_segments(size)
    taken, left = [], []
    for looked, task in enumerate(self.prefill[role]):
      if not prefill.room(size, segments):
        left += self.prefill[role][looked:]
        break
      start, stop = task.row.unread(role)
      count = min(stop - start, prefill.room(size, segments))
      if not count or not self.ensure_private_slot(task):
        left.append(task)
        continue
      taken.append((task, start, self._read(task.row, role, start, count)))
      size -= count
      segments -= prefill.num_segments(count)
    self.prefill[role] = left
    return taken

  def take_for_lanes(
    self, count: int, fits: Callable[[RowTask], bool]
  ) -> list[tuple[RowTask, int | None]]:
    """Tasks for free lanes, in order; they leave their queue.

    Args:
      count: number of free lanes.
      fits: whether a task can have one of them.

    Returns:
      (task, slot that holds its cache, or None where there is none yet) each.
    """
    taken, left = [], []
    for looked, task in enumerate(self.growing):
      if len(taken) == count:
        left += self.growing[looked:]
        break
      past = task.row.slot
      if fits(task) and self.ensure_private_slot(task, skip_proposer_copy=True):
        taken.append((task, None if past is None else past.index))
      else:
        left.append(task)
    self.growing[:] = left
    return taken

  def backlog(self, role: str, enough: int) -> int:
    """Tokens that wait to be read by a model, counted up to `enough`."""
    total = 0
    for task in self.prefill[role]:
      start, stop = task.row.unread(role)
      total += stop - start
      if total >= enough:
        return enough
    return total

  def _read(self, row: Row, role: str, start: int, count: int) -> list[int]:
    """What a model reads at the positions [start, start + count)."""
    tokens = list(row.text(role)[start : start + count])
    own = role == 'verifier' and row.verifier_text is None
    # In the prompt of a revision the same tokens stand between attempts.
    if own and start + count > row.start:
      tokens[-1] = self._ends.get(tokens[-1], tokens[-1])
    return tokens

  def _lacks_values(self, task: RowTask) -> bool:
    """Whether the verifier has something to read of a row."""
    row, text = task.row, task.row.verifier_text
    if self._bridge is not None:
      if text is None or text.of != tuple(row.tokens):
        text = self._bridge.text(task.job.question.id, row.tokens, row.start)
      row.replace_verifier_text(text)
    return self._lags(row, 'verifier')

  def _lags(self, row: Row, role: str) -> bool:
    """Whether a model's cache is behind the row's tokens."""
    start, stop = row.unread(role)
    return role in self._roles and start < stop

  def _end(self, task: RowTask) -> None:
    row, job = task.row, task.job
    if row.done and not task.keep and (slot := row.slot) is not None:
      row.leave()
      self._free_unused(job, (slot,))
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
    self._free_unused(job, tuple(job.held))
    if isinstance(request, Extend) and request.slots is not None:
      job.slots = request.slots
    tasks = list(self._tasks(job, request))
    job.waiting = len(tasks)
    for task in tasks:
      self.enqueue(task)
    if not tasks:
      self._ready.append(job)

  def _tasks(self, job: Job, request: Prefill | Extend) -> Iterator[RowTask]:
    if isinstance(request, Prefill):
      for row in request.rows:
        yield RowTask(row, job)
      return
    for row, allowance in zip(
      request.rows, request.most(self._max_step), strict=True
    ):
      yield RowTask(
        row,
        job,
        allowance,
        request.steps,
        0.0 if request.greedy else request.temperature,
        grows=True,
        growing=allowance > 0,
        keep=request.keep,
      )

  def _free_unused(self, job: Job, slots: Collection[Slot]) -> None:
    """Frees the slots that no row uses any more.

    In order of their index: sets have none, and the order in which slots are
    given out must be the same in every run.
    """
    unused = sorted((s for s in slots if not s.users), key=lambda s: s.index)
    for slot in unused:
      job.held.discard(slot)
      self._free.append(slot.index)
