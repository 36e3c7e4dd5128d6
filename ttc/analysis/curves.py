"""Accuracy against budget from a pool of samples (paper §5.1).

Of the W answers to each question many random subsets of N are drawn, and one
answer of each is selected. Their mean estimates the accuracy of N samples with
far less noise than a single set of N samples. The band of a curve is the
spread over those subsets.
"""

from typing import NamedTuple

import numpy as np

from ttc.analysis.aggregate import Selector


class Accuracy(NamedTuple):
  """Expected accuracy at one budget.

  Attributes:
    question: accuracy of each question, float64 [Q], mean over the subsets.
    sd: standard deviation over subsets of the accuracy over all questions; 0
      where every subset is the whole pool.
    flops: executed FLOPs of answering each question, float64 [Q]; None if
      unknown.
  """

  question: np.ndarray
  sd: float
  flops: np.ndarray | None = None

  @classmethod
  def of(cls, hits: np.ndarray) -> 'Accuracy':
    """Mean and spread of hits, float64 [subsets, Q] in {0, 1}."""
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
  """Accuracy of the answer selected among n random ones of each question.

  Args:
    correct: whether each answer is right, bool [Q, W].
    answer: answer ids within a question, int [Q, W]; -1 is unparsable.
    score: scores float [Q, W], or None if `select` needs none.
    n: answers per subset, at most W.
    select: `aggregate.weighted`, `best` or `majority`.
    rng: draws subsets, independently for each question, and breaks ties.
    subsets: number of subsets.

  Raises:
    ValueError: n is not in 1..W.
  """
  correct, answer = np.asarray(correct, np.float64), np.asarray(answer)
  if not 1 <= n <= correct.shape[1]:
    raise ValueError(
      f'n={n} answers do not fit a pool of {correct.shape[1]}; sample more, '
      'or lower the budget.'
    )
  whole = np.broadcast_to(np.arange(correct.shape[1]), correct.shape)
  hits = np.empty([subsets, len(correct)])
  for hit in hits:
    # The head of a permutation is a draw without replacement.
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
  """pass@n: the chance of a right answer among n of the W, unbiased.

  1 - C(W - c, n) / C(W, n) for a question with c right answers (Chen et al.
  2021, arXiv 2107.03374).

  Args:
    correct: whether each answer is right, bool [Q, W].
    n: number of answers, at most W.

  Returns:
    float64 [Q].

  Raises:
    ValueError: n is not in 1..W.
  """
  correct = np.asarray(correct, bool)
  width = correct.shape[1]
  if not 1 <= n <= width:
    raise ValueError(
      f'pass@{n} does not fit a pool of {width} answers; sample more, or lower '
      'the budget.'
    )
  # The binomials overflow for large W. Each further right answer multiplies the
  # chance of drawing none of them by (W - c - n) / (W - c).
  left = width - np.arange(width)
  missed = np.cumprod(np.maximum(left - n, 0) / left)
  return 1.0 - np.concatenate([[1.0], missed])[correct.sum(axis=1)]


def powers(top: int) -> list[int]:
  """1, 2, 4, ... up to `top`, and `top` itself."""
  return sorted({2**e for e in range(top.bit_length())} | {top})
