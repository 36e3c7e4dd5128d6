"""Critique and revise: the model's own critique between two attempts.

    question                                 -> attempt
    question attempt <ask>                   -> critique
    question attempt <ask> critique <again>  -> attempt

It is for checkpoints that can criticize, and needs no verifier (Madaan et al.
2023). What is asked are texts of the model's own chat, see gin/templates.
"""

from collections.abc import Sequence
import dataclasses
from typing import ClassVar

from ttc.data.problems import Task
from ttc.examples.context import (
  check_texts,
  inserted,
  strip_end,
  vocabulary_of,
)
from ttc.inference import keys
from ttc.inference.requests import Extend, fork, Plan, Prefill, Question
from ttc.inference.rows import Row
from ttc.runtime import limits
from ttc.search.strategies import at_least_one, SEQUENTIAL_SLOTS


@dataclasses.dataclass(frozen=True)
class Critique:
  """Chains of T attempts and the T - 1 critiques between them.

  A critique is a generation like any other and no attempt: a chain costs
  2 T - 1 of the N. Those that are left are single attempts.

  Attributes:
    task: whose texts these are.
    ask: text between an attempt and its critique.
    again: text between a critique and the next attempt.
    turns: attempts of a chain (T).

  Raises:
    ValueError: turns is not positive, or there are texts without a task.
  """

  verified: ClassVar[bool] = False
  task: Task | None = dataclasses.field(default=None, repr=False)
  ask: str = ''
  again: str = ''
  turns: int = 2

  def __post_init__(self):
    limits.whole(self, 'turns')
    check_texts(self, 'ask', 'again')

  def rows(self, budget: int) -> int:
    chains, single = self._shares(budget)
    return chains * self.turns + single

  def slots(self, budget: int) -> int:
    chains, single = self._shares(budget)
    # A chain keeps its caches. Single attempts come before the chains' first.
    return max(chains, min(chains + single, SEQUENTIAL_SLOTS))

  def longest(self, prompt: int, attempt: int) -> int:
    """Returns the maximum number of tokens of a row, as `Chains.longest`."""
    texts = len(inserted(self.ask, self.task) + inserted(self.again, self.task))
    return prompt + attempt + (self.turns - 1) * (2 * attempt + texts)

  def plan(self, question: Question, budget: int) -> Plan:
    chains, single = self._shares(budget)
    root = question.root()
    yield Prefill([root])
    rows = fork([root], [0] * (chains + single))
    singles, rows = rows[:single], rows[single:]
    yield Extend(singles)
    yield Extend(rows, keep=True)
    attempts = [*singles, *map(_copy, rows)]
    for part in range(2, 2 * self.turns, 2):
      self._say(question, rows, self.ask, part)
      yield Extend(rows, keep=True)
      self._say(question, rows, self.again, part + 1)
      yield Extend(rows, keep=True)
      attempts += map(_copy, rows)
    return attempts

  def _shares(self, budget: int) -> tuple[int, int]:
    """The number of chains, and of single attempts."""
    return divmod(at_least_one(self, budget), 2 * self.turns - 1)

  def _say(
    self, question: Question, rows: Sequence[Row], text: str, part: int
  ) -> None:
    """Adds a text to the chains, whose next part follows it."""
    if not rows:
      return
    # Apart from the streams of first attempts, which fold their ordinals.
    aside = keys.fold(question.key, [keys.ASIDE])[0]
    streams = keys.fold(keys.fold(aside, [part])[0], range(len(rows)))
    said, vocabulary = inserted(text, self.task), vocabulary_of(self.task)
    for row, key in zip(rows, streams, strict=True):
      context = [*strip_end(row.tokens, vocabulary), *said]
      row.restart(context, len(context) + question.room, key)


def _copy(row: Row) -> Row:
  """An attempt as it is now, of a row that goes on."""
  copy = row.child(0)
  copy.leave()
  return copy
