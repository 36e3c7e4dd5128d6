"""Bins: sizes, ties, and the cost beside them."""

import numpy as np
import pytest

from ttc.analysis import difficulty


def test_distinct_questions_fill_equal_bins():
  easiness = np.random.default_rng(0).permutation(500) / 500
  bins = difficulty.bins(easiness)
  assert np.bincount(bins)[1:].tolist() == [100] * 5
  for bin in range(1, 5):
    assert easiness[bins == bin].min() > easiness[bins == bin + 1].max()


def test_ties_at_a_boundary_go_to_the_easier_bin_together():
  easiness = np.arange(500.0)
  easiness[95:101] = 100  # the 400th easiest and the five below it
  counts = np.bincount(difficulty.bins(easiness))[1:]
  assert counts.tolist() == [100, 100, 100, 105, 95]


def test_equally_easy_questions_share_a_bin():
  easiness = np.random.default_rng(1).integers(0, 7, 200) / 7
  bins = difficulty.bins(easiness)
  for value in np.unique(easiness):
    assert len(set(bins[easiness == value])) == 1
  assert (np.diff(bins[np.argsort(easiness)]) <= 0).all()


def test_many_ties_leave_the_hardest_bin_empty():
  assert difficulty.bins([0, 0, 0, 0, 0, 1, 1, 1, 1, 1]).max() == 3


def test_order_of_questions_does_not_matter():
  rng = np.random.default_rng(2)
  easiness, order = rng.integers(0, 9, 60), rng.permutation(60)
  np.testing.assert_array_equal(
    difficulty.bins(easiness)[order], difficulty.bins(easiness[order])
  )


def test_oracle_and_predicted_average_their_samples_and_state_the_cost():
  rng = np.random.default_rng(3)
  score = rng.random([50, 16])
  oracle = difficulty.oracle(score < 0.5)
  predicted = difficulty.predicted(score, num_bins=2)
  np.testing.assert_allclose(oracle.easiness, (score < 0.5).mean(1))
  np.testing.assert_allclose(predicted.easiness, score.mean(1))
  assert oracle.generations == predicted.generations == 16
  assert set(predicted.bins) == {1, 2}


def test_thresholds_place_questions_not_seen_before():
  found = difficulty.oracle(np.random.default_rng(4).random([50, 64]) < 0.5)
  np.testing.assert_array_equal(
    difficulty.assign(found.easiness, found.thresholds), found.bins
  )
  assert difficulty.assign([2.0, -1.0], found.thresholds).tolist() == [1, 5]


@pytest.mark.parametrize('count', [1, 2, 4])
def test_fewer_questions_than_bins_have_a_bin_each(count):
  easiness = np.arange(count, 0, -1.0)
  assert difficulty.bins(easiness).tolist() == list(range(1, count + 1))
  assert difficulty.bins(np.ones(count)).tolist() == [1] * count


def test_by_bin_is_nan_where_empty():
  means = difficulty.by_bin([1, 0, 1, 1], [1, 1, 3, 3], num_bins=4)
  np.testing.assert_array_equal(means, [0.5, np.nan, 1, np.nan])


def test_what_cannot_be_binned_is_refused():
  with pytest.raises(ValueError, match=r'shape \(0,\) makes no bins'):
    difficulty.bins([])
  with pytest.raises(ValueError, match='question 1 is not finite'):
    difficulty.bins([1.0, np.nan, 0.0], num_bins=2)
  with pytest.raises(ValueError, match='samples'):
    difficulty.oracle([True, False])
