"""`ttc search`: strategies and budgets side by side (paper §5.2)."""

import dataclasses
from typing import ClassVar

from ttc.pipeline.experiment import Experiment
from ttc.pipeline.stage import StageRun
from ttc.stages.arms import Arm, check_arms, run_arms
from ttc.stages.solver import Solver


@dataclasses.dataclass(frozen=True)
class Search:
  """Runs every arm at each of its budgets on every question.

  Attributes:
    solver: proposer and verifier.
    arms: strategies and budgets. One best-of-N at the largest budget serves
      all smaller ones, by random subsets.
    size: questions a part.
    name: of the stage.
  """

  kind: ClassVar[str] = 'search'
  solver: Solver
  arms: tuple[Arm, ...]
  size: int = 64
  name: str = 'search'

  def __post_init__(self):
    if not self.arms:
      raise ValueError('Search.arms is empty; list at least one Arm.')

  def check(self, experiment: Experiment) -> None:
    """Needs its models before it, and budgets that fit their strategies."""
    check_arms(self, experiment)

  def __call__(self, run: StageRun) -> None:
    """Writes one record for each arm, budget and question."""
    run_arms(self, run)
