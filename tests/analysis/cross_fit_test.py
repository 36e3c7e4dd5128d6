"""Cross-fitting against its definition, and against the bias of choosing."""

import numpy as np
import pytest

from ttc.analysis import cross_fit, policy


def _world(rng, questions=40, arms=3, budgets=(1, 4), num_bins=3):
  bins = rng.integers(1, num_bins + 1, questions)
  bins[:num_bins] = np.arange(num_bins) + 1
  accuracy = {
    f'arm{a}': {n: rng.random(questions) for n in budgets} for a in range(arms)
  }
  return accuracy, bins


def test_folds_have_equal_sizes_and_differ():
  folds = cross_fit.random_folds(23, np.random.default_rng(2), splits=50)
  assert folds.shape == (50, 23)
  for split in folds:
    assert set(np.bincount(split)) == {2, 3}
    assert len(np.bincount(split)) == cross_fit.FOLDS
  assert len({tuple(f) for f in folds}) == 50
  few = cross_fit.random_folds(3, np.random.default_rng(2), splits=1)
  assert sorted(few[0]) == [0, 1, 2]


def test_cross_fit_by_hand():
  # Fold one prefers a, fold two prefers b: each is scored with the other's.
  accuracy = {'a': {1: np.array([1.0, 0.0])}, 'b': {1: np.array([0.0, 1.0])}}
  found = cross_fit.cross_fit(accuracy, [1, 1], np.array([[1, 0]]))
  assert found.accuracy[1].tolist() == [0, 0]
  assert found.chosen == {1: {1: {'a': 0.5, 'b': 0.5}}}
  assert policy.best_uniform(accuracy)[1].accuracy.mean() == 0.5


@pytest.mark.parametrize('num_bins', [1, 3])
def test_cross_fit_is_one_fit_a_fold(num_bins):
  accuracy, bins = _world(np.random.default_rng(3), num_bins=num_bins)
  folds = cross_fit.random_folds(40, np.random.default_rng(4), 7, 6)
  found = cross_fit.cross_fit(accuracy, bins, folds)
  each = []
  for split in folds:
    scored = np.empty(40)
    for fold in range(6):
      train = split != fold
      fitted = policy.fit(
        {a: {n: v[train] for n, v in t.items()} for a, t in accuracy.items()},
        bins[train],
      )
      scored[~train] = fitted.apply(accuracy, bins)[4][~train]
    each.append(scored)
  np.testing.assert_allclose(found.accuracy[4], np.mean(each, axis=0))
  assert found.sd[4] == pytest.approx(np.std(np.mean(each, axis=1)))
  for shares in found.chosen[4].values():
    assert sum(shares.values()) == pytest.approx(1)
  for n, again in found.expected(accuracy).items():
    np.testing.assert_allclose(again, found.accuracy[n])


def test_a_question_that_counts_twice_is_two_questions_of_one_fold():
  rng = np.random.default_rng(5)
  accuracy, bins = _world(rng)
  folds = cross_fit.random_folds(40, rng, 3)
  weights = rng.multinomial(40, np.full(40, 1 / 40), 20)
  found = cross_fit.cross_fit(accuracy, bins, folds).refit(4, weights)
  for mean, times in zip(found, weights, strict=True):
    copies = np.repeat(np.arange(40), times)
    copied = {
      a: {n: v[copies] for n, v in t.items()} for a, t in accuracy.items()
    }
    again = cross_fit.cross_fit(copied, bins[copies], folds[:, copies])
    assert mean == pytest.approx(again.accuracy[4].mean())


def test_cross_fitting_removes_the_bias_of_choosing():
  # All arms are equally good; in-sample choice looks better than it is.
  rng = np.random.default_rng(5)
  bins = np.repeat(np.arange(5) + 1, 60)
  accuracy = {
    f'arm{a}': {1: (rng.random(300) < 0.5).astype(float)} for a in range(12)
  }
  folds = cross_fit.random_folds(300, rng)
  fitted = policy.fit(accuracy, bins).apply(accuracy, bins)[1].mean()
  judged = cross_fit.cross_fit(accuracy, bins, folds).accuracy[1].mean()
  assert fitted > 0.55
  assert abs(judged - 0.5) < 0.04


def test_where_one_arm_rules_uniform_and_policy_agree():
  rng = np.random.default_rng(6)
  base = rng.random(100) / 2
  bins = rng.integers(1, 6, 100)
  accuracy = {'worse': {8: base}, 'better': {8: base + 0.1}}
  folds = cross_fit.random_folds(100, rng)
  for found in (
    cross_fit.cross_fit(accuracy, bins, folds),
    cross_fit.cross_fit_uniform(accuracy, folds),
  ):
    np.testing.assert_allclose(found.accuracy[8], base + 0.1)
    assert found.sd[8] == 0
  assert policy.best_uniform(accuracy)[8].arm == 'better'


def test_where_bins_differ_the_policy_wins():
  bins = np.repeat([1, 2], 50)
  accuracy = {'a': {4: (bins == 1) * 0.8}, 'b': {4: (bins == 2) * 0.8}}
  folds = cross_fit.random_folds(100, np.random.default_rng(7))
  adaptive = cross_fit.cross_fit(accuracy, bins, folds)
  uniform = cross_fit.cross_fit_uniform(accuracy, folds)
  assert adaptive.accuracy[4].mean() == pytest.approx(0.8)
  assert uniform.accuracy[4].mean() < 0.41
  assert adaptive.chosen[4][1] == {'a': 1, 'b': 0}
