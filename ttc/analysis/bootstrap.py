"""Bootstrap estimates, intervals and verdicts from per-question measurements.

Every statistic is a function of means over questions, so one bootstrap serves
all claims: each seed gives K measurements of Q questions, and `statistic` maps
their means [..., K] to [...]. Questions are drawn with replacement, and the
same draw is used for all measurements (a paired bootstrap) and all seeds. With
several seeds, seeds are drawn with replacement as well: too narrow where they
differ most, 95 % are then 86 with five. Verdicts ask all of them to agree.

A measurement is an array [Q], or `Refitted` where it depends on a choice that
the questions made: that choice is made again in every draw.

Quantiles of the draws are too narrow where few questions bear on a claim, by
what Student's t is wider than the normal distribution. So the bounds are taken
as far out in the tails as t demands: with 7 questions of which 6 agree, the
plain quantiles decide, and chance does that in one case of eight.
"""

from collections.abc import Callable, Sequence
import functools
import math
from typing import NamedTuple
import warnings

import numpy as np

from ttc.analysis import student

DRAWS = 2000  # bootstrap draws per statistic
# Of those with choices made again: each is a cross-validation, and a bound of
# 500 draws is off by a twentieth of the interval.
REFITS = 500
LEVEL = 0.95  # share of the draws inside an interval
_CHOICE = math.sqrt(2 / 3)  # see `refitted`
# With fewer draws beyond a threshold their tail is taken as normal.
_COUNTABLE = 10


class Refitted(NamedTuple):
  """A measurement whose choices are made again in every draw of questions.

  Attributes:
    question: the measurement of each question, float [Q].
    draws: its mean over the questions of each draw, float [REFITS].
  """

  question: np.ndarray
  draws: np.ndarray


class Drawn(NamedTuple):
  """A statistic, and its bootstrap.

  Attributes:
    estimate: the statistic of all questions; None if undefined.
    draws: that of each draw, float [draws], NaN where undefined; [] without an
      estimate.
  """

  estimate: float | None
  draws: np.ndarray

  def bounds(
    self, level: float, count: int
  ) -> tuple[float, float] | tuple[None, None]:
    """Bounds of the interval for so many questions, the estimate within.

    None if the statistic is undefined for the estimate, or in more draws than
    the interval leaves out.
    """
    defined = np.isfinite(self.draws)
    if self.estimate is None or defined.mean() < level:
      return None, None
    far = student.quantile((1 + level) / 2, _freedom(count)) * _widening(count)
    tail = student.NORMAL.cdf(-far)
    low, high = np.quantile(self.draws[defined], [tail, 1 - tail])
    # Where a choice seldom changes, nearly all draws may be on one side.
    return min(float(low), self.estimate), max(float(high), self.estimate)

  def p_value(self, above: float, count: int) -> float:
    """Two-sided p-value of a threshold: the level whose interval ends at it."""
    draws = self.draws[np.isfinite(self.draws)]
    side = np.sign(self.estimate - above)
    beyond = (side * (draws - above) <= 0).sum()
    if beyond >= _COUNTABLE:
      far = -student.NORMAL.inv_cdf(min(beyond / len(draws), 0.5))
    else:
      spread = draws.std()
      far = abs(self.estimate - above) / spread if spread else math.inf
      # Draws of a ratio may spread far on the other side: then the count of
      # those beyond, as if there were one more, says more.
      counted = (beyond + 1) / (len(draws) + 1)
      far = max(far, -student.NORMAL.inv_cdf(min(counted, 0.5)))
    p = 2 * student.cdf(-far / _widening(count), _freedom(count))
    # All questions agree by chance in one of 2 ** (count - 1) cases.
    return max(p, 2.0 ** (1 - max(count, 1)))


Measurement = np.ndarray | Refitted
Rows = np.ndarray | Sequence[Measurement]  # [K, Q], or K of [Q]
Statistic = Callable[[np.ndarray], np.ndarray]


def interval(
  rows: Sequence[Rows],
  statistic: Statistic,
  level: float = LEVEL,
) -> tuple[float | None, float | None, float | None]:
  """Estimate, lower and upper bound of a statistic.

  Args:
    rows: K measurements of Q questions per seed.
    statistic: maps means over questions [..., K] to [...].
    level: share of the bootstrap draws between the bounds.

  Returns:
    (estimate, low, high); None as in `Drawn`.
  """
  found = drawn(rows, statistic)
  return found.estimate, *found.bounds(level, size(rows))


def refitted(
  question: np.ndarray, measure: Callable[[np.ndarray], np.ndarray]
) -> Refitted:
  """Repeats a choice in REFITS draws of the questions that made it.

  A draw adds its own noise to that of the sample, so the choice contributes too
  much to the spread of the draws, up to twice its variance where all arms are
  equal. Two thirds of it are kept: on synthetic populations 95 % intervals then
  cover 94 % where the choice matters and 98 % where it does not; with all of it
  96 to 99 %, and without the choice 55 to 75 %. A draw also has fewer distinct
  questions to choose by; the shift of the mean that this brings is no
  uncertainty, and taken out.

  Args:
    question: the measurement of each question, float [Q], by the choice that
      all questions made.
    measure: the mean over questions of the measurement, chosen anew, for counts
      of the questions: [draws, Q] -> [draws].
  """
  counts = _counts(len(question))[:REFITS]
  kept = counts @ question / len(question)
  chosen = measure(counts) - kept
  return Refitted(question, kept + (chosen - chosen.mean()) * _CHOICE)


