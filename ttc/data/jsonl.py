"""Readers of questions in JSON lines, with any field names.

A file may be gzipped. A line that is not a JSON object, or lacks a field, is an
error that names the file, the line and what was expected.
"""

from collections.abc import Iterator
import dataclasses
import gzip
import json
import pathlib
import re
from typing import Any

_LEVEL = re.compile(r'(?:Level )?(\d+)')
_NO_LEVEL = ('', 'Level ?')


@dataclasses.dataclass(frozen=True)
class JsonRow:
  """One question of a file.

  Attributes:
    line: line number in the file, from 1.
    question: text of the question.
    answer: reference answer, or a solution that ends in it.
    solution: worked solution, or ''.
    level: difficulty, or None.
  """

  line: int
  question: str
  answer: str
  solution: str = ''
  level: int | None = None


@dataclasses.dataclass(frozen=True)
class Rows:
  """A file of questions, and the names of its fields.

  A field of a nested object is named with dots: `question.problem`.

  Attributes:
    path: path of the file, `.jsonl` or `.jsonl.gz`.
    question: field with the text of the question.
    answer: field with the reference answer, a text or a number. It may hold a
      whole solution that ends in `\\boxed{}` or `#### x`.
    solution: field with a worked solution, or '' if there is none.
    level: field with the difficulty, a number or 'Level 3', or '' if there is
      none.
  """

  path: str
  question: str = 'question'
  answer: str = 'answer'
  solution: str = ''
  level: str = ''

  def files(self) -> list[str]:
    """The file that is read, for its identity."""
    return [self.path]

  def read(self) -> list[JsonRow]:
    """Returns the questions, in the order of the file.

    Raises:
      ValueError: there is no such file, or a line lacks a field or has a value
        of the wrong type in it.
    """
    rows = []
    for line, fields in read_objects(self.path):
      try:
        rows.append(self._row(line, fields))
      except ValueError as error:
        raise ValueError(f'{self.path}: line {line}: {error}') from error
    return rows

  def _row(self, line: int, fields: dict) -> JsonRow:
    question = _text(fields, self.question)
    if not question.strip():
      raise ValueError(
        f'field {self.question!r}: expected a question, got {question!r}.'
      )
    solution = _text(fields, self.solution) if self.solution else ''
    level = _level(fields, self.level) if self.level else None
    return JsonRow(
      line, question, _text(fields, self.answer).strip(), solution, level
    )


def read_objects(path: str) -> Iterator[tuple[int, dict[str, Any]]]:
  """Yields (line number, object) per line that is not blank, from line 1.

  Raises:
    ValueError: there is no such file, a line is not a JSON object, or a gzip
      file is damaged.
  """
  if not pathlib.Path(path).is_file():
    raise ValueError(f'There is no file {path}.')
  opened = gzip.open if str(path).endswith('.gz') else open
  with opened(path, 'rb') as file:
    number = 0  # for an error before the first line
    try:
      for number, line in enumerate(file, start=1):
        if line.strip():
          yield number, _object(line)
    # A line of deeply nested brackets makes `json` raise RecursionError.
    except (ValueError, RecursionError) as error:
      raise ValueError(
        f'{path}: line {number}: expected a JSON object, {error}'
      ) from error
    except (EOFError, gzip.BadGzipFile) as error:
      raise ValueError(
        f'{path} is no whole gzip file after line {number} ({error}).'
      ) from error


def field(fields: dict[str, Any], name: str) -> Any:
  """Returns the value of a field, where `a.b` is field b of field a.

  Raises:
    ValueError: the field is missing.
  """
  value = fields
  for part in name.split('.'):
    if not isinstance(value, dict) or part not in value:
      have = ', '.join(map(repr, fields)) or 'none'
      raise ValueError(f'field {name!r} is missing; the line has {have}.')
    value = value[part]
  return value


def _object(line: bytes) -> dict:
  value = json.loads(line)
  if not isinstance(value, dict):
    raise ValueError(f'got {_short(value)}.')
  return value


def _text(fields: dict, name: str) -> str:
  value = field(fields, name)
  if isinstance(value, str):
    return value
  # In Python a bool is an int, but `true` is no answer.
  if isinstance(value, int | float) and not isinstance(value, bool):
    return str(value)
  raise ValueError(
    f'field {name!r}: expected text or a number, got {_short(value)}.'
  )


def _level(fields: dict, name: str) -> int | None:
  value = field(fields, name)
  if value is None or value in _NO_LEVEL:
    return None
  match = _LEVEL.fullmatch(str(value))
  if not match:
    raise ValueError(
      f"field {name!r}: expected a level such as 3 or 'Level 3', got "
      f'{_short(value)}.'
    )
  return int(match[1])


def _short(value: Any) -> str:
  text = json.dumps(value)
  return text if len(text) <= 40 else f'{text[:40]}…'
