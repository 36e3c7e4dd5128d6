"""Classes that a configuration names where something made of them belongs."""

import dataclasses
import functools
from typing import Any

from ttc.pipeline.experiment import ConfigurationError


def check(config: Any) -> None:
  """Raises ConfigurationError where a reference of gin lacks its brackets.

  Gin passes `@strategies.BestOfN` on as the class; what it makes fails only
  where it is used, maybe hours later. No setting of ours is a class.

  Args:
    config: an instance of a dataclass.
  """
  _check(type(config).__name__, config)


def _check(path: str, value: Any) -> None:
  if isinstance(value, type) and dataclasses.is_dataclass(value):
    raise ConfigurationError(
      f'{path} is the class {value.__name__} and not made of it; write '
      f'@{value.__name__}() with brackets.'
    )
  if dataclasses.is_dataclass(value):
    for field in dataclasses.fields(value):
      _check(f'{path}.{field.name}', getattr(value, field.name))
  elif isinstance(value, tuple | list):
    for index, item in enumerate(value):
      _check(f'{path}[{index}]', item)
  elif isinstance(value, dict):
    for key, item in value.items():
      _check(f'{path}[{key!r}]', item)
  elif isinstance(value, functools.partial):
    _check(path, [*value.args, *value.keywords.values()])
