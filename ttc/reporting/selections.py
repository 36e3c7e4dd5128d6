"""Selections that a report shows where it is asked for them.

    report.Report.selections = (
        @selections.Pessimistic(), @selections.Likely())

Each chooses among the base model's independent answers, as majority, best-of-N
and best-of-N weighted do, which every report shows (`study.SELECTORS`). A vote
that ends as soon as it is safe is `allocation.baselines.consistency`.
"""

from collections.abc import Sequence
import dataclasses
from typing import Literal, Protocol

import numpy as np

from ttc.analysis import aggregate, curves, names
from ttc.analysis.pools import AnswerPool
from ttc.analysis.study import Study, Table
from ttc.runtime import limits

_RULES = {
  'best': (names.BEST, aggregate.best),
  'weighted': (names.WEIGHTED, aggregate.weighted),
}


class Selection(Protocol):
  """A selector, and the scores that it reads.

  Attributes:
    name: in tables.
  """

  name: str

  def score(self, pool: AnswerPool) -> np.ndarray | None:
    """Returns a score for each answer, float [Q, W]; None if there is none."""

  def select(self, answer, score, rng) -> np.ndarray:
    """Chooses an answer, as an `aggregate.Selector`."""


@dataclasses.dataclass(frozen=True)
class Pessimistic:
  """The mean of the verifier's scores, less of answers that were given seldom.

  Attributes:
    doubt: how much less, see `aggregate.pessimistic`.

  Raises:
    ValueError: the doubt is negative.
  """

  doubt: float = 0.1

  def __post_init__(self):
    limits.real(self, 'doubt', least=0)

  @property
  def name(self) -> str:
    return f'pessimistic, doubt {self.doubt}'

  def score(self, pool: AnswerPool) -> np.ndarray | None:
    return pool.score()

  def select(self, answer, score, rng=None) -> np.ndarray:
    return aggregate.pessimistic(answer, score, rng, self.doubt)


@dataclasses.dataclass(frozen=True)
class Likely:
  """By the mean log-probability of an answer's tokens, without a verifier.

  Attributes:
    rule: 'best' takes the likeliest answer. 'weighted' is a vote, weighted by
      the geometric mean of the tokens' probabilities.

  Raises:
    ValueError: the rule is neither.
  """

  rule: Literal['best', 'weighted'] = 'best'

  def __post_init__(self):
    if self.rule not in _RULES:
      raise ValueError(
        f'Likely.rule={self.rule!r}; choose one of {" and ".join(_RULES)}.'
      )

  @property
  def name(self) -> str:
    return f'{_RULES[self.rule][0]} by likelihood'

  def score(self, pool: AnswerPool) -> np.ndarray | None:
    return pool.likelihood

  def select(self, answer, score, rng=None) -> np.ndarray:
    return _RULES[self.rule][1](answer, score, rng)


@dataclasses.dataclass(frozen=True)
class Certain:
  """By self-certainty, without a verifier (Kang et al. 2025).

  That is how far the proposer's distributions are from uniform ones on average;
  records hold it where `Generation.certainty` asks for it.

  Attributes:
    power: None takes the most certain answer. A number is a Borda vote: of N
      answers the r-th by certainty votes with weight (N - r + 1) ** power.

  Raises:
    ValueError: the power is not above 0.
  """

  power: float | None = None

  def __post_init__(self):
    if self.power is not None:
      limits.real(self, 'power', above=0)

  @property
  def name(self) -> str:
    if self.power is None:
      return f'{names.BEST} by certainty'
    return f'vote by certainty, power {self.power}'

  def score(self, pool: AnswerPool) -> np.ndarray | None:
    return pool.certainty

  def select(self, answer, score, rng=None) -> np.ndarray:
    if self.power is None:
      return aggregate.best(answer, score, rng)
    # The first of equals ranks higher, as it does for `aggregate.best`.
    rank = (-score).argsort(axis=-1, kind='stable').argsort(axis=-1)
    weight = (score.shape[-1] - rank).astype(float) ** self.power
    return aggregate.weighted(answer, weight, rng)


def table(study: Study, asked: Sequence[Selection]) -> Table:
  """Accuracy by selection, at powers of two up to the pool's width.

  Args:
    study: of one seed; {} without independent answers.
    asked: those without scores in the base model's answers are left out.
  """
  pool, found = study.base, {}
  for selection in asked if pool else ():
    score = selection.score(pool)
    if score is not None:
      found[selection.name] = {
        n: study.selected(pool, score, n, selection.name, selection.select)
        for n in curves.powers(pool.width)
      }
  return found
