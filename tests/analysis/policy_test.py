"""The policy against enumeration."""

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
  fitted = policy.fit(accuracy, bins, errors=0).apply(accuracy, bins)
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
  fitted = policy.fit(accuracy, [1, 3, 3], errors=0)
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


def test_a_budget_nobody_has_is_refused():
  accuracy, bins = _world(np.random.default_rng(8))
  fitted = policy.Policy({(b, 64): 'arm0' for b in (1, 2, 3)})
  with pytest.raises(ValueError, match=r'No arm has budget 64.*\[1, 4\]'):
    fitted.apply(accuracy, bins)
