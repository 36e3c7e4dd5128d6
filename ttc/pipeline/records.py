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

The mark stores the number of rows of each part, because rule 1 does not cover
later damage: a copy that stops at the end of a line leaves a readable file.

Bytes are canonical (sorted keys, floats of 6 significant digits): the same work
gives the same file, and runs can be compared byte by byte.
"""

from collections.abc import Iterable
import json
import os
import pathlib
import re
from typing import Any

from ttc.runtime import storage
from ttc.runtime.canonical_json import canonical
from ttc.runtime.storage import write_atomic

MARK = 'COMPLETE'
_PART = re.compile(r'part-(\d{5})-of-(\d{5})\.jsonl')
# The temporary files of storage.write_atomic.
_LEFTOVER = re.compile(r'\..*\.tmp')


class TornPartError(ValueError):
  """A part file that is not whole lines of JSON: truncated or damaged."""


class IncompleteError(ValueError):
  """A folder without a completion mark, or without the rows it records."""


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


def write_part(
  folder: pathlib.Path, index: int, count: int, rows: Iterable[dict]
) -> pathlib.Path:
  """Writes one part atomically.

  Args:
    folder: the stage's folder.
    index: index of the part, from 0.
    count: number of parts of the stage.
    rows: plain JSON objects; none is allowed.

  Returns:
    The path of the file.

  Raises:
    OSError: it cannot be written; what was there before is unchanged.
  """
  # A part without rows is one empty line: a file of no bytes is what a full
  # disk or an interrupted copy leaves, and `read_part` reports it as torn.
  path = folder / part_name(index, count)
  text = ''.join(f'{canonical(row)}\n' for row in rows) or '\n'
  write_atomic(path, text.encode('ascii'))
  return path


def read_part(path: pathlib.Path) -> list[dict]:
  """Reads the rows of one part.

  Raises:
    TornPartError: a line is not whole; the message names file and line.
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
  return rows


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


def mark_complete(folder: pathlib.Path, facts: dict[str, Any]) -> None:
  """Writes the completion mark, the last write of a stage.

  Args:
    folder: the stage's folder.
    facts: plain JSON to store in the mark. The number of rows of each part is
      added as 'rows', by file name.

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
  rows = {path.name: len(read_part(path)) for path in paths}
  text = canonical({**facts, 'rows': rows})
  write_atomic(folder / MARK, f'{text}\n'.encode('ascii'))


def read_mark(folder: pathlib.Path) -> dict[str, Any] | None:
  """Reads the completion mark; None where there is none.

  Raises:
    IncompleteError: the mark is not JSON.
  """
  try:
    return json.loads((folder / MARK).read_text(encoding='utf-8'))
  except FileNotFoundError:
    return None
  except ValueError as error:
    raise IncompleteError(
      f'{folder / MARK} is not readable ({error}); delete it and run the '
      'stage again, finished parts are kept.'
    ) from error


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
    IncompleteError: there is no folder or no completion mark, or a part does
      not have the number of rows that the mark records.
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
  by_part = {path.name: read_part(path) for path in part_paths(folder)}
  if mark is not None:
    for name, expected in mark['rows'].items():
      have = len(by_part.get(name, ()))
      if have != expected:
        raise IncompleteError(
          f'{folder / name} has {have} rows and the {MARK} mark says '
          f'{expected}; copy it again or delete {MARK} and run the stage.'
        )
  return [row for rows in by_part.values() for row in rows]