def resampled(rows: Sequence[Rows]) -> np.ndarray:
  """Means over resampled questions and seeds, float64 [draws, K].

  Args:
    rows: K measurements of Q questions per seed.
  """
  by_seed = [_resampled(r) for r in rows]
  # A refitted measurement has fewer draws than the others.
  draws = min(map(len, by_seed))
  means = np.stack([m[:draws] for m in by_seed])
  # The generators are seeded with sizes only: all statistics see the same
  # draws, and a report that is written again has the same bytes.
  rng = np.random.default_rng(len(rows))
  # Draw i of the result is the mean of as many seeds, drawn with replacement.
  chosen = rng.integers(len(rows), size=(len(rows), DRAWS))[:, :draws]
  return means[chosen, np.arange(draws)].mean(0)


def questions(measurement: Measurement) -> np.ndarray:
  """The measurement of each question, float [Q]."""
  known = isinstance(measurement, Refitted)
  return measurement.question if known else measurement


def ratio(means: np.ndarray) -> np.ndarray:
  """Ratio of two means, [..., 2] -> [...]; NaN where the second is 0.

  With rows x * m and m, for a membership m in {0, 1}, it is the mean of x over
  the members.
  """
  with np.errstate(all='ignore'):
    return np.where(means[..., 1] > 0, means[..., 0] / means[..., 1], np.nan)


def means(rows: Rows) -> np.ndarray:
  """Means over the questions as they are, float64 [K], of one seed."""
  return np.array([questions(m).mean() for m in rows])


def size(rows: Sequence[Rows]) -> int:
  """Number of questions of the seed that has fewest."""
  return min(len(questions(r[0])) for r in rows)


def has_choice(rows: Sequence[Rows]) -> bool:
  """Whether any measurement is Refitted."""
  return any(isinstance(m, Refitted) for r in rows for m in r)


def drawn(rows: Sequence[Rows], statistic: Statistic) -> Drawn:
  """The statistic of the questions as they are, and of every draw."""
  # A draw may hold no question of a small group; its ratio is then 0 / 0.
  with warnings.catch_warnings(), np.errstate(all='ignore'):
    warnings.simplefilter('ignore', RuntimeWarning)
    estimate = finite(statistic(np.mean([means(r) for r in rows], 0)))
    if estimate is None:
      return Drawn(None, np.empty(0))
    draws = np.asarray(statistic(resampled(rows)), np.float64)
    return Drawn(estimate, draws)


def each(
  rows: Sequence[Rows], members: Sequence[np.ndarray] | None = None
) -> list[Drawn]:
  """The mean of each of K measurements, all of the same draws.

  Args:
    rows: K measurements of Q questions per seed.
    members: questions to average each over, bool [K, Q] per seed; None is all.
      Among members, choices are not made again.
  """
  if members is not None:
    rows = [
      np.concatenate([own * [questions(m) for m in r], own])
      for r, own in zip(rows, members, strict=True)
    ]
  estimates, draws = np.mean([means(r) for r in rows], 0), resampled(rows)
  if members is not None:
    with np.errstate(all='ignore'):
      estimates, draws = (
        np.divide(*np.split(x, 2, axis=-1)) for x in (estimates, draws)
      )
  return [Drawn(finite(e), d) for e, d in zip(estimates, draws.T, strict=True)]


def finite(value) -> float | None:
  """`value` as a JSON number: None for NaN and infinities."""
  return float(value) if np.isfinite(value) else None


def _resampled(rows: Rows) -> np.ndarray:
  """Means over the questions of each draw, float64 [draws, K], of one seed."""
  if isinstance(rows, np.ndarray):
    return _counts(rows.shape[1]) @ rows.T / rows.shape[1]
  columns = [
    m.draws if isinstance(m, Refitted) else _counts(len(m)) @ m / len(m)
    for m in rows
  ]
  draws = min(map(len, columns))
  return np.stack([c[:draws] for c in columns], -1)


def _freedom(count: int) -> int:
  """Degrees of freedom of so many questions."""
  return max(count - 1, 1)


def _widening(count: int) -> float:
  """The spread of draws is that of n - 1 of n parts of the variance."""
  return math.sqrt(1 + 1 / _freedom(count))


@functools.lru_cache(maxsize=4)
def _counts(Q: int) -> np.ndarray:
  """How often each of Q questions is in each draw, float64 [draws, Q].

  Cached because all claims of a report are about the same few Q.
  """
  rng = np.random.default_rng(Q)
  return rng.multinomial(Q, np.full(Q, 1 / Q), DRAWS).astype(np.float64)
