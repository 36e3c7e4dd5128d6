"""Best-of-N with the greedy attempt among the N.

At small N a sampled attempt is often worse than the greedy one; a chooser that
may pick the greedy attempt loses nothing against a model that answers once.
"""

import dataclasses
from typing import ClassVar

from ttc.inference.requests import Extend, fork, Plan, Prefill, Question
from ttc.search.strategies import at_least_one, SEQUENTIAL_SLOTS


@dataclasses.dataclass(frozen=True)
class GreedySeeded:
  """One greedy attempt and N - 1 sampled ones; the budget is N."""

  verified: ClassVar[bool] = False

  def rows(self, budget: int) -> int:
    return at_least_one(self, budget)

  def slots(self, budget: int) -> int:
    return min(budget, SEQUENTIAL_SLOTS)

  def plan(self, question: Question, budget: int) -> Plan:
    root = question.root()
    yield Prefill([root])
    rows = fork([root], [0] * self.rows(budget))
    yield Extend(rows[:1], greedy=True)
    yield Extend(rows[1:])
    return rows
