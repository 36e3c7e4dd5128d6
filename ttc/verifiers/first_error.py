"""How well a verifier finds the first wrong step, as ProcessBench measures it.

A verifier says that the first wrong step of a solution is the first one whose
value is below a threshold t, and that the solution is right if none is
(arXiv 2412.06559). So it is right about a solution exactly for the t in one
interval, (value of the wrong step, least value before it], or up to the least
value of all where no step is wrong.

F1 is the harmonic mean of its accuracies on wrong and on right solutions.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ttc.examples.split import held_out

THRESHOLDS = np.arange(1, 100) / 100


class FirstErrors(NamedTuple):
  """What a verifier says of solutions, each at a threshold of other questions.

  Attributes:
    problem: question of each solution, int [S].
    wrong: whether the solution has a wrong step, bool [S].
    found: whether the verifier is right about it, bool [S].
    thresholds: of the two halves of the questions.
  """

  problem: np.ndarray
  wrong: np.ndarray
  found: np.ndarray
  thresholds: tuple[float, float]

  def rows(self, questions: np.ndarray) -> np.ndarray:
    """Found and number of wrong solutions, then of right ones, float [4, Q].

    Args:
      questions: ids, ascending int [Q], all of those judged among them.
    """
    place = np.searchsorted(questions, self.problem)
    count = lambda x: np.bincount(place, x, len(questions))
    wrong, found = self.wrong.astype(float), self.found.astype(float)
    right = 1 - wrong
    return np.stack(
      [count(wrong * found), count(wrong), count(right * found), count(right)]
    )


def judge(
  problem: Sequence[int],
  values: Sequence[Sequence[float]],
  first: Sequence[int],
) -> FirstErrors:
  """Judges solutions, with the threshold that is best on other questions.

  Questions fall into two halves by their id; the threshold of each, from
  THRESHOLDS, has the largest F1 on the other half, the smallest one of equals.

  Args:
    problem: question of each solution.
    values: of its steps, in [0, 1], at least one.
    first: index of its first wrong step; -1 for none.

  Raises:
    ValueError: there is no solution.
  """
  if not len(problem):
    raise ValueError(
      'there is no solution to judge; name a stage or a file with some.'
    )
  bounds = np.array(
    [_bounds(own, wrong) for own, wrong in zip(values, first, strict=True)]
  )
  right = (bounds[:, :1] < THRESHOLDS) & (bounds[:, 1:] >= THRESHOLDS)
  wrong = np.asarray(first) >= 0
  half = np.array([held_out(int(p), 0.5, 0) for p in problem])
  best = []
  for own in (False, True):
    others = half != own
    # All are of one half where there are very few.
    others = others if others.any() else ~others
    scores = f1(_rates(right[others], wrong[others]))
    best.append(int(np.argmax(scores)))
  found = right[np.arange(len(half)), np.where(half, best[1], best[0])]
  thresholds = tuple(float(THRESHOLDS[i]) for i in best)
  return FirstErrors(np.asarray(problem), wrong, found, thresholds)


def f1(rates: np.ndarray) -> np.ndarray:
  """F1 of `FirstErrors.rows`, or of means of them, [..., 4] -> [...].

  It is the accuracy on one kind of solutions where there is none of the other.
  """
  with np.errstate(all='ignore'):
    one = rates[..., 0] / rates[..., 1]
    other = rates[..., 2] / rates[..., 3]
    mean = np.where(one + other > 0, 2 * one * other / (one + other), 0.0)
  return np.where(np.isnan(one), other, np.where(np.isnan(other), one, mean))


def _rates(right: np.ndarray, wrong: np.ndarray) -> np.ndarray:
  """Rows of `f1` at each threshold, [T, 4], of bool [S, T] and [S]."""
  count = lambda who: [right[who].sum(0), np.full(right.shape[1], who.sum())]
  return np.stack([*count(wrong), *count(~wrong)], -1).astype(float)


def _bounds(values: Sequence[float], first: int) -> tuple[float, float]:
  """The thresholds (low, high] at which the verifier is right."""
  if first < 0:
    return -np.inf, min(values)
  return values[first], min(values[:first], default=np.inf)
