"""SHA-256 of a training's checkpoints: damage is found before they are used.

    <run>/checkpoint_<step>/    what orbax writes
    <run>/sha256_<step>.json    digests of its files; written before it is named

A checkpoint of a revision without digests is taken as it is.
"""

from collections.abc import Sequence
import errno
import json
import pathlib
import re
import sys

from ttc.runtime import checksums, storage

_NAME = re.compile(r'sha256_(\d+)\.json')


def write(folder: pathlib.Path, step: int) -> None:
  """Writes the digests of a step that is whole and has no name yet.

  Args:
    folder: of the run.
    step: the only one of this number, be its name final or temporary.

  Raises:
    OSError: a file cannot be read or written.
  """
  names = storage.names(folder)
  found = [n for n in names if n.split('.')[0] == f'checkpoint_{step}']
  for name in names:
    match = _NAME.fullmatch(name)
    if match and f'checkpoint_{match[1]}' not in names:
      (folder / name).unlink(missing_ok=True)
  digests = {'sha256': _of(folder / found[0])}
  text = json.dumps(digests, indent=1, sort_keys=True)
  storage.write_atomic(_path(folder, step), f'{text}\n'.encode('ascii'))


def damage(folder: pathlib.Path, step: int) -> str:
  """Says which file of a step is not what was written; '' where none is known.

  Args:
    folder: of the run.
    step: a complete one.
  """
  try:
    held = json.loads(_path(folder, step).read_bytes())['sha256']
  except FileNotFoundError:
    return ''
  except (ValueError, KeyError, TypeError):
    return f'{_path(folder, step)} cannot be read'
  found = _of(folder / f'checkpoint_{step}')
  wrong = [n for n in sorted(held | found) if held.get(n) != found.get(n)]
  if not wrong:
    return ''
  path = folder / f'checkpoint_{step}' / wrong[0]
  return f'{path} is not what was written (its SHA-256 differs)'


def remove_damaged(folder: pathlib.Path, steps: Sequence[int]) -> None:
  """Deletes the newest steps as far as they are damaged, and says so.

  Training from the one before them makes them again, bit-equal.

  Args:
    folder: of the run.
    steps: the complete ones.

  Raises:
    OSError: all are damaged; none was deleted.
  """
  told = []
  for step in sorted(steps, reverse=True):
    found = damage(folder, step)
    if not found:
      break
    told.append((step, found))
  if told and len(told) == len(steps):
    raise OSError(
      errno.EIO,
      f'{told[0][1]}, and there is no other checkpoint; delete {folder} to '
      'train from the beginning.',
    )
  for step, found in told:
    print(
      f'ttc: {found}. Training continues without checkpoint_{step}, which is '
      'made again.',
      file=sys.stderr,
      flush=True,
    )
    # In this order: what a kill leaves of it must not pass for a whole one.
    storage.remove_folder(folder / f'checkpoint_{step}')
    _path(folder, step).unlink(missing_ok=True)


def _path(folder: pathlib.Path, step: int) -> pathlib.Path:
  return folder / f'sha256_{step}.json'


def _of(step: pathlib.Path) -> dict[str, str]:
  """Digests of what is in the folders of a step; orbax changes the rest."""
  folders = [name for name in storage.names(step) if (step / name).is_dir()]
  return checksums.of_files(step, checksums.tree(step, *folders))
