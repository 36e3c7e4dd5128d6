"""One scheduler for everything that samples: no lane waits for a question.

A round on the device takes whatever can go on, from whichever question:

    admit    questions from the queue, while rows for the lanes are few
    read     prompts (proposer), then finished steps (verifier), packed
    extend   up to C rows, until they pause, end, or enough of them have

and resumes each plan whose rows are all there: it scores, shares its rows out
anew and forks while other questions go on. What is computed does not depend
on time, so the same questions in the same order give the same bits.
"""

import bisect
from collections.abc import Callable, Iterable, Iterator
import functools
import math

import jax
import numpy as np

from ttc import partitioning
from ttc.decoding import engine
from ttc.decoding.engine import Batch
from ttc.decoding.lines import Line, max_segments, SEGMENT
from ttc.decoding.stops import Stops
from ttc.models.rope import Angles
from ttc.search.board import Board, Job, Task
from ttc.search.caches import Caches
from ttc.search.capacity import Capacity
from ttc.search.cost import share_out
from ttc.search.crew import Crew, Seat
from ttc.search.launcher import Launcher
from ttc.search.load import Load
from ttc.search.models import Models
from ttc.search.plans import Plan, Question
from ttc.search.rows import fold_keys, Row

_FULL = 0.85  # a line filled so far is not cut into small ones
_ENDED = 8  # a chunk ends when one lane in so many has nothing to do


