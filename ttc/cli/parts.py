"""A stage's work cut into parts: what is finished, what is left, who does it.

With several processes every process goes through the same batches, since one
program runs on all of them, and writes its own share of each: of batch b,
process p of P writes part b * P + p. Read in order, the rows are the same
whatever P is.
"""

from collections.abc import Iterator, Sequence
import pathlib
from typing import Any

import numpy as np

from ttc import records
from ttc.cli.progress import Progress


class Part:
  """One batch of work.

  Attributes:
    index: the batch.
    items: this process's share of the batch.
    first: place of `items[0]` among all items.
    size: the most items a process gets in any batch: pad to it.
  """

  def __init__(
    self, index: int, items: Sequence[Any], first: int, size: int, write
  ):
    self.index, self.items, self.first, self.size = index, items, first, size
    self._write = write
    self.written = False

  def write(self, rows: list[dict]) -> None:
    """Writes what became of the items, whole or not at all."""
    self._write(rows)
    self.written = True


class Parts:
  """The parts of one stage's folder.

  Raises ValueError when the folder was begun with another number of parts,
  or when a batch does not divide among the processes. A part that a disk or
  copy cut short is deleted, with a message, and done again.
  """

  def __init__(
    self,
    folder: pathlib.Path,
    items: Sequence[Any],
    size: int,
    process: tuple[int, int],
  ):
    self._process, processes = process
    if size < 1 or size % processes:
      raise ValueError(
        f'batches of {size} do not divide among {processes} processes; use a '
        f'multiple of {processes}.'
      )
    self._folder, self._items, self._size = folder, items, size
    self._share = size // processes
    self._batches = -(-len(items) // size)
    self.count = self._batches * processes
    begun = records.part_count(folder)
    if begun not in (None, self.count):
      raise ValueError(
        f'{folder} was begun as {begun} parts and is now {self.count} '
        f'({len(items)} items, {size} a batch, {processes} processes); '
        'delete it to begin again.'
      )
    self._right, self._judged = 0.0, 0
    self.notes: list[str] = []
    self._finished = _agreed(
      [self._is_finished(batch) for batch in range(self._batches)], processes
    )

  @property
  def items_done(self) -> int:
    """Items in finished batches, of all processes."""
    return sum(len(self._batch(b)) for b in np.flatnonzero(self._finished))

  def remaining(self, progress: Progress) -> Iterator[Part]:
    """The unfinished parts; each must be written before the next is asked."""
    progress.judge(self._right, self._judged)
    for note in self.notes:
      progress.note(note)
    for batch in np.flatnonzero(~self._finished):
      part = self._part(int(batch), progress)
      yield part
      if not part.written:
        raise ValueError(f'part {part.index} was left without write().')

  def check_finished(self) -> None:
    """Raises IncompleteError when a part of this process is missing."""
    for batch in range(self._batches):
      if not self._path(batch).exists():
        raise records.IncompleteError(
          f'{self._path(batch)} was never written; run the stage again.'
        )

  def _part(self, batch: int, progress: Progress) -> Part:
    first = batch * self._size + self._process * self._share
    items = self._items[first : first + self._share]

    def write(rows: list[dict]) -> None:
      index = self._index(batch)
      records.write_part(self._folder, index, self.count, rows)
      right, judged = _accuracy(rows)
      progress.advance(len(self._batch(batch)), right=right, judged=judged)

    return Part(batch, items, first, self._share, write)

  def _batch(self, batch: int) -> range:
    first = batch * self._size
    return range(first, min(first + self._size, len(self._items)))

  def _index(self, batch: int) -> int:
    return batch * (self._size // self._share) + self._process

  def _path(self, batch: int) -> pathlib.Path:
    return self._folder / records.part_name(self._index(batch), self.count)

  def _is_finished(self, batch: int) -> bool:
    path = self._path(batch)
    try:
      right, judged = _accuracy(records.read_part(path))
    except FileNotFoundError:
      return False
    except records.TornPartError as error:
      path.unlink()
      self.notes.append(f'{error} That part is done again.')
      return False
    self._right += right
    self._judged += judged
    return True


def _accuracy(rows: list[dict]) -> tuple[float, int]:
  """(right, judged) over the answers in records, as far as they have any."""
  correct = [
    bool(answer['correct'])
    for record in rows
    for answer in record.get('rows', ())
    if 'correct' in answer
  ]
  return float(sum(correct)), len(correct)


def _agreed(finished: list[bool], processes: int) -> np.ndarray:
  """Which batches are finished on every process; bool [batches]."""
  mine = np.array(finished, bool)
  if processes == 1 or not finished:
    return mine
  from jax.experimental import multihost_utils

  return np.asarray(multihost_utils.process_allgather(mine)).all(axis=0)
