"""Parts: a stage's items in batches, each written to one file.

A part is finished when its file exists, because files appear whole. Resuming a
stage means to do the parts without a file, and a kill costs at most the part
that each process was at.

Part i holds items [i * size, (i + 1) * size), whichever process does it. Of the
parts that are left when a run begins, process p of P does the p-th and every
P-th after it, at its own pace. So the files and their rows do not depend on P,
and a stage may be resumed with another number of processes.

A stage knows how many rows an item will have, so that a part which lost its
last lines, and is still whole lines, is not taken for a finished one.
"""

from collections.abc import Callable, Iterator, Sequence
import pathlib
from typing import Any

from ttc.pipeline import journal, records
from ttc.pipeline.journal import Journal
from ttc.runtime import checksums, storage
from ttc.runtime.process_group import Processes
from ttc.runtime.progress import Grades, Progress


def one(item: Any) -> int:
  """The rows of an item in most stages."""
  del item
  return 1


def attempts(rows: Sequence[dict]) -> Grades:
  """How many of the attempts in rows are right, of those that have a grade."""
  right = [row['correct'] for row in records.answers(rows) if 'correct' in row]
  return {'attempts right': (sum(map(bool, right)), len(right))}


class Part:
  """One batch of items and the right to write its rows.

  Attributes:
    index: index of the part in the stage, from 0.
    items: the items of the part, without those that fill it up.
    written: whether `write` has returned.
  """

  def __init__(self, index: int, items: Sequence[Any], write):
    self.index, self.items = index, items
    self._write = write
    self.written = False

  def write(self, rows: list[dict]) -> None:
    """Writes the results of the items, atomically; raises OSError."""
    self._write(rows)
    self.written = True