class Scheduler:
  """The pools of two models, and the programs that work on them."""

  def __init__(
    self,
    models: Models,
    capacity: Capacity,
    watch: Callable[[Load], None] = lambda _: None,
  ):
    """Makes the pools.

    Args:
      models: who samples and who scores.
      capacity: sizes, a device.
      watch: called after every round.

    Raises:
      ValueError: the pools cannot fit.
    """
    capacity.check(models)
    self.capacity = capacity
    self._models, self._watch = models, watch
    self._devices = models.mesh.shape['data']
    self.load = Load(slots=capacity.slots * self._devices)
    self._sizes = capacity.line_sizes
    self._crews = [Crew(self._devices, capacity.piece) for _ in range(2)]
    self._flying = []  # a chunk that devices are at work on
    self._starved = False  # rows had no slot to grow in
    self._stops = self._share(Stops(models.step_end, models.end))
    top_p = models.generation.top_p
    self._top_p = None if top_p == 1 else np.float32(top_p)
    self._launcher = Launcher(models.mesh)
    self._caches = Caches(models, capacity, self._launcher)
    self._angles = {
      who: self._share(Angles.table(model.cfg, capacity.cells))
      for who, model in models.present.items()
    }

  def run(
    self, plans: Iterable[tuple[Question, Plan, int]]
  ) -> Iterator[tuple[Question, list[Row]]]:
    """Works on questions and yields them as they finish.

    Args:
      plans: question, its plan, and the most slots that it holds at once.

    Raises:
      ValueError: a plan needs more slots than there are.
    """
    finished = []
    boards = [
      Board(
        self.capacity.slots,
        self._models.generation.max_step_tokens,
        self._models.present,
        lambda job, rows: finished.append((job.question, rows)),
        self._models.bridge,
      )
      for _ in range(self._devices)
    ]
    for crew in self._crews:  # an abandoned run may have left rows there
      crew.seats = [{} for _ in boards]
    self._flying = []
    queue = iter(plans)
    waiting = next(queue, None)
    while waiting or any(board.jobs for board in boards):
      while waiting and (board := self._place(boards, waiting[2])):
        board.start(Job(*waiting))
        board.settle()
        waiting = next(queue, None)
      self._round(boards)
      self._watch(self.load)
      yield from finished
      finished.clear()

  def _place(self, boards: list[Board], slots: int) -> Board | None:
    """The board with the least to do that has use and room for a job."""
    if slots > self.capacity.slots:
      raise ValueError(
        f'A question needs {slots} rows at once, and a device has '
        f'{self.capacity.slots} slots; raise Solver.rows.'
      )
    seated = {
      board: len(seats)
      for board, seats in zip(boards, self._crews[0].seats, strict=True)
    }
    to_grow = lambda board: board.to_grow + seated[board]
    wanting = [
      board
      for board in boards
      if to_grow(board) < self.capacity.lanes and board.room(slots)
    ]
    return min(wanting, default=None, key=lambda b: (to_grow(b), len(b.jobs)))

  def _round(self, boards: list[Board]) -> None:
    """Runs what is worth running now; every call makes some progress.

    Two chunks take turns: the host takes in one while devices run the other.
    Likewise it looks at what was read when the next chunk is on its way,
    unless devices starve for the rows that this sets free.
    """
    starving = self._starved or (
      min(map(len, self._tasks(boards))) < self.capacity.lanes
    )
    issued = []
    for who in self._models.present:
      issued += self._read(boards, who, starving and not issued)
    progress = bool(issued or self._flying)
    if starving:
      _take_in(issued, boards)
    chunk = self._extend(boards)
    self._starved = chunk is None
    if (
      starving
      and not (progress or chunk)
      and any(board.jobs for board in boards)
    ):
      raise RuntimeError('Rows wait for slots that no row will give back.')
    _take_in(issued + self._flying, boards)
    self._flying = [chunk] if chunk else []
    self._crews.reverse()

  def _read(
    self, boards: list[Board], who: str, starving: bool
  ) -> list[Callable[[], None]]:
    """Reads full lines; what is left over only if lanes are starving."""
    small, full = min(self._sizes), max(self._sizes)
    issued = []
    while most := max(board.behind(who, full) for board in boards):
      if most < full and not starving:
        break
      finish = self._line(boards, who, full if most >= _FULL * full else small)
      if finish is None:
        break
      issued.append(finish)
    return issued

  def _line(
    self, boards: list[Board], who: str, size: int
  ) -> Callable[[], None] | None:
    """Sends one line to each device; None if no row could get a slot."""
    taken = [board.take_line(who, size) for board in boards]
    if not any(taken):
      return None
    self._caches.fork(boards)
    model = self._models.present[who]
    cells = self._cells(
      max(start + len(tokens) for t in taken for _, start, tokens in t)
    )
    if size < max(self._sizes):
      # It costs little; one program for it is compiled, not four.
      cells = self.capacity.cells
    line = _stack(
      Line.pack(
        [(task.row.slot.index, start, tokens) for task, start, tokens in t],
        size,
        board.nobody,
      )
      for board, t in zip(boards, taken, strict=True)
    )

    def program():
      pools = self._caches.pools
      pools[who], values = engine.read(
        model.layers,
        self._angles[who],
        pools[who],
        self._put(line),
        head='logits' if who == 'proposer' else 'value',
        cfg=model.cfg,
        mesh=self._models.mesh,
        cells=cells,
      )
      return values

    values = self._launcher.launch(program)
    executed = size * len(boards)
    keys = len(boards) * (max_segments(size) + 1) * SEGMENT * cells
    finish = functools.partial(
      self._finish_line, boards, who, taken, values, executed, keys
    )
    if who == 'verifier':
      return finish
    finish()  # nothing to wait for: the rows may grow at once
    return lambda: None

  def _finish_line(self, boards, who, taken, values, executed, keys) -> None:
    useful = []
    if who == 'verifier':
      values = (
        partitioning.fetch(values.result()).reshape(len(boards), -1).tolist()
      )
    for device, (board, t) in enumerate(zip(boards, taken, strict=True)):
      at = 0
      for task, start, tokens in t:
        row, stop = task.row, start + len(tokens)
        if who == 'verifier':
          row.hear(start, values[device][at : at + len(tokens)])
        row.advance(who, stop)
        at += len(tokens)
        useful += _reading(task, who, start, stop)
        board.route(task)
    self._charge(executed, keys, useful)

  def _extend(self, boards: list[Board]) -> Callable[[], None] | None:
    """Sends a chunk of sampling to each device; None if no row can grow."""
    crew, tasks = self._crews[0], self._tasks(boards)
    if not any(tasks):
      return None
    steps = all(task.steps for board in tasks for task in board)
    chunks = self.capacity.chunks
    chunk = min(chunks) if steps else max(chunks)
    needed = functools.cache(
      lambda task: self._cells(len(task.row.tokens) + min(task.most, chunk))
    )
    self._seat(crew, boards, tasks, needed)
    if not any(crew.seats):
      return None
    batch = _stack(
      _batch(seats, crew.width, self._models.generation.temperature)
      for seats in crew.seats
    )
    model = self._models.proposer

    def program():
      crew.cache, grown = engine.extend(
        model.layers,
        self._angles['proposer'],
        crew.cache,
        self._put(batch),
        self._stops,
        self._top_p,
        cfg=model.cfg,
        mesh=self._models.mesh,
        max_new=chunk,
      )
      return grown

    return functools.partial(
      self._finish_extend, crew, boards, self._launcher.launch(program)
    )

  def _tasks(self, boards: list[Board]) -> list[list[Task]]:
    """Those who have or could have lanes now; enough of them to choose."""
    return self._crews[0].tasks(boards, 2 * self.capacity.lanes)

  def _seat(
    self,
    crew: Crew,
    boards: list[Board],
    tasks: list[list[Task]],
    needed: Callable[[Task], int],
  ) -> None:
    """Fills the lanes of a crew; rows that do not fit them any more leave."""
    width, cells = crew.shape(
      [[needed(task) for task in board] for board in tasks],
      self.capacity.widths,
    )
    changed = (width, cells) != (crew.width, crew.cells)
    gone = [
      [
        lane
        for lane, seat in seats.items()
        if changed or needed(seat.task) > cells
      ]
      for seats in crew.seats
    ]
    for board, seats, lanes in zip(boards, crew.seats, gone, strict=True):
      board.growing[:0] = [seats[lane].task for lane in lanes]
    self._caches.store(crew, crew.rise(gone))
    if changed:
      self._caches.open(crew, width, cells)
    came = [
      crew.sit(device, board, lambda task: needed(task) <= cells)
      for device, board in enumerate(boards)
    ]
    fold_keys(seat.task.row for seats in crew.seats for seat in seats.values())
    self._caches.fork(boards)
    self._caches.load(crew, came)

  def _finish_extend(self, crew: Crew, boards: list[Board], grown) -> None:
    grown = partitioning.fetch(grown.result())
    tokens, counts, live, logprob = (
      x.tolist() for x in (grown.token, grown.count, grown.live, grown.logprob)
    )
    useful, gone = [], [[] for _ in boards]
    for device, seats in enumerate(crew.seats):
      for lane, seat in seats.items():
        task, at = seat.task, device * crew.width + lane
        count = counts[at]
        useful.append(
          (
            task.job.question.cost,
            'proposer_decode',
            count,
            _keys(len(task.row.tokens) - 1, count),
          )
        )
        if not self._grow(task, tokens[at][:count], live[at], logprob[at]):
          gone[device].append(lane)
    executed = crew.width * int(grown.ran.sum())
    self.load.of += executed
    self.load.lanes += sum(
      int(ran) * len(seats)
      for ran, seats in zip(grown.ran, crew.seats, strict=True)
    )
    self.load.rows = sum(len(job.held) for b in boards for job in b.jobs)
    self._charge(executed, executed * crew.cells, useful)
    left = [
      [seats[lane].task for lane in lanes]
      for seats, lanes in zip(crew.seats, gone, strict=True)
    ]
    self._caches.store(crew, crew.rise(gone))
    for board, tasks in zip(boards, left, strict=True):
      for task in tasks:
        board.route(task)

  def _grow(
    self, task: Task, new: list[int], live: bool, logprob: float
  ) -> bool:
    """Adds tokens to a row; whether it wants more of them."""
    row, (step_end, end) = task.row, self._models.marks
    row.tokens += new
    row.read = len(row.tokens) - 1
    row.logprob += logprob
    task.most -= len(new)
    if task.steps:
      task.steps -= sum(step_end[token] for token in new)
    task.growing = live
    row.done = len(row.tokens) >= row.limit or (bool(new) and end[new[-1]])
    return live

  def _cells(self, longest: int) -> int:
    """Cells of the shortest program in which so many tokens fit."""
    if longest > self.capacity.cells:
      raise ValueError(
        f'A verifier reads {longest} tokens of a row and there is room for '
        f'{self.capacity.cells}; raise Solver.verifier_tokens.'
      )
    lengths = self.capacity.lengths
    return lengths[bisect.bisect_left(lengths, longest)]

  def _charge(self, executed, keys, useful) -> None:
    share_out(executed, keys, useful)
    self.load.useful += sum(tokens for _, _, tokens, _ in useful)
    self.load.executed += executed

  def _put(self, tree):
    return partitioning.put(tree, self._models.mesh)

  def _share(self, tree):
    return jax.device_put(
      tree,
      jax.sharding.NamedSharding(
        self._models.mesh, jax.sharding.PartitionSpec()
      ),
    )


