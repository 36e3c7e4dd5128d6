"""Identity of the code that results depend on: this package's, and a user's."""

from collections.abc import Iterator
import dataclasses
import functools
import hashlib
import pathlib
import sys
from typing import Any

_PACKAGE = pathlib.Path(__file__).parents[1]
_DIGITS = 12


@functools.cache
def digest() -> str:
  """First digits of the SHA-256 of this package's Python source."""
  whole = hashlib.sha256()
  for path in sorted(_PACKAGE.rglob('*.py')):
    name = str(path.relative_to(_PACKAGE))
    if not name.startswith('shipped/'):  # only a wheel has it
      whole.update(name.encode())
      whole.update(path.read_bytes())
  return whole.hexdigest()[:_DIGITS]


def outside(config: Any) -> str:
  """Identity of the modules of a user's own that a configuration is made of.

  Args:
    config: a dataclass; its class, what it holds and their base classes count,
      and functions too. What those modules import does not.

  Returns:
    First digits of the SHA-256 of the modules; '' where all is this package's.
  """
  paths = {}
  for symbol in _symbols(config):
    name = symbol.__module__
    path = getattr(sys.modules.get(name), '__file__', None)
    ours = name.split('.')[0] in ('ttc', *sys.stdlib_module_names)
    if not ours and path and path.endswith('.py'):
      paths[name] = pathlib.Path(path)
  if not paths:
    return ''
  whole = hashlib.sha256()
  for name, path in sorted(paths.items()):
    whole.update(name.encode())
    whole.update(path.read_bytes())
  return whole.hexdigest()[:_DIGITS]


def _symbols(value: Any) -> Iterator[Any]:
  """The classes and functions in a configuration."""
  if dataclasses.is_dataclass(value) and not isinstance(value, type):
    yield from type(value).__mro__
    for field in dataclasses.fields(value):
      yield from _symbols(getattr(value, field.name))
  elif isinstance(value, tuple | list):
    for item in value:
      yield from _symbols(item)
  elif isinstance(value, dict):
    for item in value.values():
      yield from _symbols(item)
  elif isinstance(value, functools.partial):
    yield from _symbols([value.func, value.args, value.keywords])
  elif callable(value) and hasattr(value, '__module__'):
    yield value
