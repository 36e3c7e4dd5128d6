"""Records: JSON lines in part files that survive a kill.

A stage's folder holds `part-00003-of-00008.jsonl` files and, written last, a
completion mark. A part is one batch of work: it appears whole, by a rename,
or not at all. Bytes are canonical (sorted keys, floats of 6 significant
digits), so the same work gives the same file and parts are compared by hash.
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
_LEFTOVER = re.compile(r'\..*\.tmp')


class TornPartError(ValueError):
  """A part file that is not whole lines of JSON: a copy or disk cut it."""


class IncompleteError(ValueError):
  """A folder without a completion mark, or with fewer rows than it says."""


def part_name(index: int, count: int) -> str:
  """The file name of part `index` of `count`; both are below 100,000."""
  if not 0 <= index < count <= 99_999:
    raise ValueError(
      f'part {index} of {count}: the index must be below the count and the '
      'count at most 99999; use larger parts.'
    )
  return f'part-{index:05d}-of-{count:05d}.jsonl'


def write_part(
  folder: pathlib.Path, index: int, count: int, rows: Iterable[dict]
) -> pathlib.Path:
  """Writes one part; a part without rows is one empty line, never no bytes."""
  path = folder / part_name(index, count)
  text = ''.join(f'{canonical(row)}\n' for row in rows) or '\n'
  write_atomic(path, text.encode('ascii'))
  return path


def read_part(path: pathlib.Path) -> list[dict]:
  """The rows of one part; raises TornPartError naming file and line."""
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
  """The part files of a folder in order; raises if their counts disagree."""
  found = [name for name in storage.names(folder) if _PART.fullmatch(name)]
  counts = sorted({int(_PART.fullmatch(name)[2]) for name in found})
  if len(counts) > 1:
    raise ValueError(
      f'{folder} holds parts of {counts[0]} and parts of {counts[1]}: two '
      'runs wrote there; delete the parts of one of them.'
    )
  return [folder / name for name in found]


def part_count(folder: pathlib.Path) -> int | None:
  """Of how many parts the folder was begun; None before the first part."""
  paths = part_paths(folder)
  return int(_PART.fullmatch(paths[0].name)[2]) if paths else None


def remove_leftovers(folder: pathlib.Path) -> list[str]:
  """Deletes what a killed writer left half written; returns the names."""
  leftovers = [
    name for name in storage.names(folder) if _LEFTOVER.fullmatch(name)
  ]
  for name in leftovers:
    (folder / name).unlink(missing_ok=True)
  return leftovers


def mark_complete(folder: pathlib.Path, facts: dict[str, Any]) -> None:
  """Writes the completion mark: `facts`, and how many rows each part has.

  Raises IncompleteError when a part is missing, TornPartError when one is
  not whole.
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
  rows = {path.name: len(read_part(path)) for path in paths}
  text = canonical({**facts, 'rows': rows})
  write_atomic(folder / MARK, f'{text}\n'.encode('ascii'))


def read_mark(folder: pathlib.Path) -> dict[str, Any] | None:
  """The facts of the completion mark, or None where there is none."""
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
  """All rows of a folder, in the order of its parts.

  Args:
    folder: what a stage wrote.
    incomplete_ok: whether to read the whole parts of an unfinished stage.

  Raises:
    IncompleteError: no completion mark, or a part with fewer rows than the
      mark says.
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
