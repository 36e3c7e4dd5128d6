"""`ttc sample`: independent attempts to train on (paper §5.1, §6.1)."""

import dataclasses
from typing import ClassVar

from ttc.pipeline.experiment import Experiment
from ttc.pipeline.stage import StageRun
from ttc.stages.arms import Arm, check_arms, run_arms
from ttc.stages.solver import Solver


@dataclasses.dataclass(frozen=True)
class Sample:
  """Samples every question of a split a number of times.

  Attributes:
    solver: the proposer and the questions; usually without a verifier, on the
      split 'finetune'.
    num: attempts per question.
    size: questions per part.
    name: name of the stage.
  """

  kind: ClassVar[str] = 'sample'
  solver: Solver
  num: int = 16
  size: int = 256
  name: str = 'sample'

  @property
  def arms(self) -> tuple[Arm]:
    return (Arm.samples(self.num),)

  def check(self, experiment: Experiment) -> None:
    """Raises ValueError for a proposer that is missing or does not fit."""
    check_arms(self, experiment)

  def __call__(self, run: StageRun) -> None:
    """Writes one record per question; see `run_arms`."""
    run_arms(self, run)
