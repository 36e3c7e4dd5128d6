"""Reader of JSON lines, and of questions in them with any field names.

Parquet files, and splits of data sets of the Hugging Face hub, are read as if
each row were a line. What a value means is said here once, for files of
questions, files of ratings and `ttc grade`:

    a number        its decimal text, digits as written: 1e-05 is 0.00001
    null, NaN, ±Infinity, []        nothing
    "nan", "None", "null", "N/A"    as a reference: nothing, for that is what
                    programs write where one is missing (`is_missing`)
    a list          as an answer: its items, joined by commas
    a.b             the field of that name, or else field b of field a
    a.0             the first item of the list a

A line that is not a JSON object, or lacks a field, is an error that names the
file, the line and what was expected.
"""

from collections.abc import Callable, Iterator
import dataclasses
import decimal
import json
import pathlib
import re
from typing import Any

from ttc.data import arrow, text_lines
from ttc.data.hub_split import HubSplit
from ttc.runtime import storage

_LEVEL = re.compile(r'(?:level\s*+)?(\d++)(?:\.0++)?', re.IGNORECASE)
_NO_LEVEL = ('', '?', 'level ?')
_MISSING = ('nan', '-nan', 'none', 'null', 'n/a', '#n/a', '<na>')
_LARGE = 4300  # digits; Python makes no integer of more
_SURROGATE = re.compile('[\ud800-\udfff]')


class MissingFieldError(ValueError):
  """A line lacks a field."""


@dataclasses.dataclass(frozen=True)
class JsonRow:
  """One question of a file.

  Attributes:
    line: line number in the file, from 1.
    question: text of the question.
    answer: reference answer, or a solution that ends in it; '' if there is
      none.
    solution: worked solution, or ''.
    level: difficulty, or None.
    shuffled: whether the question has an order of its own, see `choices`.
  """

  line: int
  question: str
  answer: str
  solution: str = ''
  level: int | None = None
  shuffled: bool = False


@dataclasses.dataclass(frozen=True)
class Rows:
  """Where questions are, and the names of their fields.

  A field of a nested object is named with dots: `question.problem`,
  `prompt.0.content`.

  Attributes:
    path: path of the file, local or in a bucket: JSON lines, gzipped or not, or
      parquet. Or a split of a data set of the hub.
    question: field with the text of the question.
    answer: field with the reference answer: a text, a number, or a list of
      these. It may hold a whole solution that ends in `\\boxed{}` or `#### x`.
    solution: field with a worked solution, or '' if there is none.
    level: field with the difficulty, a number or 'Level 3', or '' if there is
      none.

  Raises:
    ValueError: `path` is misspelt.
  """

  path: str | HubSplit
  question: str = 'question'
  answer: str = 'answer'
  solution: str = ''
  level: str = ''

  def __post_init__(self):
    check_source(self.path)

  def files(self) -> list[str]:
    """The file that is read, for its identity."""
    return [self.path] if isinstance(self.path, str) else []

  def read(self) -> list[JsonRow]:
    """Returns the questions, in the order of the file.

    Raises:
      ValueError: there is no such file, or a line lacks a field or has a value
        of the wrong type in it.
    """
    return read_rows(self.path, self._row, 'Rows')

  def _row(self, line: int, fields: dict) -> JsonRow:
    question = whole(self.question, text(fields, self.question) or '')
    if not question.strip():
      raise ValueError(
        f'field {self.question!r}: expected a question, got '
        f'{short(field(fields, self.question))}; write it, or leave the line '
        'out.'
      )
    reference = whole(self.answer, answer(fields, self.answer) or '')
    solution = text(fields, self.solution) if self.solution else None
    return JsonRow(
      line,
      question,
      reference.strip(),
      whole(self.solution, solution or ''),
      _level(fields, self.level) if self.level else None,
    )


def check_source(path: str | HubSplit) -> None:
  """Raises ValueError if a path is misspelt, or its store has no library."""
  if not isinstance(path, HubSplit):
    located(path)


def located(path: str) -> pathlib.Path:
  """The place of a file that is read here, local or in a bucket.

  Raises:
    ValueError: it is misspelt, or its store has no library.
  """
  return (storage.path if storage.is_remote(path) else storage.local)(path)


def read_rows(
  path: str | HubSplit, make: Callable[[int, dict], JsonRow], owner: str
) -> list[JsonRow]:
  """Returns what `make` makes of the objects of `read_objects`.

  Args:
    path: as for `read_objects`.
    make: takes (line number, object).
    owner: the class whose bindings name fields, for the message.

  Raises:
    ValueError: as `read_objects`, or `make` raised it; names the line.
  """
  rows = []
  for line, fields in read_objects(path):
    try:
      rows.append(make(line, fields))
    except MissingFieldError as error:
      raise ValueError(
        f'{path}: line {line}: {error} Name another in the bindings of {owner}.'
      ) from error
    except ValueError as error:
      raise ValueError(f'{path}: line {line}: {error}') from error
  return rows


def read_objects(path: str | HubSplit) -> Iterator[tuple[int, dict[str, Any]]]:
  """Yields (line number, object) per line that is not blank, from line 1.

  Args:
    path: of JSON lines or of a parquet file, local or in a bucket; or a split
      of a data set of the hub. Rows of the last two count as lines.

  Raises:
    ValueError: there is no such file or data set, it cannot be read, or a line
      is not a JSON object.
  """
  if isinstance(path, HubSplit):
    yield from path.read()
  elif arrow.is_parquet(path):
    yield from arrow.read_parquet(path)
  else:
    for number, line in text_lines.read(path):
      try:
        fields = parse(line)
      except ValueError as error:
        raise ValueError(f'{path}: line {number}: {error}') from error
      yield number, fields


