"""A stage's work cut into parts: what is finished, what is left, who does it.

A part is one batch of the items, whoever does it. Process 0 sees which parts
are left, and process p of P does the p-th of them and every P-th after it, at
its own pace. So parts and their rows are the same whatever P is, and a stage
goes on with another number of processes.
"""

from collections.abc import Iterator, Sequence
import pathlib
from typing import Any

from ttc.pipeline import records
from ttc.runtime.process_group import Processes
from ttc.runtime.progress import Progress


class Part:
  """One batch of work.

  Attributes:
    index: the batch.
    items: what is in it.
  """

  def __init__(self, index: int, items: Sequence[Any], write):
    self.index, self.items = index, items
    self._write = write
    self.written = False

  def write(self, rows: list[dict]) -> None:
    """Writes what became of the items, whole or not at all."""
    self._write(rows)
    self.written = True


class Parts:
  """The parts of one stage's folder; all processes make them together.

  Attributes:
    count: how many there are, of all processes.
    mine: indices of those that this process is to do.
    items_done: items in parts that were finished before.
    notes: messages about parts that have to be done again.

  Raises ValueError when the folder was begun with another number of parts.
  A part that a disk or copy cut short is deleted, with a message, and done
  again.
  """

  def __init__(
    self,
    folder: pathlib.Path,
    items: Sequence[Any],
    size: int,
    processes: Processes,
  ):
    if size < 1:
      raise ValueError(f'A part of {size} items; it must have at least one.')
    self._folder, self._items, self._size = folder, items, size
    self.count = -(-len(items) // size)
    begun = records.part_count(folder)
    if begun not in (None, self.count):
      raise ValueError(
        f'{folder} was begun as {begun} parts and is now {self.count} '
        f'({len(items)} items, {size} a part); delete it to begin again.'
      )
    self._right, self._judged = 0.0, 0
    self.notes: list[str] = []
    left = None
    if processes.index == 0:
      left = [i for i in range(self.count) if not self._is_finished(i)]
    left = processes.meet('parts', left)[0]
    self.mine: list[int] = left[processes.index :: processes.count]
    self.items_done = len(items) - sum(len(self._batch(i)) for i in left)

  @property
  def items_to_do(self) -> int:
    """Items in the parts of this process."""
    return sum(len(self._batch(i)) for i in self.mine)

  def remaining(self, progress: Progress) -> Iterator[Part]:
    """The parts to do; each must be written before the next is asked."""
    progress.judge(self._right, self._judged)
    for note in self.notes:
      progress.note(note)
    for index in self.mine:
      part = self._part(index, progress)
      yield part
      if not part.written:
        raise ValueError(f'part {part.index} was left without write().')

  def check_finished(self) -> None:
    """Raises IncompleteError when a part of this process is missing."""
    for index in self.mine:
      if not self._path(index).exists():
        raise records.IncompleteError(
          f'{self._path(index)} was never written; run the stage again.'
        )

  def _part(self, index: int, progress: Progress) -> Part:
    items = self._batch(index)

    def write(rows: list[dict]) -> None:
      records.write_part(self._folder, index, self.count, rows)
      right, judged = _accuracy(rows)
      progress.advance(len(items), right=right, judged=judged)

    return Part(index, items, write)

  def _batch(self, index: int) -> Sequence[Any]:
    return self._items[index * self._size : (index + 1) * self._size]

  def _path(self, index: int) -> pathlib.Path:
    return self._folder / records.part_name(index, self.count)

  def _is_finished(self, index: int) -> bool:
    path = self._path(index)
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
