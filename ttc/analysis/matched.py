"""Test-time compute against a larger model at equal FLOPs (paper §7).

The large model has M times the parameters, is pretrained on the same D_pre
tokens and answers greedily. What it costs more,

  6 M N D_pre + large M N D_inf  =  6 N D_pre + k small N D_inf,

the small model may spend on k answers a question instead of one. With
R = D_inf / D_pre the budget that matches is

  k = (M large + 6 (M - 1) / R) / small,

where `large` and `small` are FLOPs a parameter and generated token: 2 for the
answer, and 2 more where a verifier reads it and is charged.

The paper compares at three ratios R. Each asks for a budget of the small model;
where that is larger than was measured, the comparison moves to the R that the
largest measured budget matches.
"""

from collections.abc import Sequence
import dataclasses
from typing import Literal

import numpy as np

from ttc.analysis import flops, interpolate
from ttc.analysis.study import Curve, Study

Side = Literal['search', 'revisions']

TOKEN_RATIOS = (0.16, 0.79, 22.0)  # the paper's, in v1
_SAME = 1.25  # budgets closer than this are one comparison


@dataclasses.dataclass(frozen=True)
class Accounting:
  """FLOPs a parameter and generated token, of the two models."""

  small: float
  large: float


ACCOUNTINGS = {
  'v1': Accounting(flops.INFERENCE, flops.INFERENCE),
  'iclr': Accounting(2 * flops.INFERENCE, 2 * flops.INFERENCE),
  # The greedy large model uses no verifier; ICLR charges it for one.
  'small_only': Accounting(2 * flops.INFERENCE, flops.INFERENCE),
}


def matched_budget(
  size_ratio: float,
  token_ratio: float,
  accounting: str = 'v1',
  large_budget: float = 1,
) -> float:
  """k: the small model's generations a question at equal FLOPs.

  Args:
    size_ratio: M, parameters of the large model over the small one's.
    token_ratio: R = D_inf / D_pre, with D_inf at one answer a question.
    accounting: a key of ACCOUNTINGS.
    large_budget: generations a question of the large model.
  """
  _positive(size_ratio=size_ratio, token_ratio=token_ratio)
  charge = _accounting(accounting)
  pretraining = flops.TRAIN * (size_ratio - 1) / token_ratio
  inference = size_ratio * charge.large * large_budget
  return (inference + pretraining) / charge.small


def token_ratio_at(
  size_ratio: float, budget: float, accounting: str = 'v1'
) -> float:
  """R at which `budget` generations match a greedy large model."""
  charge = _accounting(accounting)
  surplus = budget * charge.small - size_ratio * charge.large
  if surplus <= 0:
    least = size_ratio * charge.large / charge.small
    raise ValueError(
      f'A budget of {budget} generations matches a {size_ratio}x model at no '
      f'token ratio: its inference alone costs {least}; raise the budget.'
    )
  return flops.TRAIN * (size_ratio - 1) / surplus


@dataclasses.dataclass(frozen=True)
class Matched:
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


def comparisons(
  studies: Sequence[Study],
  side: Side,
  size_ratio: float,
  accounting: str = 'v1',
) -> list[Matched]:
  """The comparisons that the measurements allow, R from small to large.

  Args:
    studies: one a seed.
    side: what the small model does with its budget.
    size_ratio: M, parameters of the large model over the small one's.
    accounting: a key of ACCOUNTINGS.
  """
  if not all(compared(s, side) and s.greedy for s in studies):
    return []
  curves = [compared(s, side) for s in studies]
  top = min(max(c) for c in curves)
  found: list[Matched] = []
  for ratio in TOKEN_RATIOS:
    budget = matched_budget(size_ratio, ratio, accounting)
    if budget > top:
      if matched_budget(size_ratio, np.inf, accounting) >= top:
        continue
      ratio, budget = token_ratio_at(size_ratio, top, accounting), top
    if found and max(budget, found[-1].budget) < _SAME * min(
      budget, found[-1].budget
    ):
      continue
    small = [interpolate.accuracy_at(c, budget) for c in curves]
    if any(s is None for s in small):
      continue
    found.append(
      Matched(
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


def _accounting(name: str) -> Accounting:
  if name not in ACCOUNTINGS:
    raise ValueError(
      f'Unknown accounting {name!r}; choose one of {", ".join(ACCOUNTINGS)}.'
    )
  return ACCOUNTINGS[name]


def _positive(**values: float) -> None:
  for name, value in values.items():
    if not value > 0:
      raise ValueError(f'{name} is {value}; it must be above 0.')
