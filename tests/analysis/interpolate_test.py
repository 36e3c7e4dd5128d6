"""Between budgets, and honestly nothing beyond them."""

import numpy as np
import pytest

from ttc.analysis import interpolate

CURVE = {1: 0.1, 4: 0.3, 16: 0.35}


def test_known_budgets_are_exact():
  for budget, accuracy in CURVE.items():
    assert interpolate.accuracy_at(CURVE, budget) == accuracy
    assert interpolate.accuracy_at(CURVE, budget * (1 + 1e-12)) == accuracy


def test_interpolation_is_linear_in_doublings():
  assert interpolate.accuracy_at(CURVE, 2) == pytest.approx(0.2)
  assert interpolate.accuracy_at(CURVE, 8) == pytest.approx(0.325)
  assert interpolate.budget_at(CURVE, 0.2) == pytest.approx(2)


def test_accuracy_and_budget_invert_each_other():
  for budget in np.geomspace(1, 16, 20):
    accuracy = interpolate.accuracy_at(CURVE, budget)
    assert interpolate.budget_at(CURVE, accuracy) == pytest.approx(budget)


def test_values_may_be_questions():
  curve = {1: np.array([0.0, 1.0]), 4: np.array([1.0, 0.0])}
  np.testing.assert_allclose(interpolate.accuracy_at(curve, 2), [0.5, 0.5])


def test_outside_nothing_is_known():
  assert interpolate.accuracy_at(CURVE, 0.5) is None
  assert interpolate.accuracy_at(CURVE, 17) is None
  assert interpolate.budget_at(CURVE, 0.05) is None
  assert interpolate.budget_at(CURVE, 0.36) is None


def test_the_first_crossing_counts():
  assert interpolate.budget_at({1: 0.1, 2: 0.3, 4: 0.2, 8: 0.3}, 0.3) == 2
  assert interpolate.budget_at({1: 0.2, 2: 0.2, 4: 0.4}, 0.2) == 1
