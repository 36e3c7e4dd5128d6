"""Whether finished and unfinished stages still hold what was written."""

from collections.abc import Iterator
import dataclasses
import os
import pathlib

from ttc.pipeline import journal, records
from ttc.pipeline.origin import FILE, Origin, RefusedError
from ttc.runtime import storage


@dataclasses.dataclass(frozen=True)
class Finding:
  """What was found in one folder.

  Attributes:
    folder: of a stage, or of a converted model.
    state: 'complete', 'unfinished' or 'missing'.
    files: number of files that were compared with their digests.
    damage: one line per file that is not what was written.
  """

  folder: pathlib.Path
  state: str
  files: int
  damage: list[str]


def verify(folder: pathlib.Path) -> Iterator[Finding]:
  """Checks the stages of an experiment, or of several, or a single one."""
  if (folder / records.MARK).exists() or (folder / FILE).exists():
    yield _stage(folder)
    return
  for name in storage.names(folder):
    child = folder / name
    if not name.startswith('.') and child.is_dir():
      yield from verify(child)
    elif os.path.islink(child):
      gone = f'{child} was taken from {os.readlink(child)}, which is gone'
      yield Finding(child, 'missing', 0, [gone])


def _stage(folder: pathlib.Path) -> Finding:
  try:
    mark = records.read_mark(folder)
    Origin.read(folder)
  except (records.IncompleteError, RefusedError) as error:
    return Finding(folder, 'complete', 0, [str(error)])
  if mark is None:
    return _unfinished(folder)
  held = mark.get('sha256', {})
  damage = list(records.damage(folder, mark, {*mark['rows'], *held}))
  damage += [
    f'{path} is not of this stage'
    for path in records.part_paths(folder)
    if path.name not in mark['rows']
  ]
  if not held and not damage:
    try:
      records.read_rows(folder)  # a revision without digests counted rows
    except (records.IncompleteError, records.TornPartError) as error:
      damage.append(str(error))
  there = sum((folder / name).exists() for name in held)
  return Finding(folder, 'complete', there, damage)


def _unfinished(folder: pathlib.Path) -> Finding:
  written = journal.read(folder)
  damage, parts = [], records.part_paths(folder)
  for path in parts:
    digests = None if written is None else written.get(path.name, set())
    try:
      records.read_part(path, digests)
    except (records.TornPartError, records.DamagedError) as error:
      damage.append(
        f'{str(error).rstrip(".")}. The same command makes it again.'
      )
  return Finding(folder, 'unfinished', len(parts), damage)
