"""Files of answers to grade: a reference and an answer, row by row."""

from collections.abc import Iterator
import dataclasses
import json
import pathlib
import re
from typing import Any

from ttc.data import jsonl, text_lines
from ttc.grading import extraction

KINDS = ('answer', 'response')


@dataclasses.dataclass(frozen=True)
class AnswerRow:
  """One row of the input, validated.

  Attributes:
    text: the row as it stands in the file, without its closing brace.
    gold: the reference as text; '' if there is none.
    pred: the answer or response as text; None is no answer.
    kind: what `pred` is, 'answer' or 'response'.
    truncated: whether the row is marked as cut off at the token limit.
  """

  text: str
  gold: str
  pred: str | None
  kind: str
  truncated: bool


@dataclasses.dataclass(frozen=True)
class AnswerFields:
  """How rows of answers are read.

  Attributes:
    gold: field of the reference answer.
    pred: field of the answer or response.
    kind: field of what `pred` is, one of KINDS.
    truncated: field that is true where the text hit the token limit.
    added: fields that will be added, so that no row may have them.
    default: what `pred` is in rows without a kind.

  Raises:
    ValueError: two of those that are added have one name.
  """

  gold: str
  pred: str
  kind: str
  truncated: str
  added: tuple[str, ...]
  default: str

  def __post_init__(self):
    if len(set(self.added)) < len(self.added):
      raise ValueError(
        f'the verdict and its reason are both to be named {self.added[0]!r}; '
        'give --correct_field and --reason_field two names.'
      )

  def rows(
    self, source: pathlib.Path, errors: list[str] | None = None
  ) -> Iterator[AnswerRow]:
    """The rows of a file.

    Args:
      source: JSON lines, maybe compressed.
      errors: receives what is wrong with rows, which are left out then.

    Raises:
      ValueError: the file cannot be read, or, without `errors`, a row is wrong.
    """
    for number, line in text_lines.read(source):
      try:
        yield self._row(line)
      except ValueError as error:
        text = f'{source}: line {number}: {error}'
        if errors is None:
          raise ValueError(text) from error
        errors.append(text)

  def _row(self, line: bytes) -> AnswerRow:
    fields = jsonl.parse(line)
    for name in self.added:
      if name in fields:
        raise ValueError(
          f'field {name!r} is there already; name another with '
          '--correct_field or --reason_field.'
        )
    kind = _optional(fields, self.kind, self.default)
    if kind not in KINDS:
      raise ValueError(
        f'field {self.kind!r}: expected one of {", ".join(KINDS)}, got '
        f'{jsonl.short(kind)}.'
      )
    truncated = _optional(fields, self.truncated, False)
    if not isinstance(truncated, bool):
      raise ValueError(
        f'field {self.truncated!r}: expected true or false, got '
        f'{jsonl.short(truncated)}.'
      )
    gold = _answer(fields, self.gold) or ''
    # Blank, an empty box, or what stands for a missing one.
    if extraction.unwrap(gold).answer is None or jsonl.is_missing(gold):
      gold = ''
    pred = _answer(fields, self.pred)
    listed = jsonl.field(fields, self.pred)
    if kind == 'response' and isinstance(listed, list) and len(listed) > 1:
      raise ValueError(
        f'field {self.pred!r} is a list of {len(listed)} responses; write one '
        f'a row, or name one, such as --pred_field={self.pred}.0.'
      )
    text = _ascii(line.decode('utf-8').strip().removesuffix('}'))
    return AnswerRow(text, gold.strip(), pred, kind, truncated)


def _answer(fields: dict[str, Any], name: str) -> str | None:
  try:
    return jsonl.answer(fields, name)
  except jsonl.MissingFieldError as error:
    raise ValueError(
      f'{error} Name another with --gold_field or --pred_field.'
    ) from error


def _optional(fields: dict[str, Any], name: str, default: Any) -> Any:
  try:
    value = jsonl.field(fields, name)
  except jsonl.MissingFieldError:
    return default
  return default if value is None else value


def _ascii(text: str) -> str:
  """JSON of the same meaning: beyond ASCII there are only strings in it."""
  if text.isascii():
    return text
  return re.sub(r'[^\x00-\x7f]+', lambda m: json.dumps(m[0])[1:-1], text)
