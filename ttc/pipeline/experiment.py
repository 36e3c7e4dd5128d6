"""The experiment: the stages from a base model to a report, as one config."""

from collections.abc import Callable
import dataclasses
import pathlib
import re

from ttc.data import hub
from ttc.pipeline.stage import Stage
from ttc.runtime import limits, storage

# Of `configuration.load`, for rooms below it.
Load = Callable[..., tuple['Experiment', str]]
_NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9._-]*')


class ConfigurationError(ValueError):
  """The experiment cannot be built from its configuration."""


@dataclasses.dataclass(frozen=True)
class Experiment:
  """Stages in the order in which they run, once per seed.

  Attributes:
    name: name of the experiment and of its folder below `output`.
    stages: run once per seed, each in `<output>/<name>/seed-<seed>/<stage>`. A
      stage may read the results of the stages before it.
    report: runs once, after all seeds, in `<output>/<name>/<report.name>`.
    seeds: random seeds; all stages are repeated for each.
    output: parent folder of all experiments, local (relative to the working
      directory, or absolute) or in a bucket.
    reuse: folder of another experiment, e.g. 'runs/quickstart'. Stages that it
      has finished with the same bindings and inputs are not run again: they
      are linked to, or copied where one of the two folders is in a bucket.

  Raises:
    ValueError: a name is not a valid folder name or is used twice, stages or
      seeds are missing or repeated, or a path is misspelt.
  """

  name: str
  stages: tuple[Stage, ...]
  report: Stage | None = None
  seeds: tuple[int, ...] = (0,)
  output: str = 'runs'
  reuse: str = ''

  def __post_init__(self):
    limits.several(self, 'stages')
    for stage in self.everything:
      if isinstance(stage, type):  # in gin, a reference without its ()
        raise ValueError(
          f'Experiment has the class {stage.__name__} for a stage; write '
          f'@{stage.__name__}(), with brackets.'
        )
    names = [stage.name for stage in self.everything]
    for name in (self.name, *names):
      if not isinstance(name, str) or not _NAME.fullmatch(name):
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
    limits.wholes(self, 'seeds', least=0, most=limits.LARGEST_SEED)
    if len(set(self.seeds)) != len(self.seeds):
      raise ValueError(f'Experiment.seeds={self.seeds}; list each seed once.')
    for field in ('output', 'reuse'):
      try:
        storage.check(getattr(self, field))
      except ValueError as error:
        raise ValueError(f'Experiment.{field}: {error}') from error
    if not str(self.output).strip():
      raise ValueError(
        f"Experiment.output={self.output!r} names no folder; write 'runs', or "
        "'.' for the working directory."
      )

  @property
  def everything(self) -> tuple[Stage, ...]:
    """All stages in the order of execution; the report, if any, is last."""
    return self.stages + ((self.report,) if self.report else ())

  @property
  def root(self) -> pathlib.Path:
    """The folder of this experiment, as an absolute path."""
    return storage.absolute(self.output) / self.name

  def source(self, reader: Stage, name: str) -> Stage | None:
    """Looks up an input of a stage before anything runs.

    Args:
      reader: the stage that reads the input.
      name: name of an earlier stage, or an absolute path to results from
        outside the experiment.

    Returns:
      The stage called `name`; None for an absolute path.

    Raises:
      ValueError: no stage before `reader` has that name, or the path is not
        absolute or does not exist.
    """
    storage.check(name)
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
      whole = storage.absolute(name)
      if '/' in name or whole.is_dir():  # no stage has a slash
        raise ValueError(
          f'{reader.name} reads {name}, a relative path; write {whole}.'
          + ('' if whole.exists() else hub.advice(name))
        )
      raise ValueError(
        f'{reader.name} reads {name!r}, which is none of the stages before '
        f'it ({", ".join(earlier) or "it is the first"}).'
      )
    return earlier[name]

  def check(self) -> None:
    """Calls the `check` of every stage that has one.

    Raises:
      ValueError: the first stage that cannot work; the message names it.
    """
    for stage in self.everything:
      if hasattr(stage, 'check'):
        try:
          stage.check(self)
        except ValueError as error:
          raise ValueError(f'stage {stage.name!r}: {error}') from error
