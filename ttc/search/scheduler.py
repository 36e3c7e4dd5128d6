"""One scheduler for everything that samples: no lane waits for a question.

A round on the device takes whatever can go on, from whichever question:

    admit    questions from the queue, while rows for the lanes are few
    read     prompts (proposer), then finished steps (verifier), packed
    extend   up to C rows, until they pause, end, or enough of them have

and resumes each plan whose rows are all there: it scores, shares its rows out
anew and forks while other questions go on. What is computed does not depend
on time, so the same questions in the same order give the same bits.
"""

from collections.abc import Callable, Iterable, Iterator
import dataclasses
import functools
import itertools
import math

import jax
import numpy as np

from ttc import partitioning
from ttc.decoding import engine
from ttc.decoding.engine import Batch
from ttc.decoding.lines import Line, SEGMENT
from ttc.decoding.stops import Stops
from ttc.models.cache import KVCache
from ttc.models.rope import Angles
from ttc.search.board import Board, Job, Task
from ttc.search.capacity import Capacity
from ttc.search.cost import share_out
from ttc.search.models import Models
from ttc.search.plans import Plan, Question
from ttc.search.rows import fold_keys, Row

_COPIES = 64  # rows that one fork program copies a device
_FULL = 0.85  # a line filled so far is not cut into small ones
_ENDED = 8  # a chunk ends when one lane in so many has nothing to do


@dataclasses.dataclass
class Load:
  """What the programs did so far.

  Attributes:
    useful: token-forwards with a use, of both models.
    executed: all of them.
    lanes: token-forwards of lanes that had a row.
    of: token-forwards of all lanes.
    rows: now in flight.
  """

  useful: int = 0
  executed: int = 0
  lanes: int = 0
  of: int = 0
  rows: int = 0

  def __str__(self) -> str:
    return (f'{self.rows} rows in flight, '
            f'lanes {100 * self.lanes / max(self.of, 1):.0f}% used, '
            f'{self.executed / max(self.useful, 1):.2f} executed/useful')


