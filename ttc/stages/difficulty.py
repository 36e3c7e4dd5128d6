"""`ttc difficulty`: the difficulty of each test question (paper §3.2)."""

import dataclasses
from typing import ClassVar

import numpy as np

from ttc.analysis import difficulty, pools
from ttc.pipeline.stage import StageRun
from ttc.runtime import limits
from ttc.stages.arms import check_arms, run_arms, sample_arms
from ttc.stages.solver import Solver


@dataclasses.dataclass(frozen=True)
class Difficulty:
  """Samples every test question, only to sort the questions into bins.

  The samples are not reused as an arm. If they were, a question with unlucky
  samples would be both in a hard bin and badly answered, and policies that
  depend on the bins would look better than they are.

  Attributes:
    solver: the base model. With a verifier there are bins of predicted
      difficulty beside those of oracle difficulty.
    num: samples per question. The paper takes 2048, and counts them in no
      budget.
    size: questions per part.
    name: name of the stage.
  """

  kind: ClassVar[str] = 'difficulty'
  traced: ClassVar[int] = 0
  solver: Solver
  num: int = 64
  size: int = 64
  name: str = 'difficulty'

  def __post_init__(self):
    limits.whole(self, 'num', 'size')

  arms = property(sample_arms)

  check = check_arms
  __call__ = run_arms

  def show(self, run: StageRun) -> str:
    """Text: pass@1 and share of truncated attempts, overall and per bin."""
    pool = pools.largest(pools.read(run.folder), 'BestOfN')
    if pool is None:
      return f'{run.label}: every question was skipped'
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
      f'{self.num} samples per question'
    ]
    for kind, binned in kinds.items():
      for what, rate in rates.items():
        means = difficulty.by_bin(rate, binned.bins)
        numbers = ' '.join(
          '-' if np.isnan(m) else f'{100 * m:.1f}' for m in means
        )
        lines.append(f'  {what} by {kind} bin (%): {numbers}')
    return '\n'.join(lines)
