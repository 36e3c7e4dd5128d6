"""Claims of the form "a is more accurate than b", question by question."""

from collections.abc import Mapping, Sequence
import re

import numpy as np

from ttc.analysis import bootstrap, interpolate
from ttc.analysis.bootstrap import Measurement
from ttc.analysis.study import Study
from ttc.claims import verdicts
from ttc.claims.verdicts import Claim

# In points: about the noise that averaging over 100 random subsets leaves.
GRAIN = 0.1
# Accuracies of a question, in [0, 1], that differ by rounding alone are equal.
_EQUAL = 1e-9

Questions = Sequence[Measurement]  # [Q] per seed
Members = Sequence[np.ndarray]  # bool [Q] per seed
Curve = Mapping[int, Measurement]  # [Q] by budget


def better(
  id: str,
  statement: str,
  a: Questions,
  b: Questions,
  members: Members | None = None,
) -> Claim:
  """The claim that the mean of a exceeds that of b, in points.

  Args:
    id, statement: copied into the claim.
    a, b: accuracy of each question in [0, 1].
    members: questions to average over; None is all. Among members, choices are
      not made again.
  """
  apart = [
    bootstrap.questions(x) - bootstrap.questions(y)
    for x, y in zip(a, b, strict=True)
  ]
  if members is None:
    rows = list(zip(a, b, strict=True))
    statistic = lambda m: 100 * (m[..., 0] - m[..., 1])
    members = [True] * len(apart)
  else:
    # The ratio of these two means is the mean difference over members.
    rows = [np.stack([d * m, m]) for d, m in zip(apart, members, strict=True)]
    statistic = lambda m: 100 * bootstrap.ratio(m)
  return verdicts.judge(
    id,
    statement,
    rows,
    statistic,
    grain=GRAIN,
    evidence=[_bearing(d * m) for d, m in zip(apart, members, strict=True)],
  )


def questions_between(a: Questions, b: Questions) -> int:
  """The number of questions that decides how wide an interval of a - b is.

  They are those that tell a from b, or all where a choice is made again.
  """
  rows = list(zip(a, b, strict=True))
  if bootstrap.has_choice(rows):
    return bootstrap.size(rows)
  return verdicts.bearing_on([_bearing(x - y) for x, y in rows])


def factor(
  id: str,
  statement: str,
  curves: Sequence[Curve],
  baselines: Sequence[Curve],
  budget: int,
) -> Claim:
  """The claim that a baseline needs a larger budget for equal accuracy.

  The estimate is the baseline's budget at equal accuracy over `budget`. If the
  baseline never reaches that accuracy its largest budget counts, and if it
  starts above, its smallest; both understate the distance from a factor of 1.
  So does a baseline that has the accuracy at many budgets, for example because
  it answers all questions rightly: the one nearest to `budget` counts. Only
  questions that the two answer differently bear on the claim.

  Args:
    id, statement: copied into the claim.
    curves, baselines: accuracy by budget, one per seed.
    budget: generations per question, a budget of `curves`.
  """
  budgets = sorted(set.intersection(*(set(b) for b in baselines)))
  rows = [
    [c[budget], *(b[n] for n in budgets)]
    for c, b in zip(curves, baselines, strict=True)
  ]

  def relative_budget(means: np.ndarray) -> float:
    baseline = dict(zip(budgets, means[1:].tolist(), strict=True))
    needed = interpolate.budget_at(baseline, float(means[0]), near=budget)
    if needed is None:
      needed = budgets[0] if means[0] < means[1] else budgets[-1]
    return needed / budget

  return verdicts.judge(
    id,
    statement,
    rows,
    lambda m: np.apply_along_axis(relative_budget, -1, m),
    above=1.0,
    unit='factor',
    evidence=[
      np.ptp([bootstrap.questions(m) for m in r], axis=0, keepdims=True)
      > _EQUAL
      for r in rows
    ],
  )


def optimal(
  side: str,
  name: str,
  studies: Sequence[Study],
  fits,
  baselines: Mapping[str, Sequence[Curve]],
) -> list[Claim]:
  """Claims about the compute-optimal policy against fixed strategies.

  Args:
    side: prefix of the ids, 'search' or 'revisions.<selection>'.
    name: what the policy chooses from, for the statements.
    studies: one per seed.
    fits: the Optimal of each seed.
    baselines: curves per seed by name; the first is the reference for factors.
  """
  claims = []
  reference = next(iter(baselines))
  for kind in ('oracle', 'predicted'):
    if not all(kind in fit.adaptive for fit in fits):
      continue
    curves = [fit.refitted(kind) for fit in fits]
    subject = f'Compute-optimal {name} ({kind} bins)'
    stem = f'{side}.optimal-{kind}'
    for n in shared([*curves, *baselines[reference]], above=1):
      claims += [
        better(
          f'{stem}.vs-{slug(other)}.n{n}',
          f'{subject} is more accurate than {other} at {n} generations.',
          at(curves, n),
          at(others, n),
        )
        for other, others in baselines.items()
        if all(n in o for o in others)
      ]
      if len(shared(baselines[reference])) > 1:  # else no budget but this one
        claims.append(
          factor(
            f'{stem}.factor.n{n}',
            f'{subject} at {n} generations needs fewer of them than '
            f'{reference} for equal accuracy.',
            curves,
            baselines[reference],
            n,
          )
        )
    claims += _fourfold(stem, subject, curves, reference, baselines[reference])
  return claims


def _fourfold(stem, subject, curves, reference, others) -> list[Claim]:
  top = max(shared(others), default=0)
  if top % 4 or not all(top // 4 in c for c in curves):
    return []
  return [
    better(
      f'{stem}.fourfold',
      f'{subject} is more accurate at {top // 4} generations than {reference} '
      f'at {top}: four times fewer.',
      at(curves, top // 4),
      at(others, top),
    )
  ]


def at(curves: Sequence[Curve], budget: int) -> Questions:
  """Accuracy [Q] of each seed at one budget."""
  return [curve[budget] for curve in curves]


def shared(curves: Sequence[Curve], above: int = 0) -> list[int]:
  """Budgets larger than `above` that all curves have, ascending."""
  return sorted(
    n for n in set.intersection(*(set(c) for c in curves)) if n > above
  )


def members(studies: Sequence[Study], bin: int) -> Members:
  """Whether each question is in an oracle bin, bool [Q] per seed."""
  return [study.bins['oracle'] == bin for study in studies]


def _bearing(apart: np.ndarray) -> np.ndarray:
  """How much each question tells two accuracies apart, float [1, Q]."""
  return np.where(np.abs(apart) > _EQUAL, np.abs(apart), 0)[None]


def slug(text: str) -> str:
  """A name as part of an id: 'beam M=√N' becomes 'beam-m-sqrt-n'."""
  plain = text.lower().replace('√', 'sqrt-')
  return re.sub('[^a-z0-9]+', '-', plain).strip('-')
