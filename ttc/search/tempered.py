"""A strategy at a temperature of its own, beside arms at others."""

import dataclasses

from ttc.inference.generation import check_temperature
from ttc.inference.requests import Extend, Plan, Question, rewritten
from ttc.search.strategies import BestOfN, Strategy


@dataclasses.dataclass(frozen=True)
class Tempered:
  """Samples what a strategy asks for at another temperature.

  Greedy requests stay greedy, and a temperature that a request has already
  stays its own. Costs what the strategy costs.

  Attributes:
    strategy: whose plan is followed.
    temperature: instead of `Generation.temperature`.

  Raises:
    ValueError: as `Generation` for its temperature.
  """

  strategy: Strategy = BestOfN()
  temperature: float = 1.0

  def __post_init__(self):
    check_temperature(self)

  @property
  def verified(self) -> bool:
    return self.strategy.verified

  def rows(self, budget: int) -> int:
    return self.strategy.rows(budget)

  def slots(self, budget: int) -> int:
    return self.strategy.slots(budget)

  def plan(self, question: Question, budget: int) -> Plan:
    return rewritten(self.strategy.plan(question, budget), self._warm)

  def _warm(self, request: Extend) -> Extend:
    if request.temperature is not None:
      return request
    return dataclasses.replace(request, temperature=self.temperature)
