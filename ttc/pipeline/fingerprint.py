"""What a stage was configured with, in a form that can be compared.

A configuration is a tree of frozen dataclasses. Flattened, it is a table from
binding (`Search.strategies[1].width`) to value, so that two configurations
that differ can be told apart by name and not only by hash.
"""

import dataclasses
import functools
import hashlib
import json
import pathlib
import re
from typing import Any

# How classes and functions of this package stood in tables before their names
# went without the module: module, then the qualified name.
_WITH_MODULE = re.compile(
  r'ttc(?:\.[a-z_]\w*)*\.(_?[A-Z]\w*(?:\.\w+)*|[a-z_]\w*)'
)


def bindings(config: Any) -> dict[str, Any]:
  """All values of a (nested) dataclass, by the path that leads to them.

  A nested dataclass contributes its own class name, at the path that holds
  it, beside its fields; functions appear by their names. Names of this package
  go without their modules, so that a class may move and its runs go on (no two
  public classes have one name, which a test holds). A field
  whose metadata say `{'recorded': False}` is left out: it tells how numbers
  are computed and not which, and may change before a stage is finished. Raises
  ValueError for a value that has no canonical form, naming its path.
  """
  table = {}
  _flatten(type(config).__name__, config, table)
  return table


def digest(value: Any) -> str:
  """SHA-256 (hex) of the canonical JSON of `value`, floats in full."""
  text = json.dumps(value, sort_keys=True, separators=(',', ':'))
  return hashlib.sha256(text.encode('ascii')).hexdigest()


def differences(
  before: dict[str, Any],
  now: dict[str, Any],
  words: tuple[str, str] = ('before', 'now'),
) -> list[str]:
  """One line for each binding that two tables do not share.

  Args:
    before: one of them; may be of a revision that named modules too.
    now: the other.
    words: what they are called, behind their values.
  """
  return [
    f'{name}: {_shown(before, name)} {words[0]}, {_shown(now, name)} {words[1]}'
    for name in sorted(before.keys() | now.keys())
    if not _same(before, now, name)
  ]


def _same(before: dict[str, Any], now: dict[str, Any], name: str) -> bool:
  one, other = _shown(before, name), _shown(now, name)
  if one == other:
    return True
  old = _WITH_MODULE.fullmatch(str(before.get(name)))
  return old is not None and json.dumps(old[1]) == other


def _name(of: Any) -> str:
  """A class or function; ours without the module where it stands."""
  ours = of.__module__.split('.')[0] == 'ttc'
  return of.__qualname__ if ours else f'{of.__module__}.{of.__qualname__}'


def _flatten(path: str, value: Any, table: dict[str, Any]) -> None:
  if dataclasses.is_dataclass(value) and not isinstance(value, type):
    table[path] = _name(type(value))
    for field in dataclasses.fields(value):
      if field.metadata.get('recorded', True):
        _flatten(f'{path}.{field.name}', getattr(value, field.name), table)
  elif isinstance(value, tuple | list):
    table[f'{path}[]'] = len(value)
    for index, item in enumerate(value):
      _flatten(f'{path}[{index}]', item, table)
  elif isinstance(value, dict):
    table[f'{path}{{}}'] = len(value)
    for key, item in value.items():
      _flatten(f'{path}[{key!r}]', item, table)
  elif isinstance(value, functools.partial):
    call = {'function': value.func, 'args': value.args, **value.keywords}
    _flatten(path, call, table)
  elif isinstance(value, pathlib.PurePath):
    table[path] = str(value)
  elif value is None or isinstance(value, bool | int | float | str):
    table[path] = value
  elif callable(value) and hasattr(value, '__qualname__'):
    table[path] = _name(value)
  else:
    raise ValueError(
      f'{path} is a {type(value).__name__}, which cannot be compared between '
      'runs; use dataclasses, tuples, dicts, functions, strings and numbers.'
    )


def _shown(table: dict[str, Any], name: str) -> str:
  return json.dumps(table[name]) if name in table else 'absent'
