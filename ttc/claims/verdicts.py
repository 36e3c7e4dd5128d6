"""Claims, judged one by one and then together.

A claim holds, or does not, if the whole interval and every seed agree, enough
questions bear on it, and it still stands among all claims of the report. An
interval of questions that all agree has no width at all, so a decision takes at
least FEWEST of them.

A report judges a hundred claims and more, so some intervals miss by chance.
`corrected` holds the share of wrong ones among those decided below 5 %
(Benjamini and Hochberg 1995), whatever their number. Not Holm, who makes even
one wrong claim in the whole report improbable: a report is read as many
findings and not as a single one, and a third of them would fall. Claims about
the same answers rise and fall together, for which the procedure is valid.
"""

from collections.abc import Mapping, Sequence
import dataclasses
from typing import Any, Literal

import numpy as np

from ttc.analysis import bootstrap
from ttc.analysis.bootstrap import Rows, Statistic

# Even if all of five questions agree, chance does that in one case of 16, which
# is more than 5 %; with six it is one of 32 (the two-sided sign test).
FEWEST = 6

Verdict = Literal['holds', 'does not hold', 'undecided', 'not measurable']


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
    p: two-sided p-value of the threshold; None if there is no interval.
    adjusted: the p-value among all claims, see `corrected`; None before.
    bearing: number of questions that bear on it; None where unknown.
  """

  id: str
  statement: str
  estimate: float | None
  interval: tuple[float | None, float | None]
  holds: bool | None
  unit: str
  seeds: tuple[float | None, ...]
  why: str = ''
  p: float | None = None
  adjusted: float | None = None
  bearing: int | None = None

  @property
  def is_measurable(self) -> bool:
    """Whether there is an estimate at all."""
    return self.estimate is not None

  @property
  def verdict(self) -> Verdict:
    """`holds` in words.

    A claim that no result of this many questions could decide, such as one
    about an empty bin, is not measurable, which is no doubt about it.
    """
    few = self.bearing is not None and self.bearing < FEWEST
    if not self.is_measurable or (few and self.holds is None):
      return 'not measurable'
    return {True: 'holds', False: 'does not hold', None: 'undecided'}[
      self.holds
    ]

  def to_json(self) -> dict[str, Any]:
    """The claim as a JSON object of summary.json."""
    return {
      **dataclasses.asdict(self),
      'verdict': self.verdict,
      'interval': list(self.interval),
      'seeds': list(self.seeds),
    }

  @classmethod
  def from_json(cls, tree: Mapping[str, Any]) -> 'Claim':
    """Inverse of `to_json`, also of what was written as JSON text."""
    fields = {f.name: tree[f.name] for f in dataclasses.fields(cls)}
    whole = {name: tuple(fields[name]) for name in ('interval', 'seeds')}
    return cls(**{**fields, **whole})


def judge(
  id: str,
  statement: str,
  rows: Sequence[Rows],
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
    rows: K measurements of Q questions per seed.
    statistic: maps means over questions [..., K] to [...].
    above: threshold, in the unit of the statistic.
    grain: resolution of the measurement, which more questions do not improve.
      An estimate closer to `above` than this leaves the claim undecided.
    evidence: for each thing that is compared, how much a question bears on it,
      bool or float [G, Q], one array per seed. Fewer than FEWEST questions of
      any of them leave the claim undecided. None is all questions.
  """
  count = bootstrap.size(rows) if evidence is None else bearing_on(evidence)
  # Where a choice is made again, any question may come to bear on the claim.
  varying = bootstrap.size(rows) if bootstrap.has_choice(rows) else count
  found = bootstrap.drawn(rows, statistic)
  estimate, (low, high) = found.estimate, found.bounds(bootstrap.LEVEL, varying)
  seeds = tuple(bootstrap.finite(statistic(bootstrap.means(r))) for r in rows)
  known = [s for s in seeds if s is not None]
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
  p = None if low is None else found.p_value(above, varying)
  return Claim(
    id,
    statement,
    estimate,
    (low, high),
    holds,
    unit,
    seeds,
    why,
    p,
    bearing=count,
  )


def corrected(claims: Sequence[Claim]) -> list[Claim]:
  """The claims with adjusted p-values; those that fall are undecided.

  Args:
    claims: all that are judged at once. Those without a p-value are no tests.
  """
  tested = [c for c in claims if c.p is not None]
  p = np.array([c.p for c in tested])
  order = p.argsort(kind='stable')
  raised = p[order] * len(p) / np.arange(1, len(p) + 1)
  adjusted = np.empty(len(p))
  # A larger p-value is never adjusted to a smaller one.
  adjusted[order] = np.minimum.accumulate(raised[::-1])[::-1].clip(max=1)
  by_id = dict(zip([c.id for c in tested], adjusted.tolist(), strict=True))
  return [_adjusted(c, by_id.get(c.id), len(tested)) for c in claims]


def _adjusted(claim: Claim, p: float | None, together: int) -> Claim:
  claim = dataclasses.replace(claim, adjusted=p)
  if claim.holds is None or p is None or p <= 1 - bootstrap.LEVEL:
    return claim
  why = f'of {together} claims judged together, one as clear may be chance'
  return dataclasses.replace(claim, holds=None, why=why)


def bearing_on(evidence: Sequence[np.ndarray]) -> int:
  """Number of questions that bear on a claim, of the thing with the fewest.

  A question counts once, whether it bears on the claim in one seed or in all:
  seeds share their questions. Where they bear on it unequally, a few that have
  most of the weight count as few: (sum e) ** 2 / sum e ** 2.
  """
  most = np.zeros(np.max([e.shape for e in evidence], 0))
  for e in evidence:
    most[:, : e.shape[1]] = np.maximum(most[:, : e.shape[1]], e)
  squares = (most**2).sum(1)
  counts = most.sum(1) ** 2 / np.where(squares > 0, squares, 1)
  # Sums of squares round: six equal questions are six.
  return int(counts.min() + 1e-9)