class Scheduler:
  """The pools of two models, and the programs that work on them."""

  def __init__(self, models: Models, capacity: Capacity,
               watch: Callable[[Load], None] = lambda _: None):
    """Makes the pools.

    Args:
      models: who samples and who scores.
      capacity: sizes, a device.
      watch: called after every round.

    Raises:
      ValueError: the pools cannot fit.
    """
    capacity.check(models)
    self.load = Load()
    self.capacity = capacity
    self._models, self._watch = models, watch
    self._devices = models.mesh.shape['data']
    self._sizes = capacity.line_sizes
    self._flying = []  # a chunk that devices are at work on
    self._starved = False  # rows had no slot to grow in
    self._stops = self._share(Stops(models.step_end, models.end))
    top_p = models.generation.top_p
    self._top_p = None if top_p == 1 else np.float32(top_p)
    self._pools, self._angles = {}, {}
    for who, model in models.present.items():
      self._pools[who] = self._pool(model.cfg)
      self._angles[who] = self._share(
          Angles.table(model.cfg, capacity.cells))

  def run(self, plans: Iterable[tuple[Question, Plan, int]]
          ) -> Iterator[tuple[Question, list[Row]]]:
    """Works on questions and yields them as they finish.

    Args:
      plans: question, its plan, and the most slots that it holds at once.

    Raises:
      ValueError: a plan needs more slots than there are.
    """
    finished = []
    boards = [
        Board(self.capacity.slots, self._models.generation.max_step_tokens,
              self._pools,
              lambda job, rows: finished.append((job.question, rows)),
              self._models.bridge)
        for _ in range(self._devices)]
    queue, order = iter(plans), itertools.count()
    waiting = next(queue, None)
    while waiting or any(board.jobs for board in boards):
      while waiting and (board := self._place(boards, waiting[2])):
        board.start(Job(next(order), *waiting))
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
          f'{self.capacity.slots} slots; raise Solver.rows.')
    wanting = [
        board for board in boards
        if board.to_grow < self.capacity.lanes
        and board.room(slots)]
    return min(wanting, default=None,
               key=lambda b: (b.to_grow, len(b.jobs)))

  def _round(self, boards: list[Board]) -> None:
    """Runs what is worth running now; every call makes some progress.

    Two chunks take turns: the host takes in one while devices run the other.
    Likewise it looks at what was read when the next chunk is on its way,
    unless devices starve for the rows that this sets free.
    """
    starving = self._starved or (
        min(len(b.growing) for b in boards) < self.capacity.lanes)
    issued = []
    for who in self._pools:
      issued += self._read(boards, who, starving and not issued)
    progress = bool(issued or self._flying)
    if starving:
      _take_in(issued, boards)
    chunk = self._extend(boards)
    self._starved = chunk is None
    if (starving and not (progress or chunk)
        and any(board.jobs for board in boards)):
      raise RuntimeError('Rows wait for slots that no row will give back.')
    _take_in(issued + self._flying, boards)
    self._flying = [chunk] if chunk else []

  def _read(self, boards: list[Board], who: str,
            starving: bool) -> list[Callable[[], None]]:
    """Reads full lines; what is left over only if lanes are starving."""
    small, full = min(self._sizes), max(self._sizes)
    issued = []
    while most := max(board.behind(who) for board in boards):
      if most < full and not starving:
        break
      finish = self._line(boards, who, full if most >= _FULL * full else small)
      if finish is None:
        break
      issued.append(finish)
    return issued

  def _line(self, boards: list[Board], who: str,
            size: int) -> Callable[[], None] | None:
    """Sends one line to each device; None if no row could get a slot."""
    taken = [board.take_line(who, size) for board in boards]
    if not any(taken):
      return None
    self._copy(boards)
    model = self._models.present[who]
    cells = self._cells(max(
        start + len(tokens) for t in taken for _, start, tokens in t))
    line = self._put(_stack(
        Line.pack([(task.row.slot.index, start, tokens)
                   for task, start, tokens in t], size, board.nobody)
        for board, t in zip(boards, taken, strict=True)))
    self._pools[who], values = engine.read(
        model.layers, self._angles[who], self._pools[who], line,
        head='logits' if who == 'proposer' else 'value', cfg=model.cfg,
        mesh=self._models.mesh, cells=cells)
    executed = size * len(boards)
    keys = line.segments.shape[0] * SEGMENT * cells
    finish = functools.partial(
        self._finish_line, boards, who, taken, values, executed, keys)
    if values is not None:
      return finish
    finish()  # nothing to wait for: the rows may grow at once
    return lambda: None

  def _finish_line(self, boards, who, taken, values, executed, keys) -> None:
    useful = []
    if values is not None:
      values = partitioning.fetch(values).reshape(len(boards), -1)
    for device, (board, t) in enumerate(zip(boards, taken, strict=True)):
      at = 0
      for task, start, tokens in t:
        row, stop = task.row, start + len(tokens)
        if values is not None:
          row.hear(start, values[device, at:at + len(tokens)].tolist())
        row.advance(who, stop)
        at += len(tokens)
        useful += _reading(task, who, start, stop)
        board.route(task)
    self._charge(executed, keys, useful)

  def _extend(self, boards: list[Board]) -> Callable[[], None] | None:
    """Sends a chunk of sampling to each device; None if no row can grow."""
    capacity = self.capacity
    most = max(len(board.growing) for board in boards)
    width = min((w for w in capacity.widths if w >= most),
                default=capacity.lanes)
    steps = all(task.steps for board in boards for task in board.growing)
    chunk = min(capacity.chunks) if steps else max(capacity.chunks)
    needed = lambda task: self._cells(
        len(task.row.tokens) + min(task.most, chunk))
    taken = [board.take_lanes(width, needed) for board in boards]
    if not any(taken):
      return None
    fold_keys(task.row for t in taken for task in t)
    self._copy(boards)
    cells = max(needed(task) for t in taken for task in t)
    temperature = self._models.generation.temperature
    batch = self._put(_stack(
        _batch(t, width, board.nobody, temperature)
        for board, t in zip(boards, taken, strict=True)))
    model = self._models.proposer
    self._pools['proposer'], grown = engine.extend(
        model.layers, self._angles['proposer'], self._pools['proposer'],
        batch, self._stops, self._top_p, cfg=model.cfg,
        mesh=self._models.mesh, cells=cells, max_new=chunk)
    return functools.partial(self._finish_extend, boards, taken, grown, width,
                             cells)

  def _finish_extend(self, boards, taken, grown, width, cells) -> None:
    grown = partitioning.fetch(grown)
    useful = []
    for device, (board, t) in enumerate(zip(boards, taken, strict=True)):
      still = []
      for lane, task in enumerate(t, start=device * width):
        count = int(grown.count[lane])
        useful.append((task.job.question.cost, 'proposer_decode', count,
                       _keys(len(task.row.tokens) - 1, count)))
        if self._grow(task, grown.token[lane, :count], grown.live[lane],
                      grown.logprob[lane]):
          still.append(task)
        else:
          board.route(task)
      board.growing[:0] = still
    executed = width * int(grown.ran.sum())
    self.load.of += executed
    self.load.lanes += sum(
        int(ran) * len(t) for ran, t in zip(grown.ran, taken, strict=True))
    self.load.rows = sum(len(job.held) for b in boards for job in b.jobs)
    self._charge(executed, executed * cells, useful)

  def _grow(self, task: Task, new: np.ndarray, live: bool,
            logprob: float) -> bool:
    """Adds tokens to a row; whether it wants more of them."""
    row, models = task.row, self._models
    row.tokens += new.tolist()
    row.read = len(row.tokens) - 1
    row.logprob += float(logprob)
    task.most -= len(new)
    if task.steps:
      task.steps -= int(models.step_end[new].sum())
    task.growing = bool(live)
    row.done = (len(row.tokens) >= row.limit
                or bool(len(new) and models.end[new[-1]]))
    return task.growing

  def _copy(self, boards: list[Board]) -> None:
    """Carries out the copies that rows need before they are written to."""
    while any(board.copies for board in boards):
      where = np.full((len(boards), _COPIES, 2), -1, np.int32)
      for device, board in enumerate(boards):
        part = board.copies[:_COPIES]
        where[device, :len(part)] = np.reshape(part, (-1, 2))
        del board.copies[:_COPIES]
      where = self._put(where.reshape(-1, 2))
      for who, pool in self._pools.items():
        self._pools[who] = engine.fork(pool, where, mesh=self._models.mesh)

  def _cells(self, longest: int) -> int:
    """Cells of the shortest program in which so many tokens fit."""
    if longest > self.capacity.cells:
      raise ValueError(
          f'A verifier reads {longest} tokens of a row and there is room for '
          f'{self.capacity.cells}; raise Solver.verifier_tokens.')
    return next(c for c in self.capacity.lengths if c >= longest)

  def _charge(self, executed, keys, useful) -> None:
    share_out(executed, keys, useful)
    self.load.useful += sum(tokens for _, _, tokens, _ in useful)
    self.load.executed += executed

  def _pool(self, cfg) -> KVCache:
    rows = self._devices * (self.capacity.slots + 1)
    spec = jax.sharding.PartitionSpec(
        'data', 'model' if self._models.mesh.shape['model'] > 1 else None)
    where = jax.sharding.NamedSharding(self._models.mesh, spec)
    return _maker(cfg, rows, self.capacity.cells, where)()

  def _put(self, tree):
    return partitioning.put(tree, self._models.mesh)

  def _share(self, tree):
    return jax.device_put(tree, jax.sharding.NamedSharding(
        self._models.mesh, jax.sharding.PartitionSpec()))


