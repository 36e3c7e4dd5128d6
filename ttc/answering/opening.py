"""The experiment whose models answer, as a command line names it."""

import argparse
from collections.abc import Sequence
import dataclasses
import pathlib

from ttc.pipeline import records
from ttc.pipeline.experiment import Experiment, Load
from ttc.runtime import storage


@dataclasses.dataclass(frozen=True)
class Opened:
  """An experiment and where its results are.

  Attributes:
    experiment: the experiment.
    root: its folder, as an absolute path.
    config: its configuration as gin text.
  """

  experiment: Experiment
  root: pathlib.Path
  config: str

  def check_seeds(self, seeds: Sequence[int]) -> None:
    """Raises ValueError for a seed that the experiment does not have."""
    own = self.experiment.seeds
    for seed in seeds:
      if seed not in own:
        raise ValueError(
          f'--seed={seed} is none of the seeds {own} of '
          f'{self.experiment.name}, whose models answer; name one of them.'
        )


def opened(
  options: argparse.Namespace, rest: Sequence[str], load: Load
) -> Opened:
  """Opens a finished run, or the experiment of gin files.

  Args:
    options: with `run` and `gin_file`.
    rest: arguments that the parser does not know: gin bindings.
    load: `configuration.load`.

  Raises:
    ValueError: neither is named, there is no such run, or its configuration is
      wrong.
  """
  bound = [argument.removeprefix('--gin.') for argument in rest]
  if not options.run and not options.gin_file:
    raise ValueError(
      'name a finished run with --run=FOLDER, such as runs/quickstart, or an '
      'experiment with --gin_file=PATH.'
    )
  root = storage.absolute(options.run) if options.run else None
  files = options.gin_file or [str(_recorded(root))]
  try:
    experiment, config = load(files, bound, False)
  except ValueError as error:
    if options.gin_file or bound:
      raise
    raise ValueError(
      f'{error} This is what the run has recorded; if it is damaged, give its '
      'gin files with --gin_file.'
    ) from error
  return Opened(experiment, root or experiment.root, config)


def _recorded(root: pathlib.Path) -> pathlib.Path:
  """The configuration of a run, as its latest command recorded it.

  Raises:
    ValueError: the folder is none of a run.
  """
  found = list(root.glob(f'seed-*/*/{records.CONFIG}')) if root.is_dir() else []
  if not found:
    raise ValueError(
      f'--run={root} holds no run ({records.CONFIG} of a stage in seed-*/); '
      'give the folder of an experiment, such as runs/quickstart.'
    )
  return max(found, key=storage.modified)
