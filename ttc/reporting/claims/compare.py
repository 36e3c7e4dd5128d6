"""Claims of the form "a is more accurate than b", question by question."""

from collections.abc import Mapping, Sequence
import re

import numpy as np

from ttc.analysis import bootstrap, interpolate
from ttc.analysis.bootstrap import Claim
from ttc.analysis.study import Curve, Study

# Points: about what 100 random subsets leave of their own noise.
GRAIN = 0.1

Questions = Sequence[np.ndarray]  # [Q] for each seed


def better(
  id: str,
  statement: str,
  a: Questions,
  b: Questions,
  members: Questions | None = None,
) -> Claim:
  """That the mean of a exceeds that of b, in points.

  Args:
    id, statement: go into the claim.
    a, b: accuracy of each question.
    members: the questions to count, bool; None is all.
  """
  if members is None:
    members = [np.ones(len(x), bool) for x in a]
  rows = [
    np.stack([(x - y) * m, m]) for x, y, m in zip(a, b, members, strict=True)
  ]
  return bootstrap.judge(
    id, statement, rows, lambda m: 100 * bootstrap.ratio(m), grain=GRAIN
  )


def factor(
  id: str,
  statement: str,
  curves: Sequence[Curve],
  baselines: Sequence[Curve],
  budget: int,
) -> Claim:
  """That the baseline needs more than `budget` generations to be as good.

  The estimate is its budget at equal accuracy over `budget`. A baseline that
  never gets there counts with its largest budget, one that starts above with
  its smallest: both understate.
  """
  budgets = sorted(set.intersection(*(set(b) for b in baselines)))
  rows = [
    np.stack([c[budget], *(b[n] for n in budgets)])
    for c, b in zip(curves, baselines, strict=True)
  ]

  def needed(means: np.ndarray) -> float:
    baseline = dict(zip(budgets, means[1:].tolist(), strict=True))
    found = interpolate.budget_at(baseline, float(means[0]))
    if found is None:
      found = budgets[0] if means[0] < means[1] else budgets[-1]
    return found / budget

  return bootstrap.judge(
    id,
    statement,
    rows,
    lambda m: np.apply_along_axis(needed, -1, m),
    above=1.0,
    unit='factor',
  )


def optimal(
  side: str,
  name: str,
  studies: Sequence[Study],
  fits,
  baselines: Mapping[str, Sequence[Curve]],
) -> list[Claim]:
  """Compute-optimal against fixed ways to spend a budget.

  Args:
    side: 'search' or 'revisions'; begins the ids.
    name: what the policy does, for the statements.
    studies: one a seed.
    fits: the Optimal of each seed.
    baselines: curves by name, the first being the reference for factors.
  """
  claims = []
  reference = next(iter(baselines))
  for kind in ('oracle', 'predicted'):
    if not all(kind in fit.adaptive for fit in fits):
      continue
    curves = [fit.adaptive[kind] for fit in fits]
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
      claims.append(
        factor(
          f'{stem}.factor.n{n}',
          f'{subject} at {n} generations needs fewer of them than {reference} '
          'for equal accuracy.',
          curves,
          baselines[reference],
          n,
        )
      )
    claims += _fourfold(stem, subject, curves, reference, baselines[reference])
  return claims


def _fourfold(stem, subject, curves, reference, others) -> list[Claim]:
  top = max(shared(others))
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
  """The accuracies [Q] of each seed at one budget."""
  return [curve[budget] for curve in curves]


def shared(curves: Sequence[Curve], above: int = 0) -> list[int]:
  """Budgets above a number that all curves have."""
  return sorted(
    n for n in set.intersection(*(set(c) for c in curves)) if n > above
  )


def members(studies: Sequence[Study], bin: int) -> Questions:
  """Which questions are in an oracle bin, bool [Q] for each seed."""
  return [study.bins['oracle'] == bin for study in studies]


def slug(text: str) -> str:
  """A name as part of an id: 'beam M=√N' becomes 'beam-m-sqrt-n'."""
  plain = text.lower().replace('√', 'sqrt-')
  return re.sub('[^a-z0-9]+', '-', plain).strip('-')
