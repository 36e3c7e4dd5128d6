"""The policy of a table: no choice, no budget; a clear choice is found."""

import numpy as np
import pytest

from ttc.analysis import optimal

BINS = np.repeat(np.arange(1, 6), 8)


def test_finds_what_each_bin_needs():
  easy = (BINS <= 2).astype(float)
  table = {'a': {1: 0 * easy, 4: easy}, 'b': {4: 1 - easy}, 'c': {2: easy}}
  found = optimal.fit(table, {'oracle': BINS}, seed=0)
  assert list(found.adaptive['oracle']) == [1, 4]  # at 2 there is only c
  np.testing.assert_array_equal(found.adaptive['oracle'][4], 1)
  assert found.uniform[4].mean() == 0.6
  assert found.best[4].arm == 'b'
  # As good as a, at half of its cost.
  assert found.policies['oracle'].choose(1, 4) == 'c at N=2'
  assert found.policies['oracle'].choose(5, 4) == 'b'


def test_what_the_choices_execute():
  easy = (BINS <= 2).astype(float)
  table = {'a': {4: easy}, 'b': {4: 1 - easy}}
  cost = {'a': {4: 10.0 + BINS}, 'b': {4: 100.0 + BINS}}
  found = optimal.fit(table, {'oracle': BINS}, seed=0, flops=cost)
  np.testing.assert_allclose(
    found.flops['oracle'][4], BINS + np.where(easy, 10, 100)
  )
  np.testing.assert_allclose(found.flops['uniform'][4], BINS + 100)
  assert optimal.fit(table, {'oracle': BINS}, seed=0).flops == {}


def test_the_best_single_arm_is_the_best_of_all_that_cost_no_more():
  table = {
    'samples': {1: 0.2 * BINS, 4: 0.3 * BINS, 16: 0.4 * BINS},
    'search': {4: 0.6 * BINS, 16: 0.5 * BINS},
    'greedy': {1: 0.35 * BINS},
  }
  cost = {
    arm: {n: np.full(len(BINS), n) for n in curve}
    for arm, curve in table.items()
  }
  found = optimal.fit(table, {'oracle': BINS}, seed=0, flops=cost)
  assert {n: u.arm for n, u in found.best.items()} == {
    1: 'greedy',
    4: 'search',
    16: 'search at N=4',
  }
  for n, accuracy in found.uniform.items():
    best = max(
      (x.mean() for curve in table.values() for m, x in curve.items() if m <= n)
    )
    assert accuracy.mean() == pytest.approx(best)
    assert found.flops['uniform'][n].max() <= n
  np.testing.assert_allclose(found.flops['uniform'][16], 4)


def test_kinds_of_bins_share_their_folds():
  rng = np.random.default_rng(0)
  table = {a: {4: rng.random(40)} for a in 'abc'}
  found = optimal.fit(table, {'oracle': BINS, 'predicted': BINS}, seed=0)
  for fit in found.fits.values():
    np.testing.assert_array_equal(fit.folds, found.fits['oracle'].folds)
  np.testing.assert_array_equal(*(a[4] for a in found.adaptive.values()))


def test_without_a_choice_or_bins_there_is_no_policy():
  one = {'a': {1: np.ones(40), 4: np.ones(40)}}
  assert optimal.fit(one, {'oracle': BINS}, seed=0) is None
  assert optimal.fit({**one, 'b': one['a']}, {}, seed=0) is None
