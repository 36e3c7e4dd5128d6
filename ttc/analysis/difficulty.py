"""Difficulty bins of questions for the base model (paper §3.2).

Easiness is one number per question, higher for easier ones. Bins are quantiles
of easiness; bin 1 is the easiest. Easiness must be estimated from separate
samples: if the samples that set the bins also score the arms, accuracy in hard
bins is low by construction.
"""

import dataclasses

import numpy as np

NUM_BINS = 5  # as in the paper


@dataclasses.dataclass(frozen=True)
class DifficultyBins:
  """Bins of the test questions, and the samples that they took.

  Attributes:
    easiness: estimated easiness, float64 [Q].
    thresholds: least easiness of bins 1, 2, ...; the last bin has none.
    bins: difficulty bin int [Q], from 1, the easiest.
    generations: samples per question used for the estimate. The paper leaves
      them out of every budget.
  """

  easiness: np.ndarray
  thresholds: tuple[float, ...]
  bins: np.ndarray
  generations: int


def oracle(correct, num_bins: int = NUM_BINS) -> DifficultyBins:
  """Bins by pass@1 over the samples, which needs the gold answers.

  Args:
    correct: whether each sample is right, bool [Q, S].
    num_bins: number of bins; fewer questions than that have a bin each.

  Raises:
    ValueError: there are no samples or no questions.
  """
  return _by_mean(correct, num_bins)


def predicted(score, num_bins: int = NUM_BINS) -> DifficultyBins:
  """Bins by the verifier's mean score over the samples.

  Args:
    score: final score of each sample, float [Q, S].
    num_bins: number of bins; fewer questions than that have a bin each.

  Raises:
    ValueError: there are no samples or no questions, or a score is not finite.
  """
  return _by_mean(score, num_bins)


def quantiles(easiness, num_bins: int = NUM_BINS) -> tuple[float, ...]:
  """Thresholds between bins of equal size: the easiness of the last of each.

  All questions as easy as the last one of a bin belong to it, so ties stay
  together and go to the easier bin: that makes the paper's 100, 100, 100, 105,
  95 of 500. With many ties a harder bin can end up empty.

  Args:
    easiness: float [Q].
    num_bins: number of bins.

  Returns:
    num_bins - 1 thresholds, descending, for `assign`; Q - 1 of fewer questions
    than bins, so that each has a bin.

  Raises:
    ValueError: there are no questions, or an easiness is not finite.
  """
  easiness = np.asarray(easiness, np.float64)
  if easiness.ndim != 1 or not len(easiness):
    raise ValueError(
      f'Easiness of shape {easiness.shape} makes no bins; give [Q], Q >= 1.'
    )
  num_bins = min(num_bins, len(easiness))
  if not np.isfinite(easiness).all():
    raise ValueError(
      f'The easiness of question {np.isfinite(easiness).argmin()} is not '
      'finite; every question needs an estimate.'
    )
  # From the easiest to the hardest, each bin ends before `ends`.
  ends = np.arange(1, num_bins) * len(easiness) // num_bins
  return tuple(np.sort(easiness)[::-1][ends - 1].tolist())


def assign(easiness, thresholds: tuple[float, ...]) -> np.ndarray:
  """Bins of questions, which need not be those that set the thresholds.

  Args:
    easiness: float [...].
    thresholds: descending, as `quantiles` returns them.

  Returns:
    int [...], from 1, the easiest.
  """
  # A question goes down a bin for each threshold that it does not reach.
  below = np.asarray(easiness)[..., None] < np.asarray(thresholds)
  return 1 + below.sum(axis=-1)


def bins(easiness, num_bins: int = 5) -> np.ndarray:
  """Quantile bins of the given questions: int [Q], from 1, the easiest."""
  return assign(easiness, quantiles(easiness, num_bins))


def by_bin(values, bins, num_bins: int = 5) -> np.ndarray:
  """Mean of `values` in each bin.

  Args:
    values: float [Q].
    bins: int [Q], from 1.
    num_bins: number of bins.

  Returns:
    float64 [num_bins]; NaN for an empty bin.
  """
  place = np.asarray(bins) - 1
  count = np.bincount(place, minlength=num_bins)
  total = np.bincount(place, np.asarray(values, np.float64), num_bins)
  return np.divide(
    total, count, out=np.full(len(count), np.nan), where=count > 0
  )


def _by_mean(samples, num_bins: int) -> DifficultyBins:
  easiness, generations = _mean(samples)
  thresholds = quantiles(easiness, num_bins)
  return DifficultyBins(
    easiness, thresholds, assign(easiness, thresholds), generations
  )


def _mean(samples) -> tuple[np.ndarray, int]:
  """Mean over samples [Q, S] -> float64 [Q], and their number S."""
  samples = np.asarray(samples, np.float64)
  if samples.ndim != 2 or not samples.shape[1]:
    raise ValueError(
      'Difficulty is estimated from samples [Q, S] with S >= 1, not from an '
      f'array of shape {samples.shape}.'
    )
  return samples.mean(axis=1), samples.shape[1]
