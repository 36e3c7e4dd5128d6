"""Interpolation of accuracy curves, linear in log2 of the budget.

A curve maps budgets to accuracies. Outside the measured budgets the result is
None: nothing is extrapolated.
"""

from collections.abc import Mapping

import numpy as np

# Tolerance in log2: budgets that differ by rounding alone are the same budget.
_SLACK = 1e-9
# Means of the same answers, summed in another order, are the same accuracy.
_EQUAL = 1e-9


def accuracy_at(curve: Mapping[int, float | np.ndarray], budget: float):
  """Accuracy at a budget between the least and the largest measured one.

  Args:
    curve: accuracy by budget, a float or one float per question [Q].
    budget: in the unit of the curve's budgets.

  Returns:
    The accuracy, of the type of the curve's values; None outside its budgets.
  """
  budgets = sorted(curve)
  x = np.log2(budgets)
  at = np.log2(budget)
  if not x[0] - _SLACK <= at <= x[-1] + _SLACK:
    return None
  # `at - _SLACK` makes a measured budget find itself, so that its own value is
  # returned and not one interpolated with a weight of about 0.
  right = min(int(np.searchsorted(x, at - _SLACK)), len(x) - 1)
  left = max(right - 1, 0)
  if right == left or abs(x[right] - at) <= _SLACK:
    return curve[budgets[right]]
  share = (at - x[left]) / (x[right] - x[left])
  return (1 - share) * curve[budgets[left]] + share * curve[budgets[right]]


def budget_at(
  curve: Mapping[int, float], accuracy: float, near: float = 0.0
) -> float | None:
  """The budget at which the curve reaches an accuracy.

  Args:
    curve: accuracy by budget; it need not be monotone.
    accuracy: the accuracy to reach.
    near: where the curve stays at the accuracy from one budget to another, any
      of these would do: the one nearest to this is taken, by default the least.

  Returns:
    The budget of the first crossing. None if the curve never reaches the
    accuracy, or if it starts above it: the budget is then below the least
    measured one.
  """
  budgets = sorted(curve)
  y = [float(curve[n]) for n in budgets]
  reached = [i for i in range(len(y)) if y[i] >= accuracy - _EQUAL]
  if not reached or y[0] > accuracy + _EQUAL:
    return None
  first = last = reached[0]
  crossing = float(budgets[0])
  if first:
    share = min((accuracy - y[first - 1]) / (y[first] - y[first - 1]), 1.0)
    left, right = np.log2(budgets[first - 1 : first + 1])
    crossing = float(2 ** (left + share * (right - left)))
  if y[first] > accuracy + _EQUAL:
    return crossing
  while last + 1 < len(y) and abs(y[last + 1] - accuracy) <= _EQUAL:
    last += 1
  return min(max(crossing, near), float(budgets[last]))
