"""Intervals that cover, and verdicts that are not given too early."""

import numpy as np
import pytest

from ttc.analysis import bootstrap
from ttc.claims import verdicts


def mean(means):
  return means[..., 0]


def rows(values):
  return np.asarray(values, float)[None]


def test_interval_of_a_mean_is_that_of_its_standard_error():
  x = np.random.default_rng(0).random(400)
  estimate, low, high = bootstrap.interval([rows(x)], mean)
  se = x.std() / np.sqrt(len(x))
  assert estimate == pytest.approx(x.mean())
  assert low == pytest.approx(x.mean() - 1.96 * se, abs=0.2 * se)
  assert high == pytest.approx(x.mean() + 1.96 * se, abs=0.2 * se)


def test_interval_covers_the_truth_as_often_as_it_says():
  rng = np.random.default_rng(1)
  hits = 0
  for _ in range(100):
    _, low, high = bootstrap.interval([rows(rng.random(80) < 0.4)], mean)
    hits += low <= 0.4 <= high
  assert 87 <= hits <= 100


def test_questions_are_paired():
  rng = np.random.default_rng(2)
  hard = rng.random(200)
  both = np.stack([hard + 0.01, hard])
  _, low, high = bootstrap.interval([both], lambda m: m[..., 0] - m[..., 1])
  assert low == pytest.approx(0.01)
  assert high == pytest.approx(0.01)


def test_seeds_that_share_their_questions_do_not_count_them_twice():
  x = np.random.default_rng(3).random(100)
  one = bootstrap.interval([rows(x)], mean)
  assert bootstrap.interval([rows(x)] * 3, mean) == pytest.approx(one)


@pytest.mark.parametrize(
  ('shift', 'holds'), [(1.0, True), (-1.0, False), (0.0, None)]
)
def test_verdict(shift, holds):
  x = np.random.default_rng(4).standard_normal(50)
  x += shift - x.mean()
  claim = verdicts.judge('id', 'x is above 0.', [rows(x)], mean)
  assert claim.holds is holds
  assert claim.estimate == pytest.approx(shift)


def test_one_seed_that_disagrees_leaves_it_open():
  strong, weak = np.full(50, 1.0), np.full(50, -0.01)
  seeds = [rows(strong)] * 5 + [rows(weak)]
  claim = verdicts.judge('id', 's', seeds, mean)
  assert claim.interval[0] > 0
  assert claim.holds is None
  assert claim.seeds == pytest.approx((1, 1, 1, 1, 1, -0.01))


def test_what_the_measurement_cannot_resolve_decides_nothing():
  seeds = [rows(np.full(50, 0.05))]
  assert verdicts.judge('id', 's', seeds, mean).holds is True
  assert verdicts.judge('id', 's', seeds, mean, grain=0.1).holds is None


def test_undefined_has_no_interval():
  never = np.stack([np.ones(20), np.zeros(20)])
  claim = verdicts.judge('id', 's', [never], bootstrap.ratio)
  assert claim.estimate is None
  assert claim.interval == (None, None)
  assert claim.holds is None
  seldom = np.stack([np.ones(20), np.arange(20) == 0])
  assert bootstrap.interval([seldom], bootstrap.ratio)[1:] == (None, None)


def test_a_long_tail_away_from_the_threshold_makes_it_no_less_clear():
  """Of a ratio: no draw is near the threshold, and some are far from it."""
  draws = np.exp(np.random.default_rng(0).normal(2.0, 0.5, 2000))
  far = bootstrap.Drawn(float(np.exp(2.0)), draws.clip(2.5))
  low, _ = far.bounds(0.95, 200)
  assert low > 1.0
  assert far.p_value(1.0, 200) < 0.01
  # The threshold within the draws is as unclear as ever.
  assert far.p_value(7.0, 200) > 0.5


def test_each_is_its_own_bootstrap_of_the_same_draws():
  rng = np.random.default_rng(4)
  rows = [rng.random([3, 20]) for _ in range(2)]
  members = [rng.random([3, 20]) < 0.6 for _ in range(2)]
  for k, found in enumerate(bootstrap.each(rows)):
    alone = bootstrap.drawn(rows, lambda m, k=k: m[..., k])
    assert found.estimate == pytest.approx(alone.estimate)
    np.testing.assert_allclose(found.draws, alone.draws)
  for k, found in enumerate(bootstrap.each(rows, members)):
    own = [
      np.stack([r[k] * m[k], m[k]]) for r, m in zip(rows, members, strict=True)
    ]
    alone = bootstrap.drawn(own, bootstrap.ratio)
    assert found.estimate == pytest.approx(alone.estimate)
    np.testing.assert_allclose(found.draws, alone.draws)
