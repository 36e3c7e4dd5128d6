"""Bootstrap estimates, intervals and verdicts from per-question measurements.

Every statistic is a function of means over questions, so one bootstrap serves
all claims: each seed gives K measurements of Q questions, rows [K, Q], and
`statistic` maps their means [..., K] to [...]. Questions are drawn with
replacement, and the same draw is used for all K rows (a paired bootstrap) and
all seeds. With several seeds, seeds are drawn with replacement as well.

An interval of few questions says little: that of one question, or of questions
that all agree, has no width at all. So a claim is decided only if at least
FEWEST questions bear on it.
"""

from collections.abc import Callable, Sequence
import dataclasses
import functools
from typing import Any
import warnings

import numpy as np

Statistic = Callable[[np.ndarray], np.ndarray]

DRAWS = 2000  # bootstrap draws per statistic
LEVEL = 0.95  # share of the draws inside an interval
# Even if all of five questions agree, chance does that in one case of 16, which
# is more than 5 %; with six it is one of 32 (the two-sided sign test).
FEWEST = 6


@dataclasses.dataclass(frozen=True)
class Claim:
  """A statement that the measurements support, contradict or leave open.

  Attributes:
    id: dotted name, stable across runs.
    statement: a plain sentence that is true or false.
    estimate: the statistic at the means over all seeds; None if undefined.
    interval: bounds of the central 95 % of the bootstrap draws; (None, None)
      if undefined.
    holds: True or False where the whole interval and every seed agree;
      None (undecided, or not measurable) otherwise.
    why: why it is not decided; '' where it is.
    unit: unit of the numbers: 'points', 'percent', 'AUC' or 'factor'.
    seeds: the statistic of each seed alone; None where undefined.
  """

  id: str
  statement: str
  estimate: float | None
  interval: tuple[float | None, float | None]
  holds: bool | None
  unit: str
  seeds: tuple[float | None, ...]
  why: str = ''

  @property
  def is_measurable(self) -> bool:
    """Whether there is an estimate at all."""
    return self.estimate is not None

  def to_json(self) -> dict[str, Any]:
    """The claim as a JSON object of summary.json."""
    return {
      **dataclasses.asdict(self),
      'interval': list(self.interval),
      'seeds': list(self.seeds),
    }


def judge(
  id: str,
  statement: str,
  rows: Sequence[np.ndarray],
  statistic: Statistic,
  *,
  above: float = 0.0,
  unit: str = 'points',
  grain: float = 0.0,
  evidence: Sequence[np.ndarray] | None = None,
) -> Claim:
  """Judges the claim that a statistic lies above a threshold.

  Args:
    id, statement, unit: copied into the claim.
    rows: measurements [K, Q], one array per seed.
    statistic: maps means over questions [..., K] to [...].
    above: threshold, in the unit of the statistic.
    grain: resolution of the measurement, which more questions do not improve.
      An estimate closer to `above` than this leaves the claim undecided.
    evidence: for each thing that is compared, whether a question bears on it,
      bool [G, Q], one array per seed. Fewer than FEWEST questions of any of
      them leave the claim undecided. None is all questions.
  """
  estimate, low, high = interval(rows, statistic)
  seeds = [_finite(statistic(r.mean(1))) for r in rows]
  known = [s for s in seeds if s is not None]
  if evidence is None:
    evidence = [np.ones([1, r.shape[1]], bool) for r in rows]
  count = _count(evidence)
  holds, why = None, ''
  if estimate is None:
    why = 'there is nothing to measure it on'
  elif count < FEWEST:
    noun = 'question bears' if count == 1 else 'questions bear'
    why = f'{count or "no"} {noun} on it, and a decision takes {FEWEST}'
  elif low is None or len(known) < len(seeds):
    why = 'there is too little to measure it on'
  elif abs(estimate - above) < grain:
    why = f'it is closer to {above:g} than can be measured'
  elif low > above and min(known) > above:
    holds = True
  elif high < above and max(known) < above:
    holds = False
  elif low <= above <= high:
    why = f'the interval includes {above:g}'
  else:
    why = 'the seeds disagree'
  statement = statement[:1].upper() + statement[1:]
  return Claim(
    id, statement, estimate, (low, high), holds, unit, tuple(seeds), why
  )


def interval(
  rows: Sequence[np.ndarray],
  statistic: Statistic,
  level: float = LEVEL,
) -> tuple[float | None, float | None, float | None]:
  """Estimate, lower and upper bound of a statistic.

  Args:
    rows: measurements [K, Q], one array per seed.
    statistic: maps means over questions [..., K] to [...].
    level: share of the bootstrap draws between the bounds.

  Returns:
    (estimate, low, high). The estimate is None if undefined; the bounds are
    None if the statistic is undefined for the estimate, or in more draws than
    the interval leaves out.
  """
  means = resampled(rows)
  # A draw may hold no question of a small group; its ratio is then 0 / 0.
  with warnings.catch_warnings(), np.errstate(all='ignore'):
    warnings.simplefilter('ignore', RuntimeWarning)
    estimate = statistic(np.mean([r.mean(1) for r in rows], 0))
    draws = np.asarray(statistic(means), np.float64)
  finite = np.isfinite(draws)
  if not np.isfinite(estimate) or finite.mean() < level:
    return _finite(estimate), None, None
  tail = (1 - level) / 2
  low, high = np.quantile(draws[finite], [tail, 1 - tail])
  return float(estimate), float(low), float(high)


def resampled(rows: Sequence[np.ndarray]) -> np.ndarray:
  """Means over resampled questions and seeds, float64 [draws, K].

  Args:
    rows: measurements [K, Q], one array per seed.
  """
  means = np.stack([_counts(r.shape[1]) @ r.T for r in rows])
  # The generators are seeded with sizes only: all statistics see the same
  # draws, and a report that is written again has the same bytes.
  rng = np.random.default_rng(len(rows))
  # Draw i of the result is the mean of as many seeds, drawn with replacement.
  chosen = rng.integers(len(rows), size=(len(rows), DRAWS))
  return means[chosen, np.arange(DRAWS)].mean(0)


@functools.lru_cache(maxsize=4)
def _counts(Q: int) -> np.ndarray:
  """Weight of each of Q questions in each draw, float64 [draws, Q].

  Cached because all claims of a report are about the same few Q.
  """
  rng = np.random.default_rng(Q)
  return rng.multinomial(Q, np.full(Q, 1 / Q), DRAWS) / Q


def ratio(means: np.ndarray) -> np.ndarray:
  """Ratio of two means, [..., 2] -> [...]; NaN where the second is 0.

  With rows x * m and m, for a membership m in {0, 1}, it is the mean of x over
  the members.
  """
  with np.errstate(all='ignore'):
    return np.where(means[..., 1] > 0, means[..., 0] / means[..., 1], np.nan)


def _count(evidence: Sequence[np.ndarray]) -> int:
  """Number of questions that bear on a claim, of the thing with the fewest.

  A question counts once, whether it bears on the claim in one seed or in all:
  seeds share their questions.
  """
  either = np.zeros(np.max([e.shape for e in evidence], 0), bool)
  for e in evidence:
    either[:, : e.shape[1]] |= e
  return int(either.sum(1).min())


def _finite(value) -> float | None:
  """`value` as a JSON number: None for NaN and infinities."""
  return float(value) if np.isfinite(value) else None
