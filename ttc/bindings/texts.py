"""What gin files and flags say, statement by statement and unresolved.

Gin itself keeps only the last value of each binding. Here is who wrote which
binding and where, which other sources a file includes, and, where a text cannot
be read at all, an error that names the place, the binding and the fix.
"""

import ast
from collections.abc import Iterator
import dataclasses
import importlib.util  # noqa: F401  gin 0.5.0 uses it without importing it
import io
import pathlib
import re
import tokenize
from typing import Any

from gin import config_parser
from ttc.pipeline.experiment import ConfigurationError

_OPENING, _CLOSING = '([{', ')]}'
_CONSTANTS = {
  'true': 'True',
  'false': 'False',
  'none': 'None',
  'null': 'None',
}
_MARK = '\ufeff'  # of the byte order
_STRAIGHT = str.maketrans('\u201c\u201d\u2018\u2019', '""\'\'')
# Mistakes of a line, and what is kept of it.
_PATH = re.compile(r'^include\s+([^\s\'"]+)$')
_VALUE = re.compile(r'^([\w./]+)(?:\s*(?:==|:=?)\s*|\s+(?!=))(\S.*)$')
_COMMAS = re.compile(r',(?:\s*,)+')
_ZEROS = re.compile(r'(?<![\w.])0+(?=\d)')
_SUM = re.compile(r'=.*\d\s*(?:\*\*?|[+/-]|//)\s*\d')


@dataclasses.dataclass(frozen=True)
class Reference:
  """`@name` or `@name()`, kept as text."""

  name: str
  called: bool

  def __repr__(self) -> str:
    return f'@{self.name}{"()" * self.called}'


@dataclasses.dataclass(frozen=True)
class MacroName:
  """`%NAME`, kept as text."""

  name: str

  def __repr__(self) -> str:
    return f'%{self.name}'


class _Unresolved:
  """Delegate of gin's parser that keeps references as texts."""

  def configurable_reference(self, name: str, evaluate: bool) -> Reference:
    return Reference(name, evaluate)

  def macro(self, name: str) -> MacroName:
    return MacroName(name)


@dataclasses.dataclass(frozen=True)
class Binding:
  """A binding as it is written.

  Attributes:
    name: what is bound, e.g. 'orm/loop.FitConfig.batch' or 'BUDGET'.
    key: (scope, class, argument) without modules; of a macro, its name,
      'macro' and 'value', as gin keeps it.
    value: what it is bound to, with references as texts.
    place: where, e.g. 'mine.gin, line 3' or '--gin.BUDGET=16'.
  """

  name: str
  key: tuple[str, str, str]
  value: Any
  place: str


@dataclasses.dataclass(frozen=True)
class Include:
  """An include statement.

  Attributes:
    file: the path as it is written.
    place: where.
  """

  file: str
  place: str


def of_file(
  path: pathlib.Path, shown: str | None = None
) -> list[Binding | Include]:
  """The bindings and includes of a gin file, in order; not those included.

  Args:
    path: the file.
    shown: the file's name in messages; None is `path`.

  Raises:
    ConfigurationError: it cannot be read.
  """
  shown = shown or str(path)
  try:
    text = path.read_text(encoding='utf-8')
  except (OSError, UnicodeDecodeError) as error:
    raise ConfigurationError(f'{shown}: {error}') from error
  statements = []
  for statement in parsed(text, shown):
    place = f'{shown}, line {statement.location.line_num}'
    if isinstance(statement, config_parser.IncludeStatement):
      statements.append(Include(statement.filename, place))
    elif isinstance(statement, config_parser.BindingStatement):
      statements.append(_binding(statement, place))
  return statements


def of_flag(text: str, option: str = '--gin') -> list[Binding]:
  """The bindings of a flag, of which there is usually one.

  Args:
    text: what follows `--gin.`.
    option: the option's name.

  Raises:
    ConfigurationError: it cannot be read, or is no binding.
  """
  place = f'{option}.{text}'
  bindings = []
  for statement in parsed(text, place, option):
    if isinstance(statement, config_parser.BindingStatement):
      bindings.append(_binding(statement, place))
    elif not isinstance(statement, config_parser.BlockDeclaration):
      raise ConfigurationError(
        f'{place} is no binding; imports and includes belong in a gin file.'
      )
  return bindings


def parsed(
  text: str, where: str, option: str | None = None
) -> Iterator[tuple[Any, ...]]:
  """Yields the statements of a text as gin's parser has them.

  Args:
    text: in gin syntax.
    where: the text's name in messages.
    option: the option that it is the value of; None for a file.

  Raises:
    ConfigurationError: the text cannot be read.
  """
  last, parser = 0, None
  try:
    parser = config_parser.ConfigParser(text, _Unresolved())
    for statement in parser:
      last = statement.location.line_num
      yield statement
  except ConfigurationError:
    raise
  # Beside SyntaxError, those of Python's tokenizer and of ast.literal_eval.
  except (SyntaxError, tokenize.TokenError, ValueError, TypeError) as error:
    token = parser.current_token if parser else None
    raise ConfigurationError(
      _unreadable(text, where, option, error, last, token)
    ) from error


