"""How hard a question is for the base model (paper §3.2).

Easiness is a number a question, higher for easier; bins are its quantiles, 1
the easiest. Easiness must come from samples of its own: where the rows that
set the bins also score the arms, hard bins are low by construction.
"""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class DifficultyBins:
  """Bins of the test questions, and what they cost.

  Attributes:
    easiness: float64 [Q].
    thresholds: the least easiness of bins 1, 2, …; all but the last bin's.
    bins: int [Q], from 1, the easiest.
    generations: samples a question that the estimate took. The paper leaves
      them out of every budget.
  """

  easiness: np.ndarray
  thresholds: tuple[float, ...]
  bins: np.ndarray
  generations: int


def oracle(correct, num_bins: int = 5) -> DifficultyBins:
  """By pass@1 over the samples. correct: bool [Q, S]."""
  return _by_mean(correct, num_bins)


def predicted(score, num_bins: int = 5) -> DifficultyBins:
  """By the verifier's mean final score over the samples. score: [Q, S]."""
  return _by_mean(score, num_bins)


def quantiles(easiness, num_bins: int = 5) -> tuple[float, ...]:
  """Thresholds between equal bins: the easiness of the last of each.

  All questions as easy as the last one of a bin belong to it, so ties stay
  together and go to the easier bin: that makes the paper's 100, 100, 100, 105,
  95 of 500. With many ties a harder bin can end up empty.
  """
  easiness = np.asarray(easiness, np.float64)
  if easiness.ndim != 1 or len(easiness) < num_bins:
    raise ValueError(
      f'Easiness of shape {easiness.shape} does not fill {num_bins} bins; '
      'give [Q] with Q >= num_bins, or ask for fewer bins.'
    )
  if not np.isfinite(easiness).all():
    raise ValueError(
      f'The easiness of question {np.isfinite(easiness).argmin()} is not '
      'finite; every question needs an estimate.'
    )
  ends = np.arange(1, num_bins) * len(easiness) // num_bins
  return tuple(np.sort(easiness)[::-1][ends - 1].tolist())


def assign(easiness, thresholds: tuple[float, ...]) -> np.ndarray:
  """The bin of each easiness, also of questions not seen before. int [Q]."""
  below = np.asarray(easiness)[..., None] < np.asarray(thresholds)
  return 1 + below.sum(axis=-1)


def bins(easiness, num_bins: int = 5) -> np.ndarray:
  """Quantile bins of the questions themselves: 1 is the easiest. int [Q]."""
  return assign(easiness, quantiles(easiness, num_bins))


def by_bin(values, bins, num_bins: int = 5) -> np.ndarray:
  """Mean of values [Q] in each bin; NaN where it is empty. [num_bins]."""
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
  samples = np.asarray(samples, np.float64)
  if samples.ndim != 2 or not samples.shape[1]:
    raise ValueError(
      f'DifficultyBins is estimated from samples [Q, S] with S >= 1, not from '
      f'an array of shape {samples.shape}.'
    )
  return samples.mean(axis=1), samples.shape[1]
