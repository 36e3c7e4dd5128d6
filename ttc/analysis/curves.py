"""Accuracy against budget from a pool of samples (paper §5.1).

From W rows a question, many random subsets of N rows are drawn and voted on;
their mean estimates what N samples reach, with far less noise than N samples
once. The band of a curve is the spread over those subsets.
"""

from typing import NamedTuple

import numpy as np

from ttc.analysis.aggregate import Selector


class Accuracy(NamedTuple):
  """Expected correctness at one budget.

  Attributes:
    question: float64 [Q], mean over the subsets.
    sd: over subsets, of the accuracy over all questions; 0 where every subset
      is the whole pool.
    flops: float64 [Q], what computing the answer executes; None if unknown.
  """

  question: np.ndarray
  sd: float
  flops: np.ndarray | None = None

  @classmethod
  def of(cls, hits: np.ndarray) -> 'Accuracy':
    """Summarises hits [subsets, Q]."""
    return cls(hits.mean(axis=0), float(hits.mean(axis=1).std()))


def subset_accuracy(
  correct: np.ndarray,
  answer: np.ndarray,
  score: np.ndarray | None,
  n: int,
  select: Selector,
  rng: np.random.Generator,
  subsets: int = 100,
) -> Accuracy:
  """Accuracy of the row selected among n random rows of each question.

  Args:
    correct: bool [Q, W].
    answer: int [Q, W], ids within a question, -1 unparsable.
    score: float [Q, W], or None where `select` votes without.
    n: rows in a subset, at most W.
    select: `aggregate.weighted`, `best` or `majority`.
    rng: draws the subsets, for each question its own, and breaks ties.
    subsets: how many.
  """
  correct, answer = np.asarray(correct, np.float64), np.asarray(answer)
  if not 1 <= n <= correct.shape[1]:
    raise ValueError(
      f'n={n} rows are asked of a pool of {correct.shape[1]}; sample more, '
      'or lower the budget.'
    )
  whole = np.broadcast_to(np.arange(correct.shape[1]), correct.shape)
  hits = np.empty([subsets, len(correct)])
  for hit in hits:
    rows = rng.permuted(whole, axis=1)[:, :n]
    index = select(
      np.take_along_axis(answer, rows, axis=1),
      None if score is None else np.take_along_axis(score, rows, axis=1),
      rng,
    )
    chosen = np.take_along_axis(rows, index[:, None], axis=1)
    hit[:] = np.take_along_axis(correct, chosen, axis=1)[:, 0]
  return Accuracy.of(hits)


def coverage(correct: np.ndarray, n: int) -> np.ndarray:
  """pass@n: P(a right one among n of the W rows), unbiased. float64 [Q].

  1 - C(W - c, n) / C(W, n), where c of a question's W rows are right.
  """
  correct = np.asarray(correct, bool)
  width = correct.shape[1]
  if not 1 <= n <= width:
    raise ValueError(
      f'pass@{n} is asked of a pool of {width} rows; sample more, or lower '
      'the budget.'
    )
  # Each further right row multiplies the chance of missing them all by
  # (W - c - n) / (W - c).
  left = width - np.arange(width)
  missed = np.cumprod(np.maximum(left - n, 0) / left)
  return 1.0 - np.concatenate([[1.0], missed])[correct.sum(axis=1)]
