"""The policy against enumeration, and cross-fitting against selection bias."""

import itertools

import numpy as np
import pytest

from ttc.analysis import policy


def _world(rng, questions=40, arms=3, budgets=(1, 4), num_bins=3):
  bins = rng.integers(1, num_bins + 1, questions)
  bins[:num_bins] = np.arange(num_bins) + 1
  accuracy = {
    f'arm{a}': {n: rng.random(questions) for n in budgets} for a in range(arms)
  }
  return accuracy, bins


def test_fit_is_the_best_of_all_tables():
  accuracy, bins = _world(np.random.default_rng(0))
  fitted = policy.fit(accuracy, bins).apply(accuracy, bins)
  for n in (1, 4):
    reachable = [
      np.mean([accuracy[table[b - 1]][n][q] for q, b in enumerate(bins)])
      for table in itertools.product(accuracy, repeat=3)
    ]
    assert fitted[n].mean() == pytest.approx(max(reachable))


def test_of_equal_arms_the_first_is_chosen():
  same = {4: np.array([0.5, 0.5])}
  assert policy.fit({'b': same, 'a': same}, [1, 2]).choose(2, 4) == 'b'
  assert policy.best_uniform({'b': same, 'a': same})[4].arm == 'b'


def test_an_arm_competes_only_at_its_budgets():
  accuracy = {
    'one': {1: np.array([0.1]), 4: np.array([0.1])},
    'beam': {4: np.array([0.9])},
  }
  fitted = policy.fit(accuracy, [1])
  assert (fitted.choose(1, 1), fitted.choose(1, 4)) == ('one', 'beam')


def test_a_bin_without_questions_takes_the_best_arm_of_all():
  accuracy = {
    'a': {1: np.array([1.0, 0.0, 0.0])},
    'b': {1: np.array([0.0, 1.0, 1.0])},
  }
  fitted = policy.fit(accuracy, [1, 3, 3])
  assert [fitted.choose(b, 1) for b in (1, 2, 3, 4)] == ['a', 'b', 'b', 'b']


def test_a_budget_between_two_reads_the_lower():
  fitted = policy.Policy({(1, 4): 'few', (1, 16): 'many'})
  assert [fitted.choose(1, n) for n in (4, 15, 16, 99)] == [
    'few',
    'few',
    'many',
    'many',
  ]
  with pytest.raises(ValueError, match='budgets start at 4'):
    fitted.choose(1, 3)
  with pytest.raises(ValueError, match='bins count from 1'):
    fitted.choose(0, 4)


def test_json_round_trip():
  accuracy, bins = _world(np.random.default_rng(1))
  fitted = policy.fit(accuracy, bins, thresholds=(0.75, 0.25))
  again = policy.Policy.from_json(fitted.to_json())
  assert again == fitted
  assert again.to_json() == fitted.to_json()


def test_a_table_with_a_hole_is_refused():
  with pytest.raises(ValueError, match='needs 4 entries and has 3'):
    policy.Policy({(1, 1): 'a', (2, 1): 'a', (1, 4): 'a'})
  with pytest.raises(ValueError, match='1 thresholds do not part 3'):
    policy.Policy({(b, 1): 'a' for b in (1, 2, 3)}, thresholds=(0.5,))


def test_folds_halve_every_bin():
  bins = np.repeat([1, 2, 3], [10, 7, 1])
  folds = policy.random_folds(bins, np.random.default_rng(2), splits=50)
  assert folds.shape == (50, 18)
  assert (folds[:, :10].sum(1) == 5).all()
  assert (folds[:, 10:17].sum(1) == 3).all()
  assert len({tuple(f) for f in folds}) > 40
  assert (folds[:, :10].mean(0) > 0.2).all()


def test_cross_fit_by_hand():
  # Fold one prefers a, fold two prefers b: each is scored with the other's.
  accuracy = {'a': {1: np.array([1.0, 0.0])}, 'b': {1: np.array([0.0, 1.0])}}
  folds = np.array([[True, False]])
  found = policy.cross_fit(accuracy, [1, 1], folds)
  assert found.accuracy[1].tolist() == [0, 0]
  assert found.chosen == {1: {1: {'a': 0.5, 'b': 0.5}}}
  assert policy.best_uniform(accuracy)[1].accuracy.mean() == 0.5


def test_cross_fit_is_one_pass_a_split():
  accuracy, bins = _world(np.random.default_rng(3))
  folds = policy.random_folds(bins, np.random.default_rng(4), splits=7)
  found = policy.cross_fit(accuracy, bins, folds)
  each = []
  for first in folds:
    scored = np.empty(40)
    for train in (first, ~first):
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
  np.testing.assert_allclose(sum(found.judged[4].values()), 1)
  for n, again in found.expected(accuracy).items():
    np.testing.assert_allclose(again, found.accuracy[n])


def test_cross_fitting_removes_the_bias_of_choosing():
  # All arms are equally good; in-sample choice looks better than it is.
  rng = np.random.default_rng(5)
  bins = np.repeat(np.arange(5) + 1, 60)
  accuracy = {
    f'arm{a}': {1: (rng.random(300) < 0.5).astype(float)} for a in range(12)
  }
  folds = policy.random_folds(bins, rng)
  fitted = policy.fit(accuracy, bins).apply(accuracy, bins)[1].mean()
  judged = policy.cross_fit(accuracy, bins, folds).accuracy[1].mean()
  assert fitted > 0.57
  assert abs(judged - 0.5) < 0.03


def test_where_one_arm_rules_uniform_and_policy_agree():
  rng = np.random.default_rng(6)
  base = rng.random(100) / 2
  bins = rng.integers(1, 6, 100)
  accuracy = {'worse': {8: base}, 'better': {8: base + 0.1}}
  folds = policy.random_folds(bins, rng)
  for found in (
    policy.cross_fit(accuracy, bins, folds),
    policy.cross_fit_uniform(accuracy, folds),
  ):
    np.testing.assert_allclose(found.accuracy[8], base + 0.1)
    assert found.sd[8] == 0
  assert policy.best_uniform(accuracy)[8].arm == 'better'


def test_where_bins_differ_the_policy_wins():
  bins = np.repeat([1, 2], 50)
  accuracy = {'a': {4: (bins == 1) * 0.8}, 'b': {4: (bins == 2) * 0.8}}
  folds = policy.random_folds(bins, np.random.default_rng(7))
  adaptive = policy.cross_fit(accuracy, bins, folds)
  uniform = policy.cross_fit_uniform(accuracy, folds)
  assert adaptive.accuracy[4].mean() == pytest.approx(0.8)
  assert uniform.accuracy[4].mean() < 0.41
  assert adaptive.chosen[4][1] == {'a': 1, 'b': 0}


def test_a_budget_nobody_has_is_refused():
  accuracy, bins = _world(np.random.default_rng(8))
  fitted = policy.Policy({(b, 64): 'arm0' for b in (1, 2, 3)})
  with pytest.raises(ValueError, match=r'No arm has budget 64.*\[1, 4\]'):
    fitted.apply(accuracy, bins)
