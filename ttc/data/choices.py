"""Questions with choices, in an order of their own, answered by a letter."""

import dataclasses
import hashlib
import string

from ttc.data import jsonl
from ttc.data.hub_split import HubSplit
from ttc.data.jsonl import JsonRow
from ttc.runtime import limits


@dataclasses.dataclass(frozen=True)
class ChoiceRows:
  """Where questions with choices are, and the names of their fields.

  The choices of a question are put in an order that depends on the seed and on
  its text alone, so that the right one may be any letter. They are part of the
  question that is asked, which records hold too. A question whose right choice
  equals a wrong one has no reference answer.

  Attributes:
    path: as in `jsonl.Rows`.
    question: field with the text of the question.
    correct: field with the right choice.
    wrong: fields with the wrong ones.
    seed: of the orders.
    request: text after the choices.

  Raises:
    ValueError: `path` is misspelt, or a field has an invalid value.
  """

  path: str | HubSplit
  question: str = 'question'
  correct: str = 'correct'
  wrong: tuple[str, ...] = ('wrong_1', 'wrong_2', 'wrong_3')
  seed: int = 0
  request: str = 'Answer with the letter of one choice.'

  def __post_init__(self):
    jsonl.check_source(self.path)
    limits.several(self, 'wrong')
    limits.whole(self, 'seed', least=0)
    if not all(isinstance(name, str) for name in self.wrong) or (
      len(self.letters) <= len(self.wrong)
    ):
      raise ValueError(
        f'ChoiceRows.wrong={self.wrong!r}; give the names of 1 to 25 fields.'
      )

  @property
  def letters(self) -> str:
    """The letters of the choices, such as 'ABCD'."""
    return string.ascii_uppercase[: len(self.wrong) + 1]

  def files(self) -> list[str]:
    """The file that is read, for its identity."""
    return [self.path] if isinstance(self.path, str) else []

  def read(self) -> list[JsonRow]:
    """Returns the questions with their choices; raises as `jsonl.Rows.read`."""
    return jsonl.read_rows(self.path, self._row, 'ChoiceRows')

  def _row(self, line: int, fields: dict) -> JsonRow:
    question, right, *others = (
      self._text(fields, name)
      for name in (self.question, self.correct, *self.wrong)
    )
    order = sorted(
      [right, *others], key=lambda text: self._place(question, text)
    )
    choices = '\n'.join(
      f'({letter}) {text}'
      for letter, text in zip(self.letters, order, strict=True)
    )
    unique = right not in others
    return JsonRow(
      line,
      f'{question}\n\n{choices}\n\n{self.request}'.rstrip(),
      self.letters[order.index(right)] if unique else '',
      shuffled=True,
    )

  def _place(self, question: str, text: str) -> bytes:
    # Not a generator of random numbers, whose draws may change with Python.
    told = f'{self.seed}\0{question}\0{text}'
    return hashlib.sha256(told.encode()).digest()

  def _text(self, fields: dict, name: str) -> str:
    text = jsonl.whole(name, jsonl.text(fields, name) or '').strip()
    if not text:
      raise ValueError(
        f'field {name!r}: expected a text, got '
        f'{jsonl.short(jsonl.field(fields, name))}; write it, or leave the '
        'line out.'
      )
    return text
