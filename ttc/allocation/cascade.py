"""A cascade: a ladder of actions, climbed while going on is worth its price.

    greedy      -> beam N=4 -> beam N=16 -> best-of-N N=64
    stop here,  or go on: is  P(right later) - P(right now)  above
                              price * FLOPs of going on?

Going on means to take the next rung and then to do what is best, so the rules
are made from the last rung backwards, each on the outcomes that the later rules
give (least-squares Monte Carlo, Longstaff and Schwartz 2001). A question stops
as safe, because nothing is left to gain, and as hopeless, because nothing is to
be gained, by the same rule.

A rule is two linear regressions on the features of the rung's belief: the
accuracy that going on gains, and the FLOPs that it takes.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import math
from typing import Any, NamedTuple

import numpy as np

from ttc.allocation import regression
from ttc.allocation.belief import Belief
from ttc.allocation.evidence import Evidence

_RIDGE = 1.0


class Rule(NamedTuple):
  """What going on from one rung is expected to bring.

  Attributes:
    gain: weights [F - 1] of the features but the first: the rise in accuracy.
    flops: weights [F].
  """

  gain: np.ndarray
  flops: np.ndarray

  def expect(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Expected gain and FLOPs, each [...], of features [..., F]."""
    return features[..., 1:] @ self.gain, np.maximum(features @ self.flops, 0.0)

  def continues(self, features: np.ndarray, price: float) -> np.ndarray:
    """Whether going on is worth its price, bool [...]."""
    gain, flops = self.expect(features)
    return gain > price * flops


class Climb(NamedTuple):
  """Questions on all rungs of a ladder of J rungs, as if none had stopped.

  Attributes:
    support: `Evidence.support` once rung j is done, float [J, Q, 5].
    promise: `Evidence.promise` then, float [J, Q, 3].
    right: whether the answer chosen then is right, float [J, Q].
    flops: FLOPs of rung j alone, float [J, Q].
  """

  support: np.ndarray
  promise: np.ndarray
  right: np.ndarray
  flops: np.ndarray

  def at(self, questions: np.ndarray) -> 'Climb':
    """Some of the questions; bool or int [Q']."""
    return Climb(*(x[:, questions] for x in self))


class Outcome(NamedTuple):
  """What a cascade did with questions.

  Attributes:
    rung: the last rung of each, int [Q].
    right: float [Q].
    flops: float [Q].
  """

  rung: np.ndarray
  right: np.ndarray
  flops: np.ndarray


@dataclasses.dataclass(frozen=True)
class Cascade:
  """A ladder and the rules to climb it at one price.

  Attributes:
    ladder: names of the actions; the first is always taken.
    price: accuracy per FLOP below which a question stops.
    beliefs: one per rung.
    rules: one per rung but the last.
    accuracy: mean accuracy on questions that did not fit the rules.
    flops: mean FLOPs on these questions.
  """

  ladder: tuple[str, ...]
  price: float
  beliefs: tuple[Belief, ...]
  rules: tuple[Rule, ...]
  accuracy: float = math.nan
  flops: float = math.nan

  @classmethod
  def fit(
    cls, ladder: Sequence[str], climb: Climb, prices: Sequence[float]
  ) -> 'list[Cascade]':
    """Fits a cascade at each price; they share their beliefs."""
    beliefs = tuple(map(Belief.fit, climb.support, climb.right))
    features = _features(beliefs, climb)
    return [
      cls(tuple(ladder), price, beliefs, _rules(features, climb, price))
      for price in prices
    ]

  def run(self, climb: Climb) -> Outcome:
    """What the rules would have done with recorded questions."""
    going = np.ones(climb.right.shape[1], bool)
    rung = np.zeros(len(going), int)
    flops = climb.flops[0].copy()
    features = _features(self.beliefs, climb)
    for j, rule in enumerate(self.rules):
      going = going & rule.continues(features[j], self.price)
      rung += going
      flops += going * climb.flops[j + 1]
    return Outcome(rung, climb.right[rung, np.arange(len(rung))], flops)

  def features(self, rung: int, evidence: Sequence[Evidence]) -> np.ndarray:
    """Features of questions on a rung, float [Q, F]."""
    return self.beliefs[rung].features(
      np.stack([e.support for e in evidence]),
      np.stack([e.promise for e in evidence]),
    )

  def remaining(self, rung: int, features: np.ndarray) -> np.ndarray:
    """Expected FLOPs still to be spent by questions on a rung, float [Q]."""
    if rung == len(self.rules):
      return np.zeros(len(features))
    _, flops = self.rules[rung].expect(features)
    return flops * self.rules[rung].continues(features, self.price)

  def to_json(self) -> dict[str, Any]:
    """As plain JSON."""
    return {
      'ladder': list(self.ladder),
      'price': self.price,
      'beliefs': [list(belief.weights) for belief in self.beliefs],
      'rules': [
        {'gain': rule.gain.tolist(), 'flops': rule.flops.tolist()}
        for rule in self.rules
      ],
      'accuracy': self.accuracy,
      'flops': self.flops,
    }

  @classmethod
  def from_json(cls, tree: Mapping[str, Any]) -> 'Cascade':
    """Inverse of `to_json`."""
    rules = tuple(
      Rule(np.array(rule['gain']), np.array(rule['flops']))
      for rule in tree['rules']
    )
    return cls(
      tuple(tree['ladder']),
      tree['price'],
      tuple(Belief(tuple(weights)) for weights in tree['beliefs']),
      rules,
      tree['accuracy'],
      tree['flops'],
    )


def _features(beliefs: Sequence[Belief], climb: Climb) -> list[np.ndarray]:
  """Features of the questions on each rung, float [Q, F] each."""
  return [
    belief.features(support, promise)
    for belief, support, promise in zip(
      beliefs, climb.support, climb.promise, strict=True
    )
  ]


def _rules(
  features: Sequence[np.ndarray], climb: Climb, price: float
) -> tuple[Rule, ...]:
  """The rules at a price, made from the last rung backwards."""
  right, flops = climb.right[-1], climb.flops[-1]  # of going on
  rules = []
  for rung in reversed(range(len(features) - 1)):
    own, now = features[rung], climb.right[rung]
    rule = Rule(
      regression.linear(own[:, 1:], right - now, _RIDGE),
      regression.linear(own, flops, _RIDGE),
    )
    rules.insert(0, rule)
    goes_on = rule.continues(own, price)
    right = np.where(goes_on, right, now)
    flops = np.where(goes_on, flops, 0.0) + climb.flops[rung]
  return tuple(rules)
