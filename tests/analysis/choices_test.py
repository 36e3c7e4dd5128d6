"""A bin leaves the best arm of all bins where its questions say so.

Arms are right with chances that are known. What a choice loses is measured on
these chances and not on the answers that were drawn from them.
"""

import numpy as np
import pytest

from ttc.analysis import choices, cross_fit

QUESTIONS, BINS = 200, 5


def _chances(rng, effect):
  """Chances [A, Q] of arms whose log-odds differ by `effect` [A, B]."""
  bins = np.arange(QUESTIONS) % BINS + 1
  easiness = np.array([2, 1, 0, -1, -2])[bins - 1] + rng.normal(size=QUESTIONS)
  return 1 / (1 + np.exp(-(easiness + effect[:, bins - 1]))), bins


def _gain(rng, effect, errors):
  """Points that the policy is expected to gain over the uniform arm."""
  chances, bins = _chances(rng, effect)
  # An easy or lucky question is one for most arms.
  luck = np.where(
    rng.random(chances.shape) < 0.6,
    rng.random(QUESTIONS),
    rng.random(chances.shape),
  )
  table = {str(a): {4: x * 1.0} for a, x in enumerate(luck < chances)}
  truth = {str(a): {4: x} for a, x in enumerate(chances)}
  folds = cross_fit.random_folds(QUESTIONS, rng, 1)
  adaptive, uniform = (
    cross_fit.CrossFit(table, b, folds, errors).expected(truth)[4].mean()
    for b in (bins, np.ones_like(bins))
  )
  return 100 * (adaptive - uniform)


def _mean_gain(effect, errors=choices.ERRORS, worlds=60):
  rng = np.random.default_rng(0)
  return np.mean([_gain(rng, effect, errors) for _ in range(worlds)])


@pytest.mark.parametrize('arms', [2, 6, 20])
def test_without_an_effect_of_the_bins_choosing_costs_nothing(arms):
  worse = -np.linspace(0, 1, arms)[:, None] * np.ones(BINS)
  braked, paper = _mean_gain(worse), _mean_gain(worse, 0)
  assert -0.5 < braked <= 0
  assert paper < 2 * braked


@pytest.mark.parametrize('arms', [2, 6, 20])
def test_of_strong_effects_nothing_is_lost(arms):
  slope = np.linspace(-3, 3, arms)[:, None] * np.array([-1, -0.5, 0, 0.5, 1])
  braked, paper = _mean_gain(slope, worlds=20), _mean_gain(slope, 0, worlds=20)
  assert paper > 10
  assert braked > paper - 1


def test_one_standard_error_by_hand():
  """Ten questions of which the bin's own arm wins three and loses one."""
  apart = np.array([1, 1, 1, -1, 0, 0, 0, 0, 0, 0, -1, -1, -1, -1, -1, -1])
  bins = np.repeat([1, 2], [10, 6])
  values = np.stack([0.5 * np.ones(16), 0.5 + apart / 2])
  ahead = apart / 2
  here = ahead[:10]
  spread = ((here - here.mean()) ** 2).sum() + (ahead**2).mean()
  errors = here.mean() / (np.sqrt(spread) / 10)
  found = choices.fit(values, bins, errors * 0.99)
  assert found.tolist() == [1, 0]
  assert choices.fit(values, bins, errors * 1.01).tolist() == [0, 0]


def test_a_single_question_says_nothing():
  values = np.array([[1.0, 1, 1, 0], [0.0, 0, 0, 1]])
  assert choices.fit(values, np.array([1, 1, 1, 2])).tolist() == [0, 0]


def test_weights_count_questions():
  rng = np.random.default_rng(1)
  values, bins = rng.random([4, 30]), rng.integers(1, 4, 30)
  folds = rng.integers(0, 5, 30)
  weights = rng.integers(0, 4, [6, 30]).astype(float)
  found = choices.choose(values, bins, folds, weights)
  for d, times in enumerate(weights.astype(int)):
    copies = np.repeat(np.arange(30), times)
    for fold in range(5):
      train = copies[folds[copies] != fold]
      own = choices.fit(values[:, train], bins[train])
      np.testing.assert_array_equal(found.arm[d, fold, : len(own)], own)
