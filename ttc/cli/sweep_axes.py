"""Parses the axes of a sweep: gin syntax, each binding a list of values."""

from collections.abc import Iterable
import dataclasses
import importlib.util  # noqa: F401  gin 0.5.0 uses it without importing it
import pathlib
import tokenize

from gin import config_parser
from ttc.pipeline.experiment import ConfigurationError
from ttc.sweeps.cells import Axis, GIN_FILE


@dataclasses.dataclass(frozen=True)
class _Reference:
  """`@name` or `@name()`, kept as text."""

  name: str
  called: bool

  def __repr__(self) -> str:
    return f'@{self.name}{"()" * self.called}'


@dataclasses.dataclass(frozen=True)
class _Macro:
  """`%NAME`, kept as text."""

  name: str

  def __repr__(self) -> str:
    return f'%{self.name}'


class _Texts:
  """Delegate of gin's parser that keeps references, which cells resolve."""

  def configurable_reference(self, name: str, evaluate: bool) -> _Reference:
    return _Reference(name, evaluate)

  def macro(self, name: str) -> _Macro:
    return _Macro(name)


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
    table.update(_parsed(text, f'--sweep_file={file}'))
  for statement in statements:
    table.update(_parsed(statement, f'--sweep.{statement}'))
  return tuple(table.values())


def _parsed(text: str, where: str) -> dict[str, Axis]:
  """The axes in a text by name; `where` names the text in errors."""
  try:
    statements = list(config_parser.ConfigParser(text, _Texts()))
  except (SyntaxError, tokenize.TokenError) as error:
    raise ConfigurationError(f'{where}: {error.args[0]}') from error
  table = {}
  for statement in statements:
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
