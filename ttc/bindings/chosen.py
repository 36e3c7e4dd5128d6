"""Which of an experiment's stages a command names, by kind and by --only.

The names are known without building an experiment, too: it may read files that
another machine has.
"""

from collections.abc import Collection, Iterator, Sequence
import dataclasses
import difflib
from typing import Any, NamedTuple

from gin import config as gin_config
from ttc.pipeline.experiment import ConfigurationError, Experiment

_MACRO = 'gin.macro'


class StageName(NamedTuple):
  """A stage as far as gin's tables tell.

  Attributes:
    name: of the stage.
    kind: the subcommand that runs it.
  """

  name: str
  kind: str


def names(
  stages: Sequence[Any], kind: str | None, only: Collection[str]
) -> set[str]:
  """The names of the stages that a command runs.

  Args:
    stages: of the experiment; each has a name and a kind.
    kind: of those to run; None for all kinds.
    only: names of those to run; () for all of the kind.

  Raises:
    ConfigurationError: a name is of no stage of the kind, or no stage is left.
  """
  found = {s.name for s in stages if kind in (None, s.kind)}
  unknown = sorted(set(only) - found)
  if unknown or not found:
    have = ', '.join(f'{s.name} ({s.kind})' for s in stages)
    kinds = {s.name: s.kind for s in stages}
    what = unknown[0] if unknown else f'of kind {kind}'
    if what in kinds:
      raise ConfigurationError(
        f'--only={what} is a stage of kind {kinds[what]}, which ttc {kind} '
        f'does not run; write ttc {kinds[what]} --only={what}, or ttc run for '
        'stages of several kinds.'
      )
    close = difflib.get_close_matches(what, kinds, n=1)
    meant = f' (did you mean {close[0]}?)' if close else ''
    raise ConfigurationError(
      f'the experiment has no stage {what}{meant}; it has {have}.'
    )
  return found & set(only) if only else found


def planned() -> list[StageName] | None:
  """The stages that gin's tables give to an Experiment; None if they do not."""
  selector = f'{Experiment.__module__}.{Experiment.__name__}'
  bound = _bound('', selector)
  stages = []
  for reference in _references([bound.get('stages'), bound.get('report')]):
    made = reference.configurable
    table = {
      field.name: field.default for field in dataclasses.fields(made.wrapped)
    }
    table |= _bound('/'.join(reference.scopes), made.selector)
    name = _resolved(table.get('name'))
    if not isinstance(name, str):
      return None
    stages.append(StageName(name, made.wrapped.kind))
  return stages


def _bound(scope: str, selector: str) -> dict[str, Any]:
  """The arguments of a class in a scope, the innermost scope's first."""
  parts = scope.split('/') if scope else []
  bound = {}
  for count in range(len(parts) + 1):
    outer = '/'.join(parts[:count])
    bound |= gin_config._CONFIG.get((outer, selector), {})
  return bound


def _references(value: Any) -> Iterator[gin_config.ConfigurableReference]:
  value = _resolved(value)
  if isinstance(value, list | tuple):
    for item in value:
      yield from _references(item)
  elif isinstance(value, gin_config.ConfigurableReference):
    yield value


def _resolved(value: Any) -> Any:
  """A value, or what the macro that it is stands for."""
  while (
    isinstance(value, gin_config.ConfigurableReference)
    and value.configurable.selector == _MACRO
  ):
    name = '/'.join(value.scopes)
    value = gin_config._CONFIG.get((name, _MACRO), {}).get('value')
  return value
