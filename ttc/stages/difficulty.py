"""`ttc difficulty`: how hard each test question is (paper §3.2)."""

import dataclasses
from typing import ClassVar

import numpy as np

from ttc.analysis import difficulty, pools
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.stage import StageRun
from ttc.stages.arms import Arm, check_arms, run_arms
from ttc.stages.solver import Solver


@dataclasses.dataclass(frozen=True)
class Difficulty:
  """Samples the test questions, for their bins and for nothing else.

  Samples that also scored an arm would make hard questions hard by selection
  and flatter every policy that reads the bins.

  Attributes:
    solver: the base model; with a verifier there are predicted bins too.
    num: samples a question. The paper took 2048 and charged none of them.
    size: questions a part.
    name: of the stage.
  """

  kind: ClassVar[str] = 'difficulty'
  solver: Solver
  num: int = 64
  size: int = 64
  name: str = 'difficulty'

  @property
  def arms(self) -> tuple[Arm]:
    return (Arm.samples(self.num),)

  def check(self, experiment: Experiment) -> None:
    """Needs its models before it."""
    check_arms(self, experiment)

  def __call__(self, run: StageRun) -> None:
    """Writes one record a question."""
    run_arms(self, run)

  def show(self, run: StageRun) -> str:
    """pass@1 in each bin, answers cut short apart, and what the bins cost."""
    pool = pools.largest(pools.read(run.folder), 'BestOfN')
    kinds = {'oracle': difficulty.oracle(pool.correct)}
    if pool.values is not None:
      kinds['predicted'] = difficulty.predicted(pool.score())
    rates = {
      'right': pool.correct.mean(axis=1),
      'cut short': pool.truncated.mean(axis=1),
    }
    lines = [
      f'{run.label}: pass@1 {100 * rates["right"].mean():.1f}%, '
      f'{100 * rates["cut short"].mean():.1f}% cut short, '
      f'{self.num} samples a question'
    ]
    for kind, found in kinds.items():
      for what, rate in rates.items():
        means = difficulty.by_bin(rate, found.bins)
        cells = ' '.join(
          '-' if np.isnan(m) else f'{100 * m:.1f}' for m in means
        )
        lines.append(f'  {what} by {kind} bin (%): {cells}')
    return '\n'.join(lines)
