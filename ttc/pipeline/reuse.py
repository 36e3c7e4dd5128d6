"""Reuse of finished stages of another experiment.

A sweep over strategies need not train each model anew. A stage that another
experiment has finished with the same bindings, from the same inputs, is linked
to by a symbolic link. Where one of the two folders is in an object store, which
has no links, it is copied.
"""

from collections.abc import Iterator
import os
import pathlib
import re
import shutil

from ttc.pipeline import contents, fingerprint, inputs, records
from ttc.pipeline.experiment import ConfigurationError, Experiment
from ttc.pipeline.origin import Origin
from ttc.runtime import storage

# Copied after all other files, in this order. Without a stage.json a folder
# counts as not begun, so a copy that is cut off is made again from the start.
_LAST = ('stage.json', records.MARK)
_NOT_COPIED = ('checkpoints',)  # read only to resume a stage, and large
_PIECE = 2**24  # bytes per read: files of a model may not fit in memory


def check(experiment: Experiment) -> None:
  """Raises ConfigurationError if the folder to reuse does not exist."""
  if experiment.reuse and not storage.absolute(experiment.reuse).is_dir():
    raise ConfigurationError(
      f'Experiment.reuse={experiment.reuse!r} is no folder; name the folder of '
      'an experiment, such as runs/quickstart or gs://bucket/runs/quickstart.'
    )


def take(experiment: Experiment, root: pathlib.Path) -> Iterator[str]:
  """Links or copies finished stages of `experiment.reuse` into `root`.

  A stage that has begun in `root` is left as it is. All processes of a run may
  call this at the same time, and it may be killed at any moment.

  Args:
    experiment: the experiment about to run, which has passed `check`.
    root: its folder.

  Yields:
    One message per stage that was taken, or could not be taken, with the
    reason; or one message that the folder has none of the stages.
  """
  source = storage.absolute(experiment.reuse)
  missing, found = [], False
  for seed in experiment.seeds:
    for stage in experiment.stages:
      label = f'seed-{seed}/{stage.name}'
      done = records.read_mark(source / label) is not None
      found = found or done
      if _is_begun(root / label):
        continue
      if not done:
        missing.append(label)
        continue
      # In the order of the stages: whether one may be taken depends on its
      # inputs in `root`, which have been taken by now if they can be.
      difference = _difference(stage, source / label, root)
      if difference:
        yield f'{label}: not taken from {source}: {difference}'
        continue
      if storage.is_remote(root) or storage.is_remote(source):
        _copy(source / label, root / label)
        yield f'{label}: copied from {source}'
      elif _link(source / label, root / label):
        yield f'{label}: taken from {source}'
  if missing and not found:
    wanted = ', '.join(missing[:3]) + ', …' * (len(missing) > 3)
    yield (
      f'nothing taken from {source}, which has no finished stage of {wanted}'
      f'{_instead(source)}'
    )


def _instead(source: pathlib.Path) -> str:
  """What a folder without the stages has, or is part of, instead; or ''."""
  marks = sorted(source.glob(f'seed-*/*/{records.MARK}'))
  if marks:
    return f'; it has {marks[0].parent.relative_to(source)}'
  if re.fullmatch(r'seed-\d+', source.name):
    return f'; name the experiment, {source.parent}'
  below = sorted(
    {m.parents[2] for m in source.glob(f'*/seed-*/*/{records.MARK}')}
  )
  return f'; name an experiment in it, such as {below[0]}' if below else ''


def _is_begun(folder: pathlib.Path) -> bool:
  # A link is kept even if its target is gone; StageRun then refuses it, with
  # the target's name.
  if not storage.is_remote(folder) and folder.is_symlink():
    return True
  return (folder / 'stage.json').exists()


def _link(source: pathlib.Path, target: pathlib.Path) -> bool:
  """Links `target` to `source`; False where `target` exists already."""
  target.parent.mkdir(parents=True, exist_ok=True)
  try:
    # Resolved, so that chains of experiments do not become chains of links.
    os.symlink(source.resolve(), target)
  except FileExistsError:
    return False  # another process was faster, or a run made an empty folder
  return True


def _copy(source: pathlib.Path, target: pathlib.Path) -> None:
  """Copies a folder, or finishes a copy that was cut off."""
  storage.make_folder(target)
  for name in storage.names(source):
    if name in (*_LAST, *_NOT_COPIED) or name.startswith('.'):
      continue
    if (source / name).is_dir():
      _copy(source / name, target / name)
      continue
    with (source / name).open('rb') as read, (target / name).open('wb') as to:
      shutil.copyfileobj(read, to, _PIECE)
  if not storage.is_remote(target):
    storage.sync_tree(target)  # before the mark vouches for it
  for name in _LAST:
    if (source / name).exists():
      storage.write_atomic(target / name, (source / name).read_bytes())


def _difference(stage, folder: pathlib.Path, root: pathlib.Path) -> str:
  """Why the finished stage in `folder` cannot be used; '' where it can.

  Args:
    stage: the stage of this experiment.
    folder: the stage's folder in the other experiment.
    root: folder of this experiment.
  """
  origin = Origin.read(folder)
  lines = fingerprint.differences(origin.bindings, fingerprint.bindings(stage))
  lines += contents.differences(origin.files or {}, contents.of(stage))
  if lines:
    return f'{lines[0]}{" ..." * (len(lines) > 1)}'
  # The same bindings are not enough: they do not include those of the stages
  # that the inputs came from. The fingerprints of the inputs do.
  for key, identity in origin.inputs.items():
    now = inputs.identity(root, key)
    if now is None or not inputs.same(key, identity, now):
      return f'it was made from another {key}'
  return ''
