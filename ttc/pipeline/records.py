"""Records: JSON lines in part files, consistent after a kill at any moment.

    <stage>/part-00003-of-00008.jsonl    the rows of one batch of work
    <stage>/COMPLETE                     the completion mark

Two rules make the folder consistent at every moment:

  1. A file appears whole or not at all: a local one is renamed to its name
     after its bytes are on disk, an object appears when its upload ends
     (storage.write_atomic). So an existing part is a finished part.
  2. The mark is written last, after every part has been read back. So an
     existing mark vouches for all parts; where it is missing, at worst a
     finished stage is looked through once more.

The mark stores the number of rows of each part, and the size and SHA-256 of
parts and model files, because neither rule covers later damage: a copy that
stops at the end of a line leaves a readable file, and so does a flipped bit.

Bytes are canonical (sorted keys, floats of 6 significant digits): the same work
gives the same file, and runs can be compared byte by byte.
"""

import collections
from collections.abc import Collection, Iterable, Iterator
import json
import os
import pathlib
import re
from typing import Any

from ttc.pipeline import journal
from ttc.runtime import checksums, storage
from ttc.runtime.canonical_json import canonical
from ttc.runtime.storage import write_atomic

MARK = 'COMPLETE'
CONFIG = 'config.gin'  # of the whole experiment, in the folder of each stage
_PART = re.compile(r'part-(\d{5})-of-(\d{5})\.jsonl')
# The temporary files of storage.write_atomic.
_LEFTOVER = re.compile(r'\..*\.tmp')


class TornPartError(ValueError):
  """A part file that is not whole lines of JSON: truncated or damaged."""


class IncompleteError(ValueError):
  """A folder without a completion mark, or without the rows it records."""


class DamagedError(IncompleteError):
  """A file that is not what was written; names it and how to make it again."""


def part_name(index: int, count: int) -> str:
  """The file name of part `index` of `count`.

  The count is in the name, so that parts of different batch sizes cannot be
  mistaken for each other (see `part_paths`).

  Raises:
    ValueError: `index` is not in [0, count), or `count` is above 99,999: five
      digits keep the order of names the order of parts.
  """
  if not 0 <= index < count <= 99_999:
    raise ValueError(
      f'part {index} of {count}: the index must be below the count and the '
      'count at most 99999; use larger parts.'
    )
  return f'part-{index:05d}-of-{count:05d}.jsonl'


def part_bytes(rows: Iterable[dict]) -> bytes:
  """The content of a part with these rows, plain JSON objects."""
  # A part without rows is one empty line: a file of no bytes is what a full
  # disk or an interrupted copy leaves, and `read_part` reports it as torn.
  text = ''.join(f'{canonical(row)}\n' for row in rows) or '\n'
  return text.encode('ascii')


def read_part(
  path: pathlib.Path, digests: Collection[str] | None = None
) -> list[dict]:
  """Reads the rows of one part.

  Args:
    path: of the file.
    digests: SHA-256 that it may have; None takes any.

  Raises:
    TornPartError: a line is not whole; the message names file and line.
    DamagedError: all lines are whole, and the file is another than written.
    FileNotFoundError: there is no such file.
  """
  # Every line ends with a newline, so a truncated file lacks the last one. One
  # that was cut exactly between two lines is found by the mark's row counts.
  data = path.read_bytes()
  if not data.endswith(b'\n'):
    line = data.count(b'\n') + 1
    raise TornPartError(f'{path}: line {line} is torn (no end of line).')
  rows = []
  for number, line in enumerate(data.split(b'\n')[:-1], start=1):
    try:
      if line:
        rows.append(json.loads(line))
    except ValueError as error:
      raise TornPartError(
        f'{path}: line {number} is torn ({error}).'
      ) from error
  if digests is not None and checksums.of_bytes(data) not in digests:
    raise DamagedError(f'{path} is not what was written (its SHA-256 differs)')
  return rows


def answers(rows: Iterable[dict]) -> Iterator[dict]:
  """The sampled answers in the rows of a stage, if it has any."""
  for row in rows:
    yield from row.get('rows', ())