def parse(line: bytes) -> dict[str, Any]:
  """Returns the object in a line.

  Numbers with a fraction or an exponent, and very long ones, are Decimals with
  the digits of the file. NaN and infinities are None: JSON has none, and where
  Python writes them a value is missing.

  Raises:
    ValueError: the line is not a JSON object.
  """
  try:
    fields = json.loads(
      line.decode('utf-8'),
      parse_float=_decimal,
      parse_int=lambda digits: (
        int(digits) if len(digits) < _LARGE else _decimal(digits)
      ),
      parse_constant=lambda _: None,
    )
  except UnicodeDecodeError as error:
    raise ValueError(
      f'expected a JSON object, got bytes that are not UTF-8 ({error}); '
      'convert the file with `iconv -t UTF-8`.'
    ) from error
  except json.JSONDecodeError as error:
    raise ValueError(
      f'expected a JSON object, {error.msg} at character {error.pos} of '
      f'{error.doc[:40]!r}.{_fix(line)}'
    ) from error
  except RecursionError as error:  # a line of deeply nested brackets
    raise ValueError(
      f'expected a JSON object, {error}; leave the line out.'
    ) from error
  if not isinstance(fields, dict):
    raise ValueError(
      f'expected a JSON object, got {short(fields)}.{_fix(line)}'
    )
  return fields


def _fix(line: bytes) -> str:
  """How to write one object a line, where a file is JSON of another shape."""
  if line.lstrip().startswith(b'['):
    return " One object a line is wanted: write the list with `jq -c '.[]'`."
  if line.strip() == b'{':
    return ' One object a line is wanted: write each with `jq -c .`.'
  return ' Write the line as one object, or leave it out.'


def field(fields: dict[str, Any], name: str) -> Any:
  """Returns the value of a field; see the module for names with dots.

  Raises:
    MissingFieldError: the field is missing.
  """
  found = list(_found(fields, name))
  if not found:
    have = ', '.join(map(repr, fields)) or 'none'
    raise MissingFieldError(
      f'field {name!r} is missing; the line has {have:.200}.'
    )
  return found[0]


def text(fields: dict[str, Any], name: str) -> str | None:
  """Returns a field that is a text or a number as text; None for nothing.

  Raises:
    ValueError: the field is missing or something else.
  """
  return _text(name, field(fields, name))


def answer(fields: dict[str, Any], name: str) -> str | None:
  """Returns a field as an answer: as `text`, where a list is its items.

  A list in which an item is missing is no answer.

  Raises:
    ValueError: the field is missing or something else.
  """
  value = field(fields, name)
  if not isinstance(value, list):
    return _text(name, value)
  items = [_text(name, item) for item in value]
  if not items or any(item is None or is_missing(item) for item in items):
    return None
  return ', '.join(items)


def integer(value: Any) -> Any:
  """Returns 5.0 as 5, for so pandas writes a column with gaps; others as is."""
  if isinstance(value, decimal.Decimal) and value == value.to_integral_value():
    return int(value)
  return value


def is_missing(reference: str) -> bool:
  r"""Whether a reference is a word that programs write where there is none.

  A question whose answer is the word "None" is rare, and loses less than a
  column of gaps that are graded: write that answer as \text{None}.
  """
  return reference.strip().lower() in _MISSING


def whole(name: str, value: str) -> str:
  """Returns a text that can be encoded.

  Raises:
    ValueError: it has half of a character in it. Names the field.
  """
  half = _SURROGATE.search(value)
  if half:
    raise ValueError(
      f'field {name!r} holds {half[0]!a} at character {half.start()}, one '
      'half of a character (a lone surrogate) that no tokenizer can encode; '
      'write the whole character, or leave the line out.'
    )
  return value


def short(value: Any) -> str:
  """Returns a value as JSON of at most 41 characters, for a message."""
  shown = json.dumps(value, default=str)
  return shown if len(shown) <= 40 else f'{shown[:40]}…'


def _found(value: Any, name: str) -> Iterator[Any]:
  """Yields the values that a name may mean, the longest names first."""
  if isinstance(value, list):
    place, _, rest = name.partition('.')
    if place.isdecimal() and int(place) < len(value):
      item = value[int(place)]
      yield from _found(item, rest) if rest else (item,)
  elif isinstance(value, dict):
    if name in value:
      yield value[name]
    for dot in reversed([i for i, c in enumerate(name) if c == '.']):
      if name[:dot] in value:
        yield from _found(value[name[:dot]], name[dot + 1 :])


def _text(name: str, value: Any) -> str | None:
  if value is None or isinstance(value, str):
    return value
  # In Python a bool is an int, but `true` is no answer.
  if isinstance(value, int | decimal.Decimal) and not isinstance(value, bool):
    return f'{value:f}' if isinstance(value, decimal.Decimal) else str(value)
  raise ValueError(
    f'field {name!r}: expected text or a number, got {short(value)}; write it '
    'as text, or leave the line out.'
  )


def _decimal(digits: str) -> decimal.Decimal | str:
  """Returns a number; its text as written if its decimal text were endless."""
  try:
    number = decimal.Decimal(digits)
  except decimal.InvalidOperation:  # an exponent of 19 digits
    return digits
  exponent = number.as_tuple().exponent
  return digits if abs(exponent) > _LARGE else number


def _level(fields: dict, name: str) -> int | None:
  value = field(fields, name)
  level = (_text(name, value) or '').strip()
  if level.lower() in _NO_LEVEL or is_missing(level):
    return None
  match = _LEVEL.fullmatch(level)
  if not match:
    raise ValueError(
      f"field {name!r}: expected a level such as 3 or 'Level 3', got "
      f'{short(value)}; write a number or null, or read no levels (Rows.level='
      "'')."
    )
  return int(match[1])
