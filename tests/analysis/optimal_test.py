"""The policy of a table: no choice, no budget; a clear choice is found."""

import numpy as np

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
  assert found.policies['oracle'].choose(1, 4) == 'a'
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


def test_without_a_choice_or_bins_there_is_no_policy():
  one = {'a': {1: np.ones(40), 4: np.ones(40)}}
  assert optimal.fit(one, {'oracle': BINS}, seed=0) is None
  assert optimal.fit({**one, 'b': one['a']}, {}, seed=0) is None