def part_paths(folder: pathlib.Path) -> list[pathlib.Path]:
  """The part files of a folder, by index.

  Raises:
    ValueError: the names have different counts, so the files are from two
      ways of batching the items.
  """
  names = [name for name in storage.names(folder) if _PART.fullmatch(name)]
  counts = sorted({int(_PART.fullmatch(name)[2]) for name in names})
  if len(counts) > 1:
    raise ValueError(
      f'{folder} holds parts of {counts[0]} and parts of {counts[1]}: two '
      'runs wrote there; delete the parts of one of them.'
    )
  return [folder / name for name in names]


def part_count(folder: pathlib.Path) -> int | None:
  """Number of parts the stage was begun with; None without a part file."""
  paths = part_paths(folder)
  return int(_PART.fullmatch(paths[0].name)[2]) if paths else None


def remove_leftovers(folder: pathlib.Path) -> list[str]:
  """Deletes temporary files of writers that were killed; returns the names.

  Only for the one process that owns the folder: in any other moment such a
  file may be another writer's, about to be renamed.
  """
  leftovers = [
    name for name in storage.names(folder) if _LEFTOVER.fullmatch(name)
  ]
  for name in leftovers:
    (folder / name).unlink(missing_ok=True)
  return leftovers


def mark_complete(
  folder: pathlib.Path, facts: dict[str, Any], *below: str
) -> dict[str, Any]:
  """Writes the completion mark, the last write of a stage, and returns it.

  Args:
    folder: the stage's folder.
    facts: plain JSON to store in the mark. Added are by file name the number
      of rows of each part as 'rows', digests and sizes as 'sha256' and 'sizes';
      and, as 'undecided', how many answers no grader could judge, by reason.
    *below: files and folders in it, e.g. 'model', that get digests too.

  Raises:
    IncompleteError: a part is missing.
    TornPartError: a part is not whole.
  """
  paths = part_paths(folder)
  count = part_count(folder) or 0
  have = {path.name for path in paths}
  wanted = [part_name(index, count) for index in range(count)]
  missing = [name for name in wanted if name not in have]
  if missing:
    raise IncompleteError(
      f'{folder} lacks {len(missing)} of its {count} parts, first '
      f'{missing[0]}; run the stage again.'
    )
  # Reading every part back also makes sure that they are whole: after the mark
  # nothing would do a damaged part again.
  written = journal.read(folder) or {}
  rows, undecided = {}, collections.Counter()
  for path in paths:
    rows[path.name], told = _tally(path, written.get(path.name))
    undecided.update(told)
  names = [*rows, *checksums.tree(folder, *below)]
  digests = checksums.of_files(folder, names)
  sizes = {name: storage.size(folder / name) for name in names}
  mark = {**facts, 'rows': rows, 'sha256': digests, 'sizes': sizes}
  if undecided:
    mark['undecided'] = dict(undecided)
  mark['digest'] = checksums.of_bytes(canonical(mark).encode('ascii'))
  write_atomic(folder / MARK, f'{canonical(mark)}\n'.encode('ascii'))
  return mark


def _tally(
  path: pathlib.Path, digests: Collection[str] | None
) -> tuple[int, list[str]]:
  """Rows of a part, and why answers in it are undecided; raises as `read_part`.

  A part that its digest knows is whole: only the lines that tell are parsed.
  """
  data = path.read_bytes()
  if digests and checksums.of_bytes(data) in digests:
    lines = [line for line in data.split(b'\n') if line]
    part = [json.loads(line) for line in lines if b'"undecided"' in line]
    count = len(lines)
  else:
    part = read_part(path, digests)
    count = len(part)
  return count, [a['undecided'] for a in answers(part) if 'undecided' in a]


def read_mark(folder: pathlib.Path) -> dict[str, Any] | None:
  """Reads the completion mark; None where there is none.

  Raises:
    IncompleteError: the mark is not JSON with what every mark has.
  """
  try:
    mark = json.loads((folder / MARK).read_text(encoding='utf-8'))
    _check_mark(mark)
  except FileNotFoundError:
    return None
  except ValueError as error:
    raise IncompleteError(
      f'{folder / MARK} is not readable ({error}); delete it and run the '
      'stage again, finished parts are kept.'
    ) from error
  return mark


