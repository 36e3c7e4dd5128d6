"""Guided revision: attempts that see the best ones so far, with marks on them.

    turn 1   question                        -> a1 .3, a2 .8
    turn 2   question [a2, marked] <revise>  -> a3 .6
    turn 3   question [a2, marked] <revise>  -> a4 .9
    turn 4   question [a4, marked] <revise>  -> ...

A turn is a search of any kind for the context that it has: best-of-N samples
attempts, a step search finds each of them step by step. The verifier reads the
context too, or each attempt alone (`Solver.verify_alone`). The next turn goes
on from the best attempts and not from the last. One that is there already
counts as a generation and enters no context, so that the next turn samples
from the same one anew.
"""

from collections.abc import Iterable
import dataclasses
from typing import ClassVar

from ttc.examples.context import strip_end
from ttc.examples.marks import Marks
from ttc.inference import keys
from ttc.inference.requests import Plan, Prefill, Question
from ttc.inference.rows import Row
from ttc.runtime import limits
from ttc.search.strategies import at_least_one, BestOfN, Strategy


@dataclasses.dataclass(frozen=True)
class Guided:
  """Spends N in turns of `first`, then `width` generations and what is left.

  Attributes:
    strategy: the search of a turn, which must be able to spend those numbers.
    first: generations of the first turn, fewer where N is smaller.
    width: generations of every other turn, fewer in the last one.
    keep: attempts in the context at most, the best one last.
    marks: how they are written.
    accept: no further turn is begun once an attempt has this value, and less
      than N is spent; None goes on.

  Raises:
    ValueError: a field is out of its range.
  """

  verified: ClassVar[bool] = True
  strategy: Strategy = BestOfN()
  first: int = 1
  width: int = 1
  keep: int = 1
  marks: Marks = Marks()
  accept: float | None = None

  def __post_init__(self):
    limits.whole(self, 'first', 'width', 'keep')
    if self.accept is not None:
      limits.real(self, 'accept', least=0, most=1)

  def rows(self, budget: int) -> int:
    return sum(map(self.strategy.rows, self._turns(budget)))

  def slots(self, budget: int) -> int:
    turns = self._turns(budget)
    # One more is for the context, until the next turn has begun.
    return max(map(self.strategy.slots, turns)) + 1

  def longest(self, prompt: int, attempt: int) -> int:
    """Returns the maximum number of tokens of a row, as `Chains.longest`."""
    return prompt + self.keep * self.marks.longest(attempt) + attempt

  def plan(self, question: Question, budget: int) -> Plan:
    stem, attempts = question.root(), []
    for turn, count in enumerate(self._turns(budget), start=1):
      context = self._context(question.prompt, attempts)
      if context != stem.tokens:
        # Keeps the caches of what both contexts begin with.
        stem.restart(context, len(context) + question.room, stem.key)
      yield Prefill([stem])
      key = keys.fold(question.key, [turn])[0]
      asked = dataclasses.replace(question, prompt=context, key=key, stem=stem)
      attempts += yield from self.strategy.plan(asked, count)
      best = max(row.value for row in attempts)
      if self.accept is not None and best >= self.accept:
        break
    return attempts

  def _turns(self, budget: int) -> list[int]:
    """The generations of each turn."""
    first = min(self.first, at_least_one(self, budget))
    whole, rest = divmod(budget - first, self.width)
    return [first, *[self.width] * whole, *[rest] * bool(rest)]

  def _context(self, prompt: list[int], attempts: Iterable[Row]) -> list[int]:
    """The prompt, and the best attempts that differ."""
    distinct = {}
    for row in attempts:
      tokens = tuple(strip_end(row.attempt, self.marks.vocabulary))
      distinct.setdefault(tokens, row)
    # Among equals the first is the best; the sort is stable.
    ranked = sorted(distinct.values(), key=lambda row: -row.value)
    context = list(prompt)
    for row in reversed(ranked[: self.keep]):
      ends = self.marks.ends(row.attempt)
      context += self.marks(row.attempt, [row.values[end] for end in ends])
    return context
