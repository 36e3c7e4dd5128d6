"""One-shot allocation by predicted solve rates."""

import itertools

import numpy as np
import pytest

from tests.allocation import worlds
from ttc.allocation import estimates, one_shot
from ttc.allocation.one_shot import Probed


def test_no_other_division_of_as_many_samples_solves_more():
  rate = np.array([0.02, 0.3, 0.8])
  for price in (0.3, 0.1, 0.03, 0.01):
    count = one_shot.samples(rate, price, cap=12)
    solved = lambda n: (1 - (1 - rate) ** np.array(n)).sum()
    best = max(
      solved(n)
      for n in itertools.product(range(1, 13), repeat=3)
      if sum(n) == count.sum()
    )
    assert solved(count) == pytest.approx(best)


def test_hopeless_and_certain_questions_get_one_sample():
  count = one_shot.samples(np.array([0.0, 1.0]), 0.01, cap=64)
  assert count.tolist() == [1, 1]


def test_a_probe_finds_a_direction_that_tells_the_solve_rate():
  rng = np.random.default_rng(0)
  state = rng.normal(size=(1200, 8))
  rate = 1 / (1 + np.exp(-2 * state[:, 3]))
  half = lambda part: Probed(np.arange(600), state[part], np.ones(600))
  predicted = half(slice(600, None)).predict(half(slice(0, 600)), rate[:600])
  assert estimates.rank_correlation(predicted, rate[600:]) > 0.98
  assert estimates.calibration_error(predicted, rate[600:]) < 0.05


def test_every_question_pays_for_its_prompt_and_its_samples():
  rates = np.array([0.1, 0.5, 0.9])
  recorded = worlds.recordings(rates, (64,))
  probed = Probed(np.arange(3), np.zeros((3, 2)), np.full(3, 7.0))
  for point in one_shot.points(recorded, probed, rates):
    price = float(point.setting.split()[1])
    count = one_shot.samples(rates, price, 16)
    attempt = worlds.PER_ATTEMPT * worlds.RATE
    np.testing.assert_allclose(point.flops, 7.0 + count * attempt)


@pytest.mark.parametrize('seed', range(5))
def test_rank_correlation_depends_on_order_alone(seed):
  rng = np.random.default_rng(seed)
  a, b = rng.integers(0, 5, 40), rng.normal(size=40)
  plain = estimates.rank_correlation(a, b)
  assert estimates.rank_correlation(np.exp(a), b**3) == pytest.approx(plain)
  assert estimates.rank_correlation(a, a) == pytest.approx(1.0)
  assert estimates.rank_correlation(a, -a) == pytest.approx(-1.0)
  assert np.isnan(estimates.rank_correlation(a, 0 * b))
