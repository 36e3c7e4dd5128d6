"""Test-time compute against a larger model at equal FLOPs (paper §7).

The large model has M times the parameters, is pretrained on the same D_pre
tokens and answers greedily. What it costs more,

  6 M N D_pre + large M N D_inf  =  6 N D_pre + k small N D_inf,

the small model may spend on k answers a question instead of one. With
R = D_inf / D_pre the budget that matches is

  k = (M large + 6 (M - 1) / R) / small,

where `large` and `small` are FLOPs a parameter and generated token: 2 for the
answer, and 2 more where a verifier reads it and is charged.
"""

from collections.abc import Mapping
import dataclasses

import numpy as np

from ttc.analysis import difficulty, flops, interpolate


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


def size_ratio_at(
  token_ratio: float, budget: float, accounting: str = 'v1'
) -> float:
  """M at which `budget` generations match a greedy large model."""
  _positive(token_ratio=token_ratio, budget=budget)
  charge = _accounting(accounting)
  pretraining = flops.TRAIN / token_ratio
  return (budget * charge.small + pretraining) / (charge.large + pretraining)


@dataclasses.dataclass(frozen=True)
class Comparison:
  """Both models at equal FLOPs, by difficulty bin.

  Attributes:
    token_ratio: R.
    budget: k, the matched generations of the small model.
    small: its accuracy there [bins]; NaN where k is outside its curve.
    large: [bins].
    improvement: (small - large) / large [bins], a fraction; NaN where the
      large model solves nothing.
  """

  token_ratio: float
  budget: float
  small: np.ndarray
  large: np.ndarray
  improvement: np.ndarray


def compare(
  small: Mapping[int, np.ndarray],
  large,
  bins,
  *,
  size_ratio: float,
  token_ratio: float,
  accounting: str = 'v1',
  large_budget: float = 1,
  num_bins: int = 5,
) -> Comparison:
  """Compares at the budget that matches; interpolated in log2 of it.

  Args:
    small: the small model's accuracy on each question [Q] by budget.
    large: the large model's accuracy on each question [Q].
    bins: difficulty of the questions, int [Q].
    size_ratio: M.
    token_ratio: R.
    accounting: a key of ACCOUNTINGS.
    large_budget: generations a question of the large model.
    num_bins: of difficulty.
  """
  budget = matched_budget(size_ratio, token_ratio, accounting, large_budget)
  question = interpolate.accuracy_at(small, budget)
  large = difficulty.by_bin(large, bins, num_bins)
  small = (
    np.full(num_bins, np.nan)
    if question is None
    else difficulty.by_bin(question, bins, num_bins)
  )
  return Comparison(
    token_ratio, budget, small, large, relative_improvement(small, large)
  )


def relative_improvement(small, large) -> np.ndarray:
  """(small - large) / large, as a fraction; NaN where large is 0."""
  small, large = np.broadcast_arrays(
    np.asarray(small, np.float64), np.asarray(large, np.float64)
  )
  return np.divide(
    small - large, large, out=np.full(large.shape, np.nan), where=large != 0
  )


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
