"""Belief: the probability that the answer we would give now is right.

A logistic regression on what speaks for the answer that a vote weighted by
scores chooses, fitted on questions whose answers are known. It calibrates the
verifier, whose scores are too high for an answer that is the best of many.
"""

from collections.abc import Mapping, Sequence
import dataclasses
from typing import Any

import numpy as np

from ttc.allocation import regression
from ttc.allocation.evidence import Evidence, log_odds


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
      support: `Evidence.support` of each state that a decision may be made in,
        float [n, 5].
      right: whether the chosen answer is right, [n].
    """
    return cls(tuple(regression.logistic(support, right).tolist()))

  def probability(self, support: np.ndarray) -> np.ndarray:
    """Probability that the chosen answer is right, [...], of [..., 5]."""
    return regression.sigmoid(support @ np.array(self.weights))

  def features(self, evidence: Sequence[Evidence]) -> np.ndarray:
    """What a decision to go on is made from, float [Q, 5]; see `combine`."""
    return self.combine(
      np.stack([e.support for e in evidence]),
      np.stack([e.promise for e in evidence]),
    )

  def combine(self, support: np.ndarray, promise: np.ndarray) -> np.ndarray:
    """The features of a decision, float [..., 5].

    The belief p, and 1 - p times 1, the log-odds of the mean score, the largest
    progress and the log-odds of p: more attempts gain nothing where p is 1.
    """
    p = self.probability(support)[..., None]
    return np.concatenate(
      [p, (1 - p) * promise, (1 - p) * log_odds(p)], axis=-1
    )

  def to_json(self) -> dict[str, Any]:
    """As plain JSON."""
    return {'weights': list(self.weights)}

  @classmethod
  def from_json(cls, tree: Mapping[str, Any]) -> 'Belief':
    """Inverse of `to_json`."""
    return cls(tuple(tree['weights']))
