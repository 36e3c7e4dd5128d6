"""One scheduler for everything that samples: no lane waits for a question.

A round on the devices takes whatever can go on, from whichever question:

    admit     questions, while there are too few rows for the lanes
    prefill   prompts (proposer), then finished steps (verifier), packed
    extend    up to C rows, until they pause, end, or enough of them have

and resumes each plan whose rows are all ready: it scores, shares its rows out
anew and forks while other questions go on. Nothing here depends on time, so
the same questions in the same order give the same bits.
"""

import bisect
from collections.abc import Callable, Iterable, Iterator
import functools
import math
import time

from ttc.inference import accounting
from ttc.inference.arrivals import Arrival, Arrivals
from ttc.inference.capacity import Capacity
from ttc.inference.cost import share_out
from ttc.inference.lanes import LaneGroup
from ttc.inference.models import Models
from ttc.inference.prefill import (
  best_size,
  max_segments,
  PackedPrefill,
  SEGMENT,
)
from ttc.inference.programs import Programs
from ttc.inference.queues import DeviceQueues, RowTask
from ttc.inference.requests import Question
from ttc.inference.rows import fold_keys, Row
from ttc.inference.utilization import Utilization
from ttc.models import partitioning


class Scheduler:
  """Serves plans: decides which rows the devices work on in each round.

  Attributes:
    capacity: sizes per device.
    utilization: of the devices so far.
  """

  def __init__(
    self,
    models: Models,
    capacity: Capacity,
    watch: Callable[[Utilization], None] = lambda _: None,
  ):
    """Makes the KV pools.

    Args:
      models: who samples and who scores.
      capacity: sizes per device.
      watch: called after every round.

    Raises:
      ValueError: the pools cannot fit.
    """
    self.capacity = capacity
    self._models, self._watch = models, watch
    self._devices = models.mesh.shape['data']
    self.utilization = Utilization(slots=capacity.slots * self._devices)
    self._sizes = capacity.prefill_sizes
    self._programs = Programs(models, capacity)
    self._lane_groups = [
      LaneGroup(self._devices, capacity.copy_size, models.platform)
      for _ in range(2)
    ]
    self._in_flight = []  # a call to extend that devices are at work on
    self._read_early = []  # prefills launched for the rows of the last one
    self._starved = False  # the last round had no row that could grow

  def run(
    self, plans: Iterable[Arrival | None]
  ) -> Iterator[tuple[Question, list[Row]]]:
    """Works on questions and yields them as they finish.

    Args:
      plans: question, its plan, and the most slots that it holds at once;
        None where no other has arrived yet (see `Arrivals`). A question that is
        cancelled gives back what it holds before the next round and is not
        yielded, unless it has just finished.

    Raises:
      ValueError: a plan needs more slots than there are.
      FloatingPointError: logits or values of a model are not finite.
    """
    finished = []
    queues = [
      DeviceQueues(
        self.capacity.slots,
        self._models.generation.max_step_tokens,
        self._models.present,
        lambda job, rows: finished.append((job.question, rows)),
        self._models.bridge,
        self._models.ends,
      )
      for _ in range(self._devices)
    ]
    for group in self._lane_groups:  # an abandoned run may have left rows there
      group.occupants = [{} for _ in queues]
    self._in_flight, self._read_early = [], []
    arrivals = Arrivals(plans, self.capacity.slots, self.capacity.lanes)
    seen = time.monotonic()
    while arrivals.expected or any(queue.jobs for queue in queues):
      self._drop_cancelled(queues)
      occupants = self._lane_groups[0].occupants
      arrivals.start(queues, [len(lanes) for lanes in occupants])
      self._round(queues)
      now = time.monotonic()
      self.utilization.seconds += now - seen
      self.utilization.busy_s, seen = self._programs.busy.seconds, now
      self._watch(self.utilization)
      yield from finished
      finished.clear()

  def _drop_cancelled(self, queues: list[DeviceQueues]) -> None:
    """Ends the plans of questions that were given up; no other row notices."""
    given_up = lambda: [
      (queue, job)
      for queue in queues
      for job in queue.jobs
      if job.question.cancelled.is_set()
    ]
    if not given_up():
      return
    # Calls in flight still hold their rows.
    _collect(self._read_early, queues)
    _collect(self._in_flight, queues)
    for queue, job in given_up():
      for group in self._lane_groups:
        group.drop(job)
      queue.drop(job)

  def _round(self, queues: list[DeviceQueues]) -> None:
    """Launches what is worth running now; every call makes some progress.

    Two groups of lanes take turns, so that the host reads the results of one
    while devices work on the other. Likewise it reads a prefill's values when
    the next call to extend is launched, unless devices starve for the rows
    that those values set free. It has to wait for these then, and devices
    would in turn wait for it; so what the other group's rows want read is
    launched first, which keeps devices at work while plans resume.
    """
    # Where a question was given up, rows of the other group may be in no call.
    progress = bool(
      self._in_flight or self._read_early or any(self._lane_groups[1].occupants)
    )
    _collect(self._read_early, queues)
    starving = self._starved or (
      min(map(len, self._candidates(queues))) < self.capacity.lanes
    )
    launched = self._prefills(queues, starving)
    progress = progress or bool(launched)
    if starving and launched:
      if self._models.platform != 'cpu':  # whose cores the host needs itself
        # Devices are through with that call before they are with the prefills.
        _collect(self._in_flight, queues)
        self._read_early = self._prefills(queues, starving)
      _collect(launched, queues)
    extending = self._extend(queues)
    self._starved = extending is None
    stuck = starving and not (progress or extending)
    if stuck and any(queue.jobs for queue in queues):
      raise RuntimeError('Rows wait for slots that no row will give back.')
    _collect(launched + self._in_flight, queues)
    self._in_flight = [extending] if extending else []
    self._lane_groups.reverse()

  def _prefills(
    self, queues: list[DeviceQueues], starving: bool
  ) -> list[Callable[[], None]]:
    """Launches packed prefills of either model; how to finish them."""
    launched = []
    for role in self._models.present:
      launched += self._prefill(queues, role, starving and not launched)
    return launched

  def _prefill(
    self, queues: list[DeviceQueues], role: str, starving: bool
  ) -> list[Callable[[], None]]:
    """Launches full packed prefills; the rest only if lanes are starving."""
    full, launched = max(self._sizes), []
    while backlog := max(queue.backlog(role, full) for queue in queues):
      if backlog < full and not starving:
        break
      size = best_size(backlog, self._sizes, self._models.platform)
      finish = self._packed_prefill(queues, role, size)
      if finish is None:
        break
      launched.append(finish)
    return launched

  def _packed_prefill(
    self, queues: list[DeviceQueues], role: str, size: int
  ) -> Callable[[], None] | None:
    """Launches one packed prefill; None if no row could get a slot."""
    taken = [queue.take_for_prefill(role, size) for queue in queues]
    if not any(taken):
      return None
    self._programs.kv.fork(queues)
    cache_len = self._cache_len(
      max(start + len(tokens) for t in taken for _, start, tokens in t)
    )
    if size < max(self._sizes):
      # A small one costs little: one program for it is compiled, not four.
      cache_len = self.capacity.cache_len
    packed = [
      PackedPrefill.pack(
        [(task.row.slot.index, start, tokens) for task, start, tokens in t],
        size,
        queue.null_slot,
      )
      for queue, t in zip(queues, taken, strict=True)
    ]
    values = self._programs.prefill(role, packed, cache_len)
    executed = size * len(queues)
    keys = len(queues) * (max_segments(size) + 1) * SEGMENT * cache_len
    finish = functools.partial(
      self._finish_prefill, queues, role, taken, values, executed, keys
    )
    if role == 'verifier':
      return finish
    finish()  # nothing to wait for: the rows may grow at once
    return lambda: None

  def _finish_prefill(
    self, queues, role, taken, values, executed, keys
  ) -> None:
    useful = []
    if role == 'verifier':
      values = (
        partitioning.fetch(values.result()).reshape(len(queues), -1).tolist()
      )
    for device, (queue, t) in enumerate(zip(queues, taken, strict=True)):
      at = 0
      for task, start, tokens in t:
        row, stop = task.row, start + len(tokens)
        if role == 'verifier':
          own = values[device][at : at + len(tokens)]
          self._check_finite(role, sum(own), task, stop)
          row.accept_values(start, own)
        row.advance(role, stop)
        at += len(tokens)
        useful += accounting.of_prefill(task, role, start, stop)
        queue.enqueue(task)
    self._charge(executed, keys, useful)

  def _extend(self, queues: list[DeviceQueues]) -> Callable[[], None] | None:
    """Launches sampling on each device; None if no row can grow."""
    group, tasks = self._lane_groups[0], self._candidates(queues)
    if not any(tasks):
      return None
    steps = all(task.steps for candidates in tasks for task in candidates)
    chunks = self.capacity.chunks
    chunk = min(chunks) if steps else max(chunks)
    needed = functools.cache(
      lambda task: self._cache_len(
        len(task.row.tokens) + min(task.allowance, chunk)
      )
    )
    self._fill_lanes(group, queues, tasks, needed)
    if not any(group.occupants):
      return None
    batches = group.batches(self._models.generation.temperature)
    return functools.partial(
      self._finish_extend,
      group,
      queues,
      self._programs.extend(group, batches, chunk),
    )

  def _candidates(self, queues: list[DeviceQueues]) -> list[list[RowTask]]:
    """Rows that have or could have lanes now; enough of them to choose."""
    return self._lane_groups[0].tasks(queues, 2 * self.capacity.lanes)

  def _fill_lanes(
    self,
    group: LaneGroup,
    queues: list[DeviceQueues],
    tasks: list[list[RowTask]],
    needed: Callable[[RowTask], int],
  ) -> None:
    """Fills a group's lanes; rows that have outgrown them wait in front."""
    kv = self._programs.kv
    width, cache_len = group.shape(
      [[needed(task) for task in candidates] for candidates in tasks],
      self.capacity.widths,
    )
    reshaped = (width, cache_len) != (group.width, group.cache_len)
    leaving = [
      [
        lane
        for lane, occupant in occupants.items()
        if reshaped or needed(occupant.task) > cache_len
      ]
      for occupants in group.occupants
    ]
    for queue, occupants, lanes in zip(
      queues, group.occupants, leaving, strict=True
    ):
      queue.growing[:0] = [occupants[lane].task for lane in lanes]
    kv.store(group, group.evict(leaving))
    if reshaped:
      kv.reshape(group, width, cache_len)
    admitted = [
      group.admit(device, queue, lambda task: needed(task) <= cache_len)
      for device, queue in enumerate(queues)
    ]
    fold_keys(
      occupant.task.row
      for occupants in group.occupants
      for occupant in occupants.values()
    )
    kv.fork(queues)
    kv.load(group, admitted)

  def _finish_extend(
    self, group: LaneGroup, queues: list[DeviceQueues], grown
  ) -> None:
    grown = partitioning.fetch(grown.result())
    tokens, counts, live, logprob = (
      x.tolist() for x in (grown.token, grown.count, grown.live, grown.logprob)
    )
    useful, leaving = [], [[] for _ in queues]
    for device, occupants in enumerate(group.occupants):
      for lane, occupant in occupants.items():
        task, at = occupant.task, device * group.width + lane
        count = counts[at]
        useful.append(accounting.of_extend(task, count))
        length = len(task.row.tokens) + count
        self._check_finite('proposer', logprob[at], task, length)
        task.gain(tokens[at][:count], live[at], logprob[at], self._models.marks)
        if grown.certainty is not None:
          task.row.certainty += grown.certainty[at].item()
        if not live[at]:
          leaving[device].append(lane)
    executed = group.width * int(grown.ran.sum())
    self.utilization.lane_capacity += executed
    self.utilization.lanes += sum(
      int(ran) * len(occupants)
      for ran, occupants in zip(grown.ran, group.occupants, strict=True)
    )
    self.utilization.rows = sum(len(job.held) for q in queues for job in q.jobs)
    self._charge(executed, executed * group.cache_len, useful)
    left = [
      [occupants[lane].task for lane in lanes]
      for occupants, lanes in zip(group.occupants, leaving, strict=True)
    ]
    self._programs.kv.store(group, group.evict(leaving))
    for queue, tasks in zip(queues, left, strict=True):
      for task in tasks:
        queue.enqueue(task)

  def _check_finite(
    self, role: str, total: float, task: RowTask, length: int
  ) -> None:
    """Raises FloatingPointError for a sum of which a part is not finite.

    A token that is drawn from logits that are not finite has no finite
    log-probability, so their sum, which is known anyway, is enough to look at.
    """
    if not math.isfinite(total):
      what = 'logits' if role == 'proposer' else 'values'
      raise self._models.present[role].overflow(
        what, task.job.question.id, length
      )

  def _cache_len(self, longest: int) -> int:
    """Cache positions of the shortest program that fits `longest` tokens."""
    if longest > self.capacity.cache_len:
      raise ValueError(
        f'A verifier reads {longest} tokens of a row and there is room for '
        f'{self.capacity.cache_len}; raise Solver.verifier_tokens.'
      )
    lengths = self.capacity.lengths
    return lengths[bisect.bisect_left(lengths, longest)]

  def _charge(
    self, executed: int, keys: int, useful: list[accounting.Charge]
  ) -> None:
    share_out(executed, keys, useful)
    self.utilization.useful += sum(tokens for _, _, tokens, _ in useful)
    self.utilization.executed += executed


def _collect(
  launched: list[Callable[[], None]], queues: list[DeviceQueues]
) -> None:
  """Reads results, and resumes the plans that waited for them."""
  for finish in launched:
    finish()
  launched.clear()
  for queue in queues:
    queue.resume_ready()
