"""Parses the axes of a sweep: gin syntax, each binding a list of values."""

from collections.abc import Iterable
import pathlib

from gin import config_parser
from ttc.bindings import texts
from ttc.pipeline.experiment import ConfigurationError
from ttc.sweeps.cells import Axis, GIN_FILE


def axes(files: Iterable[str], statements: Iterable[str]) -> tuple[Axis, ...]:
  """Parses the axes of a sweep, those of files first.

  Args:
    files: paths of files in gin syntax. Every statement is an axis: a list of
      values, or a dict of values by name.
    statements: such statements; one replaces an axis of a file.

  Raises:
    ConfigurationError: a file is missing or contains something else; or a value
      is no list, is empty or has an element twice.
  """
  table = {}
  for file in files:
    try:
      text = pathlib.Path(file).read_text(encoding='utf-8')
    except OSError as error:
      raise ConfigurationError(
        f'--sweep_file={file}: {error.strerror}.'
      ) from error
    table.update(_parsed(text, f'--sweep_file={file}', None))
  for statement in statements:
    table.update(_parsed(statement, f'--sweep.{statement}', '--sweep'))
  return tuple(table.values())


def _parsed(text: str, where: str, option: str | None) -> dict[str, Axis]:
  """The axes in a text by name; `where` and `option` as for `texts.parsed`."""
  table = {}
  for statement in texts.parsed(text, where, option):
    # `Name:` before indented bindings; the parser yields those one by one, too.
    if isinstance(statement, config_parser.BlockDeclaration):
      continue
    if not isinstance(statement, config_parser.BindingStatement):
      raise ConfigurationError(
        f'{where}: a sweep holds nothing but bindings, each to a list; '
        'imports and includes belong in a --gin_file.'
      )
    name = _name(statement)
    if name in table:
      raise ConfigurationError(f'{where}: {name} is there twice; remove one.')
    try:
      table[name] = _axis(name, statement.value)
    except ValueError as error:
      raise ConfigurationError(f'{where}: {error}') from error
  return table


def _name(statement) -> str:
  scope = f'{statement.scope}/' if statement.scope else ''
  argument = f'.{statement.arg_name}' if statement.arg_name else ''
  return f'{scope}{statement.selector}{argument}'


def _axis(name: str, value) -> Axis:
  """An axis of a parsed value; raises ValueError."""
  if name.rsplit('.', 1)[-1] in ('name', 'output') and 'Experiment' in name:
    raise ValueError(f'a sweep binds {name} itself; remove this axis.')
  if isinstance(value, dict):
    names, values = tuple(map(str, value)), tuple(value.values())
  elif isinstance(value, list):
    names, values = ('',) * len(value), tuple(value)
  else:
    raise ValueError(
      f'{name}={value!r} is no list; write [{value!r}], or a dict of values '
      'by name.'
    )
  if name == GIN_FILE:
    odd = [item for item in values if not isinstance(item, str)]
    if odd:
      raise ValueError(f'{GIN_FILE} has {odd[0]!r}, which is no path.')
    return Axis(name, values, names)
  return Axis(name, tuple(map(repr, values)), names)
