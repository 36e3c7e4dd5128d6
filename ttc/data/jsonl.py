"""Questions in JSON lines, whatever their fields are called.

A file may be gzipped. A line that is no JSON object, or lacks a field, is an
error that names file, line and what was expected: it comes before any work.
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
  """A question as a line gives it; see `Rows` for the fields.

  Attributes:
    line: its number, from 1.
  """

  line: int
  question: str
  answer: str
  solution: str = ''
  level: int | None = None


@dataclasses.dataclass(frozen=True)
class Rows:
  """A file of questions, and which field holds what.

  Fields within fields are named with dots: `question.problem`.

  Attributes:
    path: of the file, `.jsonl` or `.jsonl.gz`.
    question: field of the question's text.
    answer: field of the reference answer, text or a number; a whole solution
      that ends in `\\boxed{}` or `#### x` will do.
    solution: field of a worked solution, '' for none.
    level: field of the difficulty, a number or 'Level 3'; '' for none.
  """

  path: str
  question: str = 'question'
  answer: str = 'answer'
  solution: str = ''
  level: str = ''

  def read(self) -> list[JsonRow]:
    """The rows, in order.

    Raises:
      ValueError: there is no such file, or a line is not as described.
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
  """Line numbers, from 1, and objects of a file; blank lines are left out.

  Raises:
    ValueError: there is no such file, or a line is no JSON object.
  """
  if not pathlib.Path(path).is_file():
    raise ValueError(f'There is no file {path}.')
  opened = gzip.open if str(path).endswith('.gz') else open
  with opened(path, 'rb') as file:
    number = 0
    try:
      for number, line in enumerate(file, start=1):
        if line.strip():
          yield number, _object(line)
    except (ValueError, RecursionError) as error:
      raise ValueError(
        f'{path}: line {number}: expected a JSON object, {error}'
      ) from error
    except (EOFError, gzip.BadGzipFile) as error:
      raise ValueError(
        f'{path} is no whole gzip file after line {number} ({error}).'
      ) from error


def field(fields: dict[str, Any], name: str) -> Any:
  """What a field holds, `a.b` being field b of field a.

  Raises:
    ValueError: it is not there.
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
