"""How well, and for how much, the difficulty of questions is known beforehand.

Three ways: many samples, as in the paper; a probe of the prompt; and the first
samples of an allocation, which are answers too and so cost nothing more.
"""

from typing import Any

import numpy as np

from ttc.allocation.comparison import Comparison

_GROUPS = 5


def table(comparisons) -> list[dict[str, Any]]:
  """One row per way, means over seeds.

  Args:
    comparisons: one per seed, see `comparison.load`; [] is returned unless all
      seeds have one.

  Returns:
    'estimate', 'flops' per question beyond what answers it, 'rank' correlation
    with the solve rate, which other samples measure, and 'error', the mean
    distance between prediction and solve rate over fifths of the questions.
  """
  if not comparisons or not all(comparisons):
    return []
  shared = [
    name
    for name in comparisons[0].estimates
    if all(name in c.estimates for c in comparisons)
  ]
  return [_row(name, comparisons) for name in shared]


def _row(name: str, comparisons: list[Comparison]) -> dict[str, Any]:
  own = [c.estimates[name] for c in comparisons]
  mean = lambda values: float(np.mean(list(values)))
  return {
    'estimate': name,
    'flops': mean(flops.mean() for _, flops in own),
    'rank': mean(
      rank_correlation(predicted, c.solve_rate)
      for (predicted, _), c in zip(own, comparisons, strict=True)
    ),
    'error': mean(
      calibration_error(predicted, c.solve_rate)
      for (predicted, _), c in zip(own, comparisons, strict=True)
    ),
  }


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
  """Spearman's; equal values share their mean rank. NaN for constants."""
  a, b = _ranks(one), _ranks(other)
  a, b = a - a.mean(), b - b.mean()
  scale = np.sqrt((a @ a) * (b @ b))
  return float(a @ b / scale) if scale else float('nan')


def calibration_error(predicted: np.ndarray, rate: np.ndarray) -> float:
  """Mean distance of predicted and measured rates over groups by prediction."""
  order = np.argsort(predicted, kind='stable')
  groups = np.array_split(order, min(_GROUPS, len(order)))
  gaps = [abs(predicted[g].mean() - rate[g].mean()) for g in groups]
  weights = [len(g) for g in groups]
  return float(np.average(gaps, weights=weights))


def _ranks(values: np.ndarray) -> np.ndarray:
  _, place, count = np.unique(values, return_inverse=True, return_counts=True)
  last = np.cumsum(count)
  return (last - (count - 1) / 2)[place]
