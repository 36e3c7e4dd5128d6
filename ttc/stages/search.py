"""`ttc search`: search strategies at several budgets (paper §5.2)."""

import dataclasses
from typing import ClassVar

from ttc.runtime import limits
from ttc.stages.arms import Arm, check_arms, run_arms
from ttc.stages.solver import Solver


@dataclasses.dataclass(frozen=True)
class Search:
  """Runs every arm at each of its budgets on every question.

  Attributes:
    solver: proposer, verifier and questions.
    arms: strategies and budgets. Best-of-N is needed only at the largest
      budget: analysis takes random subsets of it for the smaller ones.
    size: questions per part.
    name: name of the stage.
    traced: number of questions, the first ones, of which each arm records its
      search: where each row came from, what its steps were worth and which of
      them were pruned.
  """

  kind: ClassVar[str] = 'search'
  solver: Solver
  arms: tuple[Arm, ...]
  size: int = 64
  name: str = 'search'
  traced: int = dataclasses.field(default=50, metadata={'recorded': 'changed'})

  def __post_init__(self):
    limits.several(self, 'arms')
    limits.whole(self, 'size')
    limits.whole(self, 'traced', least=0)
    settings = [(a.strategy, n) for a in self.arms for n in a.budgets]
    for strategy, budget in settings:
      if settings.count((strategy, budget)) > 1:
        raise ValueError(
          f'Search.arms has {strategy!r} with a budget of {budget} twice; '
          'remove one.'
        )

  check = check_arms
  __call__ = run_arms
