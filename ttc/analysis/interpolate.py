"""Between the budgets of a curve: linear in log2 of the budget.

A curve maps budgets to accuracies. Outside its budgets nothing is known, and
None says so: no extrapolation.
"""

from collections.abc import Mapping

import numpy as np

# Budgets that differ by rounding alone are the same budget.
_SLACK = 1e-9


def accuracy_at(curve: Mapping[int, float | np.ndarray], budget: float):
  """Accuracy at any budget within the curve's, else None.

  The curve's values may be arrays, of one accuracy a question; so is the
  result then.
  """
  budgets = sorted(curve)
  x = np.log2(budgets)
  at = np.log2(budget)
  if not x[0] - _SLACK <= at <= x[-1] + _SLACK:
    return None
  right = min(int(np.searchsorted(x, at - _SLACK)), len(x) - 1)
  left = max(right - 1, 0)
  if right == left or abs(x[right] - at) <= _SLACK:
    return curve[budgets[right]]
  share = (at - x[left]) / (x[right] - x[left])
  return (1 - share) * curve[budgets[left]] + share * curve[budgets[right]]


def budget_at(curve: Mapping[int, float], accuracy: float) -> float | None:
  """The least budget at which the curve reaches an accuracy.

  None where it never does, and where it is above it from the start: then the
  budget lies below the curve's first.
  """
  budgets = sorted(curve)
  y = [float(curve[n]) for n in budgets]
  if accuracy < y[0]:
    return None
  if accuracy == y[0]:
    return float(budgets[0])
  for i in range(1, len(y)):
    if y[i] >= accuracy:
      share = (accuracy - y[i - 1]) / (y[i] - y[i - 1])
      left, right = np.log2(budgets[i - 1 : i + 1])
      return float(2 ** (left + share * (right - left)))
  return None