class Parts:
  """The parts of a stage's folder. All processes construct it together.

  A part file that was truncated or damaged is deleted, with a message in
  `notes`, and its part is done again.

  Args:
    folder: the stage's folder.
    items: all items of the stage, the same in every process. None fills up a
      part: it is no item, and is not counted.
    size: number of items per part; the last part may have fewer.
    processes: the processes of the run.
    rows: the number of rows that an item has.
    check: called before each write; raises where this run may not write.
    grades: of the rows of a part, for the progress line.

  Attributes:
    count: number of parts of the stage, over all processes.
    mine: indices of the parts that this process has to do.
    items_done: number of items in parts that were finished before.
    notes: one message per truncated or damaged part.

  Raises:
    ValueError: `size` is below 1, or the folder has parts of another count.
  """

  def __init__(
    self,
    folder: pathlib.Path,
    items: Sequence[Any],
    size: int,
    processes: Processes,
    rows: Callable[[Any], int] = one,
    check: Callable[[], None] = lambda: None,
    grades: Callable[[Sequence[dict]], Grades] = attempts,
  ):
    if size < 1:
      raise ValueError(f'A part of {size} items; it must have at least one.')
    self._folder, self._items, self._size = folder, items, size
    self._rows, self._check = rows, check
    self.count = -(-len(items) // size)
    # With another count the same index means other items, so files of both
    # could be combined into records that repeat some items and lack others.
    begun = records.part_count(folder)
    if begun not in (None, self.count):
      raise ValueError(
        f'{folder} was begun as {begun} parts and is now {self.count} '
        f'({len(items)} items, {size} per part); delete it to begin again.'
      )
    self._grades, self._earlier = grades, []
    self._journal = Journal(folder, processes.index)
    self._written = journal.read(folder)
    self.notes: list[str] = []
    # Process 0 alone looks at the disk and all use its answer. If each listed
    # the folder, a shared disk could show them different states, or a file
    # that another one has just written, and parts would be left out or done
    # twice. It is also the only one that deletes damaged parts.
    left = None
    if processes.index == 0:
      left = [i for i in range(self.count) if not self._is_finished(i)]
      if self._written is None:
        # From now on there is a journal, and a part without a line in it would
        # be done again: those that an earlier revision wrote get theirs.
        for index in sorted(set(range(self.count)) - set(left)):
          path = self._path(index)
          self._journal.add(path.name, checksums.of_file(path))
    left = processes.meet('parts', left)[0]
    # A stride over the parts that are left, not over all: after a run with
    # another number of processes the remaining work is still balanced.
    self.mine: list[int] = left[processes.index :: processes.count]
    self.items_done = sum(
      len(self._batch(i)) for i in set(range(self.count)) - set(left)
    )

  @property
  def items_to_do(self) -> int:
    """Number of items in the parts of this process."""
    return sum(len(self._batch(i)) for i in self.mine)

  def remaining(self, progress: Progress) -> Iterator[Part]:
    """Yields the parts of this process, in order.

    Args:
      progress: advanced with each part that is written.

    Raises:
      ValueError: the next part is requested before the last one was written.
    """
    for grades in self._earlier:
      progress.judge(grades)
    for note in self.notes:
      progress.note(note)
    for index in self.mine:
      part = self._part(index, progress)
      yield part
      if not part.written:
        raise ValueError(f'part {part.index} was left without write().')

  def check_finished(self) -> None:
    """Checks that every part of this process has been written.

    Raises:
      IncompleteError: a part has no file.
    """
    # The files of other processes are checked by process 0, when all have met
    # and it writes the completion mark.
    for index in self.mine:
      if not self._path(index).exists():
        raise records.IncompleteError(
          f'{self._path(index)} was never written; run the stage again.'
        )

  def _part(self, index: int, progress: Progress) -> Part:
    items = self._batch(index)

    def write(rows: list[dict]) -> None:
      if len(rows) != (wanted := self._num_rows(index)):
        raise ValueError(
          f'{len(rows)} rows for {self._path(index)}; its items have {wanted}.'
        )
      data = records.part_bytes(rows)
      self._check()
      self._journal.add(self._path(index).name, checksums.of_bytes(data))
      storage.write_atomic(self._path(index), data)
      progress.advance(len(items), grades=self._grades(rows))

    return Part(index, items, write)

  def _batch(self, index: int) -> Sequence[Any]:
    batch = self._items[index * self._size : (index + 1) * self._size]
    return [item for item in batch if item is not None]

  def _num_rows(self, index: int) -> int:
    return sum(map(self._rows, self._batch(index)))

  def _is_of_others(self, index: int, rows: list[dict]) -> bool:
    """Whether rows and items name their questions, and not the same ones."""
    asked = [
      _question(item)
      for item in self._batch(index)
      for _ in range(self._rows(item))
    ]
    found = [row.get('problem') for row in rows if isinstance(row, dict)]
    return None not in (*asked, *found) and asked != found

  def _path(self, index: int) -> pathlib.Path:
    return self._folder / records.part_name(index, self.count)

  def _is_finished(self, index: int) -> bool:
    """Whether a part has a whole file; adds its grades to the accuracy."""
    path = self._path(index)
    digests = None
    if self._written is not None:
      digests = self._written.get(path.name, set())
    try:
      rows = records.read_part(path, digests)
      if len(rows) != (wanted := self._num_rows(index)):
        raise records.DamagedError(
          f'{path} has {len(rows)} rows and its items have {wanted}'
        )
      if digests is None and self._is_of_others(index, rows):
        raise records.DamagedError(f'{path} has the rows of other questions')
    except FileNotFoundError:
      return False
    except (records.TornPartError, records.DamagedError) as error:
      path.unlink()
      self.notes.append(f'{str(error).rstrip(".")}. That part is done again.')
      return False
    self._earlier.append(self._grades(rows))
    return True


def _question(item: Any) -> Any:
  """The id of the question that an item is about; None where it has none."""
  if isinstance(item, tuple):
    ids = [_question(member) for member in item]
    return next((id_ for id_ in ids if id_ is not None), None)
  if isinstance(item, dict):
    return item.get('problem')
  return getattr(item, 'id', None)
