"""A search that chooses less often: after several steps, not after each."""

import dataclasses

from ttc.inference.requests import Extend, Plan, Question, rewritten
from ttc.runtime import limits
from ttc.search.strategies import StepSearch, Strategy


@dataclasses.dataclass(frozen=True)
class Sparse:
  """Takes several steps wherever a strategy would take one.

  A question has fewer rounds, in which its rows wait for each other and for the
  verifier. It has no fewer tokens: the verifier reads what was sampled since
  the last choice, all of it and once. Greedy rollouts keep their length.

  Attributes:
    strategy: whose plan is followed.
    every: steps between choices (g).
  """

  strategy: Strategy = StepSearch()
  every: int = 2

  def __post_init__(self):
    limits.whole(self, 'every')

  @property
  def verified(self) -> bool:
    return self.strategy.verified

  def rows(self, budget: int) -> int:
    return self.strategy.rows(budget)

  def slots(self, budget: int) -> int:
    return self.strategy.slots(budget)

  def plan(self, question: Question, budget: int) -> Plan:
    return rewritten(self.strategy.plan(question, budget), self._stride)

  def _stride(self, request: Extend) -> Extend:
    if request.greedy:
      return request
    return dataclasses.replace(request, steps=request.steps * self.every)
