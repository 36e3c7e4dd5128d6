"""The paired interval: against theory, and why it is paired."""

import numpy as np
import pytest

from ttc.analysis import bootstrap


def test_interval_is_that_of_the_normal_limit():
  rng = np.random.default_rng(0)
  a, b = rng.random(400), rng.random(400)
  found = bootstrap.paired_difference(a, b, rng)
  half = 1.96 * (a - b).std() / np.sqrt(400)
  assert found.estimate == pytest.approx((a - b).mean())
  assert found.low == pytest.approx(found.estimate - half, abs=.1 * half)
  assert found.high == pytest.approx(found.estimate + half, abs=.1 * half)


def test_pairs_cancel_what_both_share():
  rng = np.random.default_rng(1)
  hardness = rng.random(300)
  found = bootstrap.paired_difference(hardness + .01, hardness, rng)
  assert found.low == pytest.approx(.01)
  assert found.high == pytest.approx(.01)


def test_swapping_the_two_mirrors_the_interval():
  rng = np.random.default_rng(2)
  a, b = rng.random(50), rng.random(50)
  one = bootstrap.paired_difference(a, b, np.random.default_rng(3))
  other = bootstrap.paired_difference(b, a, np.random.default_rng(3))
  assert one.low == pytest.approx(-other.high)
  assert one.high == pytest.approx(-other.low)


@pytest.mark.parametrize(('a', 'b'), [([1.], [1., 2.]), ([], []), (1., 1.)])
def test_what_is_not_paired_is_refused(a, b):
  with pytest.raises(ValueError, match='not pairs'):
    bootstrap.paired_difference(a, b, np.random.default_rng(0))