def _check_mark(mark: Any) -> None:
  """Raises ValueError for what cannot be a mark as it was written."""
  if not isinstance(mark, dict) or not {'fingerprint', 'rows'} <= set(mark):
    raise ValueError('it lacks the fingerprint or the rows')
  rows = mark['rows']
  if not isinstance(rows, dict) or set(map(type, rows.values())) - {int}:
    raise ValueError('its rows are not numbers by part')
  if sorted(rows) != [part_name(i, len(rows)) for i in range(len(rows))]:
    raise ValueError('it does not name every part')
  if 'digest' in mark:
    rest = {name: value for name, value in mark.items() if name != 'digest'}
    if mark['digest'] != checksums.of_bytes(canonical(rest).encode('ascii')):
      raise ValueError('it was damaged')


def absent(folder: pathlib.Path, mark: dict[str, Any]) -> list[str]:
  """Names of files that a mark vouches for and that are not there.

  Raises:
    DamagedError: one is there with another size. Contents are not read.
  """
  sizes = mark.get('sizes', {})  # an earlier revision had none
  gone = []
  for name in sorted({*mark['rows'], *mark.get('sha256', ())}):
    try:
      size = storage.size(folder / name)
    except FileNotFoundError:
      gone.append(name)
      continue
    if size != sizes.get(name, size):
      raise DamagedError(
        f'{folder / name} has {size} bytes and was written with {sizes[name]}; '
        f'{remedy(folder, mark)}'
      )
  return gone


def check_files(folder: pathlib.Path) -> None:
  """Checks the files of a complete stage, apart from parts, by its mark.

  Each is hashed once per process. `read_rows` checks parts.

  Args:
    folder: the stage's folder; without a mark nothing is checked, nor with one
      of a revision whose marks had no digests.

  Raises:
    DamagedError: a file is missing or is not what was written.
  """
  mark = read_mark(folder)
  if mark is not None:
    names = [n for n in mark.get('sha256', ()) if n not in mark['rows']]
    for line in damage(folder, mark, names):
      raise DamagedError(line)


def damage(
  folder: pathlib.Path, mark: dict[str, Any], names: Collection[str]
) -> Iterator[str]:
  """Says of files for which a mark vouches what is wrong, a line for each."""
  held = mark.get('sha256', {})
  there = [name for name in names if (folder / name).exists()]
  for name in sorted(set(names) - set(there)):
    yield f'{folder / name} is missing; {remedy(folder, mark)}'
  known = [name for name in there if name in held]
  for name, digest in checksums.of_files(folder, known).items():
    if digest != held[name]:
      yield (
        f'{folder / name} is not what was written (its SHA-256 differs); '
        f'{remedy(folder, mark)}'
      )


def remedy(folder: pathlib.Path, mark: dict[str, Any]) -> str:
  """How to make a damaged stage again."""
  command = mark.get('command')
  return f'delete {folder} and run the stage again' + (
    f':\n  {command}' if command else '.'
  )


def read_rows(
  folder: str | os.PathLike, incomplete_ok: bool = False
) -> list[dict]:
  """Reads all rows of a stage, in the order of its items.

  Args:
    folder: the stage's folder.
    incomplete_ok: whether to read the finished parts of an unfinished stage
      instead of raising.

  Returns:
    The rows of all parts, by index of the part.

  Raises:
    IncompleteError: there is no folder or no completion mark.
    DamagedError: a part is not what the mark vouches for.
    TornPartError: a part is not whole.
  """
  folder = storage.path(folder)
  if not folder.is_dir():
    raise IncompleteError(f'{folder} does not exist; run its stage first.')
  mark = read_mark(folder)
  if mark is None and not incomplete_ok:
    raise IncompleteError(
      f'{folder} is incomplete (no {MARK} mark); run its stage again, it '
      'continues where it stopped.'
    )
  if mark is None:
    parts = [read_part(path) for path in part_paths(folder)]
    return [row for rows in parts for row in rows]
  held = mark.get('sha256', {})  # a revision without digests counted rows only
  rows = []
  for name, expected in sorted(mark['rows'].items()):
    digests = {held[name]} if name in held else None
    try:
      part = read_part(folder / name, digests)
    except (FileNotFoundError, DamagedError) as error:
      raise DamagedError(f'{error}; {remedy(folder, mark)}') from error
    if len(part) != expected:
      raise DamagedError(
        f'{folder / name} has {len(part)} rows and the {MARK} mark says '
        f'{expected}; {remedy(folder, mark)}'
      )
    rows += part
  return rows