@functools.cache
def _maker(cfg, rows: int, cells: int, where) -> Callable[[], KVCache]:
  """What makes pools of a kind; compiled once, however many there are."""
  return jax.jit(lambda: KVCache.empty(cfg, rows, cells), out_shardings=where)


def _take_in(issued: list[Callable[[], None]], boards: list[Board]) -> None:
  """Looks at what programs made, and resumes the plans that waited for it."""
  for finish in issued:
    finish()
  issued.clear()
  for board in boards:
    board.settle()


def _batch(tasks: list[Task], width: int, nobody: int,
           temperature: float) -> Batch:
  """The lanes of one device, as numpy arrays."""
  lanes = np.zeros((width, 7), np.int32)
  lanes[len(tasks):, 0] = nobody
  heat = np.full(width, temperature, np.float32)
  for lane, task in enumerate(tasks):
    row = task.row
    lanes[lane, :5] = (row.slot.index, row.tokens[-1], len(row.tokens) - 1,
                       task.most, task.steps)
    lanes[lane, 5:] = row.key.view(np.int32)
    if task.greedy:
      heat[lane] = 0
  least = len(tasks) - math.ceil(len(tasks) / _ENDED)
  return Batch(lanes, heat, np.array([least], np.int32))


def _reading(task: Task, who: str, start: int, stop: int):
  """The costs of reading tokens [start, stop) of a row."""
  cost, row = task.job.question.cost, task.row
  prompt = row.start if row.script is None else row.script.start
  if who == 'proposer':
    yield cost, 'proposer_prefill', stop - start, _keys(start, stop - start)
    return
  middle = min(max(start, prompt), stop)
  for kind, low, high in (('verifier_prefill', start, middle),
                          ('verifier_decode', middle, stop)):
    if high > low:
      yield cost, kind, high - low, _keys(low, high - low)


def _keys(start: int, count: int) -> int:
  """Keys that `count` tokens from a position on see, themselves included."""
  return count * start + count * (count + 1) // 2


def _stack(trees: Iterable):
  """Arrays of the devices, one after the other."""
  return jax.tree.map(lambda *x: np.concatenate(x), *trees)
