"""Belief: the probability that the answer we would give now is right.

A logistic regression on what speaks for the answer that a vote weighted by
scores chooses, fitted on questions whose answers are known. Each rung of a
ladder has a belief of its own: a score says more of a greedy answer than of one
that a search has found by that score.
"""

import dataclasses

import numpy as np

from ttc.allocation import regression
from ttc.allocation.evidence import log_odds


@dataclasses.dataclass(frozen=True)
class Belief:
  """See the module.

  Attributes:
    weights: of `Evidence.support`, float [5].
  """

  weights: tuple[float, ...]

  @classmethod
  def fit(cls, support: np.ndarray, right: np.ndarray) -> 'Belief':
    """Fits on questions whose answers are known.

    Args:
      support: `Evidence.support` of each question, float [Q, 5].
      right: whether the chosen answer is right, [Q].
    """
    return cls(tuple(regression.logistic(support, right).tolist()))

  def probability(self, support: np.ndarray) -> np.ndarray:
    """Probability that the chosen answer is right, [...], of [..., 5]."""
    return regression.sigmoid(support @ np.array(self.weights))

  def features(self, support: np.ndarray, promise: np.ndarray) -> np.ndarray:
    """What a decision to go on is made from, float [..., 5].

    The belief p, and 1 - p times 1, the log-odds of the mean score, the largest
    progress and the log-odds of p: more attempts gain nothing where p is 1.

    Args:
      support: `Evidence.support`, float [..., 5].
      promise: `Evidence.promise`, float [..., 3].
    """
    p = self.probability(support)[..., None]
    return np.concatenate(
      [p, (1 - p) * promise, (1 - p) * log_odds(p)], axis=-1
    )
