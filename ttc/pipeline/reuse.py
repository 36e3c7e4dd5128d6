"""Stages taken from another experiment instead of being run again.

A sweep over strategies need not train anew: a stage that another experiment
has finished with the same bindings, from the same inputs, is linked to, or
copied where one of the two is in an object store, which knows no links.
"""

from collections.abc import Iterator
import json
import os
import pathlib
import shutil

from ttc.pipeline import fingerprint, records
from ttc.pipeline.experiment import ConfigurationError, Experiment
from ttc.runtime import storage

_LAST = ('stage.json', records.MARK)  # of what is copied
_NOT_COPIED = ('checkpoints',)  # only unfinished stages read them
_PIECE = 2**24


def take(experiment: Experiment, root: pathlib.Path) -> Iterator[str]:
  """Takes finished stages of `experiment.reuse` into `root`; says which.

  What has been begun in `root` is left as it is. Every process may do this
  at once, and whatever is cut off is done again.

  Raises:
    ConfigurationError: there is no such experiment.
  """
  source = storage.absolute(experiment.reuse)
  if not source.is_dir():
    raise ConfigurationError(
      f'Experiment.reuse={experiment.reuse!r} is no folder; name the folder of '
      'an experiment, such as runs/quickstart or gs://bucket/runs/quickstart.'
    )
  for seed in experiment.seeds:
    for stage in experiment.stages:
      label = f'seed-{seed}/{stage.name}'
      done = records.read_mark(source / label) is not None
      if not done or _is_begun(root / label):
        continue
      difference = _difference(stage, source / label, root)
      if difference:
        yield f'{label}: not taken from {source}: {difference}'
        continue
      if storage.is_remote(root) or storage.is_remote(source):
        _copy(source / label, root / label)
        yield f'{label}: copied from {source}'
      elif _link(source / label, root / label):
        yield f'{label}: taken from {source}'


def _is_begun(folder: pathlib.Path) -> bool:
  if not storage.is_remote(folder) and folder.is_symlink():
    return True
  return (folder / 'stage.json').exists()


def _link(source: pathlib.Path, target: pathlib.Path) -> bool:
  target.parent.mkdir(parents=True, exist_ok=True)
  try:
    os.symlink(source.resolve(), target)
  except FileExistsError:
    return False  # another process was first, or a run that left nothing
  return True


def _copy(source: pathlib.Path, target: pathlib.Path) -> None:
  storage.make_folder(target)
  for name in storage.names(source):
    if name in (*_LAST, *_NOT_COPIED) or name.startswith('.'):
      continue
    if (source / name).is_dir():
      _copy(source / name, target / name)
      continue
    with (source / name).open('rb') as read, (target / name).open('wb') as to:
      shutil.copyfileobj(read, to, _PIECE)
  for name in _LAST:
    if (source / name).exists():
      storage.write_atomic(target / name, (source / name).read_bytes())


def _difference(stage, folder: pathlib.Path, root: pathlib.Path) -> str:
  """Why the finished stage in `folder` is not this one; '' where it is."""
  about = json.loads((folder / 'stage.json').read_text(encoding='utf-8'))
  lines = fingerprint.differences(
    about['bindings'], fingerprint.bindings(stage)
  )
  if lines:
    return f'{lines[0]}{" ..." * (len(lines) > 1)}'
  for key, identity in about['inputs'].items():
    mark = records.read_mark(storage.join(root, key))
    if (mark or {'fingerprint': key})['fingerprint'] != identity:
      return f'it was made from another {key}'
  return ''
