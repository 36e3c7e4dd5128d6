"""`ttc sample`: independent attempts to train on (paper §5.1, §6.1)."""

import dataclasses
from typing import ClassVar

from ttc.data.templates import Template
from ttc.pipeline import records
from ttc.pipeline.stage import StageRun
from ttc.reporting import first_answers
from ttc.runtime import limits
from ttc.stages.arms import check_arms, run_arms, sample_arms
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
  traced: ClassVar[int] = 0
  solver: Solver
  num: int = 16
  size: int = 256
  name: str = 'sample'

  def __post_init__(self):
    limits.whole(self, 'num', 'size')

  arms = property(sample_arms)
  check = check_arms
  __call__ = run_arms

  def show(self, run: StageRun) -> str:
    """Text: how the first part's answers are; see `first_answers.text`."""
    task, solver = self.solver.task, self.solver
    return first_answers.text(
      run.label,
      records.read_part(records.part_paths(run.folder)[0]),
      lambda problem: task.prompt(solver.by_id[problem]),
      # Only questions of files have a template.
      chosen=getattr(task, 'template', None) != Template(),
    )
