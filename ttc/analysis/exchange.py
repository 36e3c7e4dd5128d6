"""Where to compare the small model with the large one (paper §7).

The paper compares at three ratios R of inference to pretraining tokens. Each
asks for a budget of the small model; where that is larger than was measured,
the comparison moves to the R that the largest measured budget matches.
"""

from collections.abc import Sequence
import dataclasses
from typing import Literal

import numpy as np

from ttc.analysis import interpolate, matched
from ttc.analysis.study import Curve, Study

Side = Literal['search', 'revisions']

TOKEN_RATIOS = (0.16, 0.79, 22.0)  # the paper's, in v1
_SAME = 1.25  # budgets closer than this are one comparison


@dataclasses.dataclass(frozen=True)
class Exchange:
  """Both models at equal FLOPs, question by question.

  Attributes:
    token_ratio: R.
    budget: generations of the small model that match one of the large one.
    small: accuracy under the compute-optimal policy [Q], one array a seed.
    large: accuracy of the greedy large model [Q], one array a seed.
    bins: oracle difficulty [Q], one array a seed.
  """

  token_ratio: float
  budget: float
  small: tuple[np.ndarray, ...]
  large: tuple[np.ndarray, ...]
  bins: tuple[np.ndarray, ...]

  @property
  def label(self) -> str:
    """'R ≪ 1', 'R ≈ 1' or 'R ≫ 1'."""
    if self.token_ratio < 0.3:
      return 'R ≪ 1'
    return 'R ≫ 1' if self.token_ratio > 3 else 'R ≈ 1'


def exchanges(
  studies: Sequence[Study],
  side: Side,
  size_ratio: float,
  accounting: str = 'v1',
) -> list[Exchange]:
  """The comparisons that the measurements allow, R from small to large.

  Args:
    studies: one a seed.
    side: what the small model does with its budget.
    size_ratio: M, parameters of the large model over the small one's.
    accounting: a key of matched.ACCOUNTINGS.
  """
  if not all(compared(s, side) and s.greedy for s in studies):
    return []
  curves = [compared(s, side) for s in studies]
  top = min(max(c) for c in curves)
  found: list[Exchange] = []
  for ratio in TOKEN_RATIOS:
    budget = matched.matched_budget(size_ratio, ratio, accounting)
    if budget > top:
      if matched.matched_budget(size_ratio, np.inf, accounting) >= top:
        continue
      ratio, budget = matched.token_ratio_at(size_ratio, top, accounting), top
    if found and max(budget, found[-1].budget) < _SAME * min(
      budget, found[-1].budget
    ):
      continue
    small = [interpolate.accuracy_at(c, budget) for c in curves]
    if any(s is None for s in small):
      continue
    found.append(
      Exchange(
        ratio,
        budget,
        tuple(small),
        tuple(s.greedy.correct[:, 0].astype(float) for s in studies),
        tuple(s.bins['oracle'] for s in studies),
      )
    )
  return found


def compared(study: Study, side: Side) -> Curve | None:
  """The small model's compute-optimal accuracy by budget, oracle bins."""
  if side == 'search':
    fit = study.search_optimal
  else:
    fits = study.revision_optimal
    fit = fits.get('verifier', fits.get('majority'))
  return None if fit is None else fit.adaptive['oracle']