def _take_in(issued: list[Callable[[], None]], boards: list[Board]) -> None:
  """Looks at what programs made, and resumes the plans that waited for it."""
  for finish in issued:
    finish()
  issued.clear()
  for board in boards:
    board.settle()


def _batch(seats: dict[int, Seat], width: int, temperature: float) -> Batch:
  """The lanes of one device."""
  rows, heat = [(0,) * 6] * width, [temperature] * width
  for lane, seat in seats.items():
    task, row = seat.task, seat.task.row
    rows[lane] = (
      row.tokens[-1],
      len(row.tokens) - 1,
      task.most,
      task.steps,
      *row.key.tolist(),
    )
    if task.greedy:
      heat[lane] = 0.0
  least = len(seats) - math.ceil(len(seats) / _ENDED)
  return Batch.pack(rows, heat, least)


def _reading(task: Task, who: str, start: int, stop: int):
  """The costs of reading tokens [start, stop) of a row."""
  cost, row = task.job.question.cost, task.row
  prompt = row.start if row.script is None else row.script.start
  if who == 'proposer':
    yield cost, 'proposer_prefill', stop - start, _keys(start, stop - start)
    return
  middle = min(max(start, prompt), stop)
  for kind, low, high in (
    ('verifier_prefill', start, middle),
    ('verifier_decode', middle, stop),
  ):
    if high > low:
      yield cost, kind, high - low, _keys(low, high - low)


def _keys(start: int, count: int) -> int:
  """Keys that `count` tokens from a position on see, themselves included."""
  return count * start + count * (count + 1) // 2


def _stack(trees: Iterable):
  """Arrays of the devices, one after the other."""
  return jax.tree.map(lambda *x: np.concatenate(x), *trees)
