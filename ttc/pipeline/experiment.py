"""An experiment: the stages that lead from a base model to a report."""

import dataclasses
import pathlib
import re

from ttc.pipeline.stage import Stage
from ttc.runtime import storage

_NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9._-]*')


class ConfigurationError(ValueError):
  """The experiment cannot be built from what was given."""


@dataclasses.dataclass(frozen=True)
class Experiment:
  """Stages in the order in which they run, once for each seed.

  Attributes:
    name: folder of the experiment below `output`.
    stages: each runs once a seed, in `<output>/<name>/seed-<s>/<stage>`.
    report: runs once, after all seeds, in `<output>/<name>/<its name>`.
    seeds: what the stages are repeated with.
    output: folder of all experiments; relative to where ttc is started.
    reuse: folder of another experiment, e.g. 'runs/quickstart'; what it has
      finished with the same bindings and inputs is linked to, or copied to or
      from a bucket, and not run again.
  """

  name: str
  stages: tuple[Stage, ...]
  report: Stage | None = None
  seeds: tuple[int, ...] = (0,)
  output: str = 'runs'
  reuse: str = ''

  def __post_init__(self):
    names = [stage.name for stage in self.everything]
    for name in (self.name, *names):
      if not _NAME.fullmatch(name):
        raise ValueError(
          f'{name!r} cannot name a folder; use letters, digits, ".", "_" and '
          '"-", the first one a letter or digit.'
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
      raise ValueError(
        f'Experiment.stages has more than one stage named {twice[0]!r}; give '
        'them different names.'
      )
    if not self.stages:
      raise ValueError('Experiment.stages is empty; list at least one stage.')
    if not self.seeds or len(set(self.seeds)) != len(self.seeds):
      raise ValueError(
        f'Experiment.seeds={self.seeds}; list each seed once, at least one.'
      )

  @property
  def everything(self) -> tuple[Stage, ...]:
    """All stages, the report last."""
    return self.stages + ((self.report,) if self.report else ())

  @property
  def root(self) -> pathlib.Path:
    """The folder of this experiment."""
    return storage.absolute(self.output) / self.name

  def source(self, reader: Stage, name: str) -> Stage | None:
    """The stage `name`, for `reader` to check that it can use its results.

    Returns None for an absolute path, which is somebody else's. Raises
    ValueError when there is no such stage before `reader`.
    """
    if storage.is_absolute(name):
      if not storage.path(name).exists():
        raise ValueError(f'{name}, which {reader.name} reads, does not exist.')
      return None
    earlier = {}
    for stage in self.everything:
      if stage.name == reader.name:
        break
      earlier[stage.name] = stage
    if name not in earlier:
      raise ValueError(
        f'{reader.name} reads {name!r}, which is none of the stages before '
        f'it ({", ".join(earlier) or "it is the first"}).'
      )
    return earlier[name]

  def check(self) -> None:
    """Raises ValueError, naming the stage, for the first that cannot work."""
    for stage in self.everything:
      if hasattr(stage, 'check'):
        try:
          stage.check(self)
        except ValueError as error:
          raise ValueError(f'stage {stage.name!r}: {error}') from error
