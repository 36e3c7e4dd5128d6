"""Stages taken from another experiment instead of being run again.

A sweep over strategies need not train anew: a stage that another experiment
has finished with the same bindings, from the same inputs, is linked to.
"""

from collections.abc import Iterator
import json
import os
import pathlib

from ttc import records
from ttc.cli import fingerprint
from ttc.cli.configuration import ConfigurationError
from ttc.cli.experiment import Experiment


def take(experiment: Experiment, root: pathlib.Path) -> Iterator[str]:
  """Links finished stages of `experiment.reuse` into `root`; says which.

  What has been begun in `root` is left as it is. Every process may do this
  at once.

  Raises:
    ConfigurationError: there is no such experiment on this machine.
  """
  source = pathlib.Path(experiment.reuse).expanduser().absolute()
  if not source.is_dir():
    raise ConfigurationError(
      f'Experiment.reuse={experiment.reuse!r} is no folder on this machine; '
      'name the folder of an experiment, such as runs/quickstart. Models on a '
      "bucket are taken by their path: --gin.Solver.proposer=\"'gs://...'\"."
    )
  for seed in experiment.seeds:
    for stage in experiment.stages:
      label = f'seed-{seed}/{stage.name}'
      if os.path.lexists(root / label):
        continue
      difference = _difference(stage, source / label, root)
      if difference:
        yield f'{label}: not taken from {source}: {difference}'
        continue
      (root / label).parent.mkdir(parents=True, exist_ok=True)
      try:
        os.symlink((source / label).resolve(), root / label)
      except FileExistsError:
        continue  # another process was first
      yield f'{label}: taken from {source}'


def _difference(stage, folder: pathlib.Path, root: pathlib.Path) -> str:
  """Why the finished stage in `folder` is not this one; '' where it is."""
  mark = records.read_mark(folder) if folder.is_dir() else None
  if mark is None:
    return 'it is not complete there'
  about = json.loads((folder / 'stage.json').read_text(encoding='utf-8'))
  lines = fingerprint.differences(
    about['bindings'], fingerprint.bindings(stage)
  )
  if lines:
    return f'{lines[0]}{" ..." * (len(lines) > 1)}'
  for key, identity in about['inputs'].items():
    own = root / key  # an absolute key replaces the root
    mark = records.read_mark(own) if own.is_dir() else None
    if (mark or {'fingerprint': key})['fingerprint'] != identity:
      return f'it was made from another {key}'
  return ''