def names(value: Any) -> Iterator[Reference | MacroName]:
  """Yields the references in a value, however deep."""
  if isinstance(value, Reference | MacroName):
    yield value
  elif isinstance(value, dict):
    yield from names([*value, *value.values()])
  elif isinstance(value, list | tuple | set):
    for item in value:
      yield from names(item)


def _binding(statement: config_parser.BindingStatement, place: str) -> Binding:
  scope, selector, argument, value, _ = statement
  scoped = f'{scope}/{selector}' if scope else selector
  if not argument:
    return Binding(scoped, (scoped, 'macro', 'value'), value, place)
  kind = selector.rsplit('.', 1)[-1]
  return Binding(f'{scoped}.{argument}', (scope, kind, argument), value, place)


def _unreadable(
  text: str,
  where: str,
  option: str | None,
  error: Exception,
  last: int,
  token: tokenize.TokenInfo | None,
) -> str:
  """What is wrong with a text, on one line.

  Args:
    text: the text.
    where: its name.
    option: as for `parsed`.
    error: of the parser.
    last: line of the last statement that could be read.
    token: where the parser stopped.
  """
  lines = text.splitlines() or ['']
  opened = _opened(text, last)
  if opened is not None:
    number, bracket = opened
    place = where if option else f'{where}, line {number}'
    line = '' if option else f': {lines[number - 1].strip()}'
    closing = _CLOSING[_OPENING.index(bracket)]
    return f"{place}: '{bracket}' is never closed by '{closing}'{line}"
  number = last + 1
  if isinstance(error, SyntaxError) and isinstance(error.args[-1], tuple):
    number = error.args[-1][1] or number
  elif token is not None:
    number = token.start[0]
  number = min(max(number, 1), len(lines))
  line = lines[number - 1].strip().removeprefix(_MARK)
  place = where if option else f'{where}, line {number}: {line}'
  if not option and (advice := _advice(lines, number)):
    return f'{place}: {advice}'
  name, equals, value = (part.strip() for part in line.partition('='))
  fixed = _meant(value) if equals else None
  if fixed is None:
    reason = ' '.join(str(error.args[0] if error.args else error).split())
    return f'{place}: {reason.rstrip(".")}.'
  whole = f'{name}={fixed}' if option else f'{name} = {fixed}'
  if option:  # as a shell has to be given it
    quoted = f'"{fixed}"' if "'" in fixed else f"'{fixed}'"
    whole = f'{option}.{name}={quoted}'
  why = (
    f'the value of {name} is missing'
    if not value
    else f'the value of {name} is no number, tuple or quoted text'
  )
  return f'{place}: {why}; write {whole}'


def _advice(lines: list[str], number: int) -> str | None:
  """What to write for a line that cannot be read; None if unknown.

  Args:
    lines: of the file.
    number: of the line, from 1.
  """
  line = lines[number - 1].strip()
  if line.startswith(_MARK):
    return 'the file begins with a byte order mark; save it as UTF-8 without.'
  if _is_readable(line):  # by itself
    before = [x.rstrip() for x in lines[: number - 1] if x.strip()]
    if before and before[-1].endswith(':'):
      return f'it follows {before[-1].strip()} and has to be indented.'
    return 'its indentation is not that of the line before; write it so.'
  for why, fixed in (
    ('the quotes are curly', line.translate(_STRAIGHT)),
    ('the path has no quotes', _PATH.sub(r"include '\1'", line)),
    ('a value comes after =', _VALUE.sub(r'\1 = \2', line)),
    ('there are two commas', _COMMAS.sub(',', line)),
    ('it ends with a semicolon', line.rstrip('; ')),
    ('a number begins with 0', _ZEROS.sub('', line)),
  ):
    if fixed != line and _is_readable(fixed):
      return f'{why}; write {fixed}'
  summed = 'gin does not calculate; write the number.'
  return summed if _SUM.search(line) else None


def _is_readable(line: str) -> bool:
  try:
    return bool(list(config_parser.ConfigParser(line, _Unresolved())))
  except (SyntaxError, tokenize.TokenError, ValueError, TypeError):
    return False


def _meant(value: str) -> str | None:
  """What a value that cannot be read was meant to be; None if unknown."""
  value = value.split('#', 1)[0].strip() if '://' not in value else value
  if value.lower() in _CONSTANTS:
    return _CONSTANTS[value.lower()]
  if ',' in value:
    listed = f'({value.strip(", ")},)' if value.endswith(',') else f'({value})'
    try:
      ast.literal_eval(listed)
    except (SyntaxError, ValueError):
      pass
    else:
      return listed
  if value[:1] in ('@', '%', *_OPENING) or '=' in value:
    return None
  if value[:1] in ('"', "'"):  # without its end
    value = value[1:] if value[:1] not in value[1:] else ''
    return repr(value) if value else None
  return repr(value)


def _opened(text: str, after: int) -> tuple[int, str] | None:
  """(line, bracket) of the first bracket that nothing closes; None if none.

  Args:
    text: the text.
    after: what is on this line and before it could be read.
  """
  stack = []
  try:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
      if token.type != tokenize.OP or token.start[0] <= after:
        continue
      if token.string in _OPENING:
        stack.append((token.start[0], token.string))
      elif token.string in _CLOSING and stack:
        stack.pop()
  except (tokenize.TokenError, SyntaxError):
    return stack[0] if stack else None
  return None
