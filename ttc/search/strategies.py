"""Ways to spend a budget of N generations on a question (paper §5.2)."""

import dataclasses
from typing import ClassVar, Protocol

import numpy as np

from ttc.inference import keys
from ttc.inference.requests import Extend, fork, Plan, Prefill, Question
from ttc.inference.rows import Row
from ttc.search.allocate import Beam, Dvts, parents, ParticleFilter, Rebase

_SEQUENTIAL_SLOTS = 2  # slots of a plan whose rows run to their ends one by one


class Strategy(Protocol):
  """Frozen and hashable; its repr is its name in the records."""

  verified: ClassVar[bool]  # whether it asks a verifier while it searches

  def rows(self, budget: int) -> int:
    """Rows a question (W) for a budget; ValueError where it does not fit."""

  def slots(self, budget: int) -> int:
    """Rows that must live at once."""

  def plan(self, question: Question, budget: int) -> Plan:
    """Spends the budget on a question."""


@dataclasses.dataclass(frozen=True)
class BestOfN:
  """N independent attempts; how one is chosen among them comes later."""

  verified: ClassVar[bool] = False

  def rows(self, budget: int) -> int:
    return at_least_one(self, budget)

  def slots(self, budget: int) -> int:
    return min(budget, _SEQUENTIAL_SLOTS)

  def plan(self, question: Question, budget: int) -> Plan:
    root = question.root()
    yield Prefill([root])
    rows = fork([root], [0] * self.rows(budget))
    yield Extend(rows)
    return rows


@dataclasses.dataclass(frozen=True)
class Greedy:
  """The most likely attempt: what a model without test-time compute answers."""

  verified: ClassVar[bool] = False

  def rows(self, budget: int) -> int:
    if budget != 1:
      raise ValueError(
        f'Greedy() always gives the same attempt; its budget is 1, not '
        f'{budget}.'
      )
    return 1

  def slots(self, budget: int) -> int:
    return budget

  def plan(self, question: Question, budget: int) -> Plan:
    self.rows(budget)
    row = question.root()
    yield Prefill([row])
    yield Extend([row], greedy=True)
    return [row]


@dataclasses.dataclass(frozen=True)
class StepSearch:
  """Rounds of: grow each row by a step, value it, share the rows out anew.

  Attributes:
    allocator: who gets how many children.
    lookahead: a row is valued at the end of a greedy rollout of up to k more
      steps, which is then forgotten. It costs the budget: N = W * (k + 1).
    rounds: after so many, rows run to their end without further choice.
    distinct: only the first of several identical prefixes may be chosen. With
      few possible steps a beam otherwise fills with copies of one prefix.
  """

  verified: ClassVar[bool] = True
  allocator: Beam | Dvts | Rebase | ParticleFilter = Beam()
  lookahead: int = 0
  rounds: int = 40
  distinct: bool = True

  def __post_init__(self):
    if self.lookahead < 0 or self.rounds < 1:
      raise ValueError(
        f'{self!r}: lookahead must be at least 0 and rounds at least 1.'
      )

  def rows(self, budget: int) -> int:
    price = self.lookahead + 1
    if budget % price:
      raise ValueError(
        f'A budget of {budget} is not a multiple of lookahead + 1 = {price} '
        f'in {self!r}; use {budget // price * price or price}.'
      )
    rows = at_least_one(self, budget // price)
    self.allocator.resolve(rows)
    return rows

  def slots(self, budget: int) -> int:
    return self.rows(budget)

  def plan(self, question: Question, budget: int) -> Plan:
    root = question.root()
    yield Prefill([root])
    rows = fork([root], [0] * self.rows(budget))
    yield Extend(rows, steps=1)
    for round_ in range(self.rounds):
      if all(row.done for row in rows):
        return rows
      if self.lookahead:
        values = yield from self._look_ahead(rows)
      else:
        values = [row.value for row in rows]
      rows = fork(rows, self.parents(question.key, round_, rows, values))
      yield Extend(rows, steps=1)
    yield Extend(rows)
    return rows

  def _look_ahead(self, rows: list[Row]) -> Plan:
    """Values of the rows at the end of a greedy rollout in their own cells."""
    marks = [row.mark() for row in rows]
    yield Extend(rows, steps=self.lookahead, greedy=True, keep=True)
    values = [row.value for row in rows]
    for row, mark in zip(rows, marks, strict=True):
      row.rewind(mark)
    return values

  def parents(
    self, key: np.ndarray, round_: int, rows: list[Row], values: list[float]
  ) -> list[int]:
    """The parent of each of the next rows.

    Args:
      key: of the question.
      round_: so many choices came before.
      rows: to choose among.
      values: of the rows.
    """
    if self.distinct:
      first = {}
      for index, row in enumerate(rows):
        first.setdefault(tuple(row.tokens), index)
      values = [
        v if first[tuple(row.tokens)] == i else -np.inf
        for i, (v, row) in enumerate(zip(values, rows, strict=True))
      ]
    own = lambda: keys.fold(keys.fold(key, [keys.ASIDE])[0], [round_])[0]
    counts = self.allocator(
      lambda: keys.uniform(own()),
      np.array(values),
      np.array([row.done for row in rows]),
    )
    return parents(counts).tolist()


def at_least_one(strategy: Strategy, rows: int) -> int:
  """The rows; ValueError where there are none."""
  if rows < 1:
    raise ValueError(f'{strategy!r}: a budget must be at least 1.')
  return rows
