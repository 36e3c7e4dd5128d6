"""Subsets and coverage against the enumeration of all subsets."""

import itertools

import numpy as np
import pytest

from ttc.analysis import aggregate, curves


def _pool(rng, questions, width):
  answer = rng.integers(-1, 3, [questions, width])
  return answer == 1, answer, rng.random([questions, width])


@pytest.mark.parametrize('select', [aggregate.weighted, aggregate.best])
@pytest.mark.parametrize('n', [1, 2, 3, 5])
def test_mean_over_subsets_is_that_of_all_subsets(select, n):
  rng = np.random.default_rng(0)
  correct, answer, score = _pool(rng, 20, 5)
  every = [list(rows) for rows in itertools.combinations(range(5), n)]
  chosen = [
    np.take_along_axis(
      correct[:, rows], select(answer[:, rows], score[:, rows])[:, None], axis=1
    )[:, 0]
    for rows in every
  ]
  found = curves.subset_accuracy(
    correct, answer, score, n, select, rng, subsets=4000
  )
  np.testing.assert_allclose(found.question, np.mean(chosen, axis=0), atol=0.04)


def test_one_row_is_pass_at_1_whatever_selects():
  rng = np.random.default_rng(1)
  correct, answer, score = _pool(rng, 30, 8)
  for select in (aggregate.weighted, aggregate.best, aggregate.majority):
    found = curves.subset_accuracy(
      correct, answer, score, 1, select, rng, subsets=2000
    )
    np.testing.assert_allclose(found.question, correct.mean(1), atol=0.06)


def test_the_band_is_that_of_independent_questions():
  rng = np.random.default_rng(2)
  correct = rng.random([200, 64]) < 0.3
  answer = correct.astype(int)
  found = curves.subset_accuracy(
    correct, answer, None, 1, aggregate.majority, rng, subsets=1000
  )
  p = correct.mean(1)
  assert found.sd == pytest.approx(np.sqrt((p * (1 - p)).sum()) / 200, rel=0.1)


def test_the_whole_pool_has_no_band():
  rng = np.random.default_rng(3)
  correct, answer, score = _pool(rng, 30, 8)
  found = curves.subset_accuracy(
    correct, answer, score, 8, aggregate.weighted, rng, subsets=5
  )
  index = aggregate.weighted(answer, score)
  assert found.sd == 0
  np.testing.assert_array_equal(found.question, correct[np.arange(30), index])


def test_a_perfect_verifier_reaches_coverage():
  rng = np.random.default_rng(4)
  correct = rng.random([40, 12]) < 0.2
  for n in (1, 4, 12):
    found = curves.subset_accuracy(
      correct,
      correct.astype(int),
      correct.astype(float),
      n,
      aggregate.weighted,
      rng,
      subsets=2000,
    )
    np.testing.assert_allclose(
      found.question, curves.coverage(correct, n), atol=0.05
    )


def test_the_order_of_rows_does_not_matter():
  rng = np.random.default_rng(5)
  correct, answer, score = _pool(rng, 300, 6)
  order = rng.permutation(6)
  one, other = (
    curves.subset_accuracy(
      c, a, s, 3, aggregate.weighted, np.random.default_rng(6), subsets=500
    ).question
    for c, a, s in (
      (correct, answer, score),
      (correct[:, order], answer[:, order], score[:, order]),
    )
  )
  assert np.abs(one - other).max() < 0.15
  assert one.mean() == pytest.approx(other.mean(), abs=0.01)


@pytest.mark.parametrize('width', [1, 2, 7])
def test_coverage_counts_the_subsets_with_a_right_row(width):
  correct = np.array(list(itertools.product([False, True], repeat=width)))
  for n in range(1, width + 1):
    every = list(itertools.combinations(range(width), n))
    expected = np.mean([correct[:, rows].any(1) for rows in every], axis=0)
    np.testing.assert_allclose(
      curves.coverage(correct, n), expected, atol=1e-12
    )


def test_coverage_grows_with_n():
  correct = np.random.default_rng(7).random([50, 256]) < 0.05
  table = [curves.coverage(correct, n) for n in range(1, 257)]
  assert (np.diff(table, axis=0) >= 0).all()
  np.testing.assert_allclose(table[0], correct.mean(1))
  np.testing.assert_array_equal(table[-1], correct.any(1))


@pytest.mark.parametrize('n', [0, 4])
def test_more_rows_than_the_pool_has_are_refused(n):
  correct, answer, score = _pool(np.random.default_rng(8), 2, 3)
  with pytest.raises(ValueError, match='pool of 3'):
    curves.subset_accuracy(
      correct, answer, score, n, aggregate.weighted, np.random.default_rng(0)
    )
  with pytest.raises(ValueError, match='pool of 3'):
    curves.coverage(correct, n)
