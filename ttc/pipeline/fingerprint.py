"""Configurations flattened into tables, to be compared and hashed.

A configuration is a tree of frozen dataclasses. Its flat form is a table from
binding (`Search.arms[1].strategy.lookahead`) to value. Tables rather than
hashes are stored with a stage, so that a refusal to resume can name each
binding that differs, with both values.
"""

import dataclasses
import functools
import hashlib
import json
import pathlib
import re
from typing import Any

# Classes and functions of this package in older tables, which recorded them
# with their module: 'ttc.<module>.<qualified name>'. Group 1 is the qualified
# name: a capitalized class and what is nested in it, or a function.
_WITH_MODULE = re.compile(
  r'ttc(?:\.[a-z_]\w*)*\.(_?[A-Z]\w*(?:\.\w+)*|[a-z_]\w*)'
)


def bindings(config: Any) -> dict[str, Any]:
  """Flattens a dataclass instance and everything nested in it.

  A nested dataclass adds an entry with its class name at its own path, beside
  the entries of its fields: two strategies with equal fields are different.
  Functions are recorded by name. Classes and functions of this package are
  recorded without their module, so that a class can move to another module
  and its unfinished stages can still be resumed. That is unambiguous because
  public class names are unique in the package (tests/layers_test.py).

  A field with metadata `{'recorded': False}` is left out. Such a field changes
  how results are computed but not what they are, e.g. the device layout, so
  it may change between two runs of an unfinished stage. One with `{'recorded':
  'changed'}` is left out while it has its default: it came after runs that can
  still be resumed, and whose results the default leaves as they are.

  Args:
    config: an instance of a dataclass, e.g. a stage.

  Returns:
    Values by path, e.g. {'Search': 'Search', 'Search.size': 64, ...}. All are
    plain JSON.

  Raises:
    ValueError: a value has no canonical form; the message gives its path.
  """
  table = {}
  _flatten(type(config).__name__, config, table)
  return table


def digest(value: Any) -> str:
  """The SHA-256 of a plain JSON value, as 64 hexadecimal digits."""
  # Not canonical_json: it rounds floats to 6 digits, and two configurations
  # that differ in the 7th digit of a learning rate are different.
  text = json.dumps(value, sort_keys=True, separators=(',', ':'))
  return hashlib.sha256(text.encode('ascii')).hexdigest()


def differences(
  before: dict[str, Any],
  now: dict[str, Any],
  words: tuple[str, str] = ('before', 'now'),
) -> list[str]:
  """Describes how two tables differ.

  Args:
    before: a table from `bindings`; may have been written by an older version,
      which recorded modules too.
    now: the table to compare it with.
    words: labels of the two tables, printed after their values.

  Returns:
    One line of text per binding that only one table has or that has different
    values, e.g. 'Toss.size: 2 before, 5 now', sorted by binding. [] for equal
    tables.
  """
  return [
    f'{name}: {_shown(before, name)} {words[0]}, {_shown(now, name)} {words[1]}'
    for name in sorted(before.keys() | now.keys())
    if not _same(before, now, name)
  ]


def _same(before: dict[str, Any], now: dict[str, Any], name: str) -> bool:
  # JSON texts are compared, because in Python True == 1 == 1.0.
  one, other = _shown(before, name), _shown(now, name)
  if one == other:
    return True
  old = _WITH_MODULE.fullmatch(str(before.get(name)))
  return old is not None and json.dumps(old[1]) == other


def _name(symbol: Any) -> str:
  """Name of a class or function, without the module if it is of ttc."""
  ours = symbol.__module__.split('.')[0] == 'ttc'
  name = symbol.__qualname__
  return name if ours else f'{symbol.__module__}.{name}'


def _flatten(path: str, value: Any, table: dict[str, Any]) -> None:
  """Adds `value` and everything in it to the table."""
  if dataclasses.is_dataclass(value) and not isinstance(value, type):
    table[path] = _name(type(value))
    for field in dataclasses.fields(value):
      held = getattr(value, field.name)
      if _is_recorded(field, held):
        _flatten(f'{path}.{field.name}', held, table)
  elif isinstance(value, tuple | list):
    # The length gives an empty sequence an entry too. Lists and tuples are
    # recorded alike, because a gin file may write either.
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


def _is_recorded(field: dataclasses.Field, value: Any) -> bool:
  recorded = field.metadata.get('recorded', True)
  return value != field.default if recorded == 'changed' else recorded


def _shown(table: dict[str, Any], name: str) -> str:
  return json.dumps(table[name]) if name in table else 'absent'
