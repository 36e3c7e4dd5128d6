"""From per-question measurements to an estimate, an interval, a verdict.

A statistic is a function of means over questions, so one bootstrap serves
them all: rows [K, Q] a seed, `statistic` maps [..., K] means to [...].
Questions are drawn with replacement, the same ones for every row (paired) and
for every seed; over several seeds, seeds are drawn with replacement as well.
"""

from collections.abc import Callable, Sequence
import dataclasses
import functools
from typing import Any
import warnings

import numpy as np

Statistic = Callable[[np.ndarray], np.ndarray]

DRAWS = 2000
LEVEL = 0.95


@dataclasses.dataclass(frozen=True)
class Claim:
  """A statement that the measurements support, contradict or leave open.

  Attributes:
    id: dotted name, stable over runs.
    statement: a plain sentence that is true or false.
    estimate: the quantity it is about; None if it could not be computed.
    interval: where 95 % of the bootstrap lies.
    holds: True or False where the whole interval and every seed agree;
      None otherwise.
    unit: of estimate and interval: 'points', 'percent', 'AUC', 'factor'.
    seeds: the estimate of each seed.
  """

  id: str
  statement: str
  estimate: float | None
  interval: tuple[float | None, float | None]
  holds: bool | None
  unit: str
  seeds: tuple[float | None, ...]

  def to_json(self) -> dict[str, Any]:
    """As it stands in summary.json."""
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
) -> Claim:
  """Judges the claim that a statistic lies above a number.

  Args:
    id, statement, unit: go into the claim.
    rows: [K, Q] for each seed.
    statistic: [..., K] means over questions to [...].
    above: the claim holds where the statistic is larger than this.
    grain: what the measurement cannot resolve whatever the questions: an
      estimate closer to `above` decides nothing.
  """
  estimate, low, high = interval(rows, statistic)
  seeds = [_finite(statistic(r.mean(1))) for r in rows]
  known = [s for s in seeds if s is not None]
  holds = None
  decidable = low is not None and abs(estimate - above) >= grain
  if decidable and len(known) == len(seeds):
    if low > above and min(known) > above:
      holds = True
    elif high < above and max(known) < above:
      holds = False
  statement = statement[:1].upper() + statement[1:]
  return Claim(id, statement, estimate, (low, high), holds, unit, tuple(seeds))


def interval(
  rows: Sequence[np.ndarray],
  statistic: Statistic,
  level: float = LEVEL,
) -> tuple[float | None, float | None, float | None]:
  """Estimate, low and high of a statistic; None where it is undefined.

  Bounds are None when the statistic is undefined in more draws than the
  interval leaves out.
  """
  means = resampled(rows)
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
  """Means over resampled questions and seeds [draws, K]; always the same."""
  means = np.stack([_counts(r.shape[1]) @ r.T for r in rows])
  rng = np.random.default_rng(len(rows))
  chosen = rng.integers(len(rows), size=(len(rows), DRAWS))
  return means[chosen, np.arange(DRAWS)].mean(0)


@functools.lru_cache(maxsize=4)
def _counts(Q: int) -> np.ndarray:
  """Share of each draw that is each of Q questions [draws, Q]."""
  rng = np.random.default_rng(Q)
  return rng.multinomial(Q, np.full(Q, 1 / Q), DRAWS) / Q


def ratio(means: np.ndarray) -> np.ndarray:
  """First row over second; undefined where the second is 0."""
  with np.errstate(all='ignore'):
    return np.where(means[..., 1] > 0, means[..., 0] / means[..., 1], np.nan)


def _finite(value) -> float | None:
  return float(value) if np.isfinite(value) else None
