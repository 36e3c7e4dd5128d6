"""From per-question accuracies of several seeds to series with bands."""

from collections.abc import Mapping, Sequence

import numpy as np

from ttc.analysis import names
from ttc.analysis.curves import Accuracy
from ttc.analysis.study import Study
from ttc.reporting.figure import Series

BUDGET = 'generation budget'
ACCURACY = 'test accuracy (%)'
HUES = {
  names.WEIGHTED: 0,
  names.BEAM: 1,
  names.COMPUTE_OPTIMAL: 2,
  names.MAJORITY: 6,
  names.BEST: 5,
}

Point = Accuracy | np.ndarray
Curve = Mapping[int, Point]


class MissingError(Exception):
  """A figure's inputs were not measured; the message says which."""


def need(found, what: str):
  """`found`, or a MissingError where it is None or empty."""
  if found is None or (hasattr(found, '__len__') and not len(found)):
    raise MissingError(what)
  return found


def summarise(
  values: Sequence[np.ndarray],
  sd: float | None = None,
) -> tuple[float, float, float] | tuple[None, None, None]:
  """Mean, low and high in percent of per-question values [Q], one a seed.

  The band is one SD over seeds; of a single seed it is `sd` on both sides,
  or one standard error over questions.
  """
  if any(not v.size for v in values):
    return None, None, None
  means = [v.mean() for v in values]
  if len(values) > 1:
    spread = np.std(means, ddof=1)
  elif sd is not None:
    spread = sd
  else:
    spread = values[0].std() / np.sqrt(values[0].size)
  mean = np.mean(means)
  return tuple(100 * float(v) for v in (mean, mean - spread, mean + spread))


def curve(
  name: str,
  curves: Sequence[Curve],
  members: Sequence[np.ndarray] | None = None,
  *,
  subsets: bool = False,
  **style,
) -> Series:
  """A line over the budgets that every seed has.

  Args:
    name: of the series.
    curves: one a seed.
    members: questions to count, bool [Q] a seed; None is all.
    subsets: whether the band of a single seed is over random subsets.
    **style: further fields of Series.
  """
  budgets = sorted(set.intersection(*(set(c) for c in curves)))
  points = [summarise(*_at(curves, n, members, subsets)) for n in budgets]
  y, low, high = zip(*points, strict=True) if points else ((), (), ())
  return Series(name, tuple(budgets), y, low, high, **style)


def _at(curves, budget, members, subsets):
  values, sd = [], None
  for i, table in enumerate(curves):
    point = table[budget]
    question = point.question if isinstance(point, Accuracy) else point
    sd = point.sd if subsets and isinstance(point, Accuracy) else None
    values.append(question if members is None else question[members[i]])
  return values, sd


def band(studies: Sequence[Study], subsets: bool = False) -> str:
  """What a band shows, as a sentence for the caption."""
  if len(studies) > 1:
    return f'Bands and whiskers: ±1 SD over {len(studies)} seeds.'
  if subsets:
    return (
      f'Bands: ±1 SD over {studies[0].subsets} random subsets (one '
      'seed), 0 where a subset is the whole pool.'
    )
  return 'Bands and whiskers: ±1 standard error over questions (one seed).'


def bins_of(studies: Sequence[Study], kind: str) -> list[np.ndarray]:
  """Difficulty [Q] of each seed's questions."""
  for study in studies:
    need(study.bins.get(kind), f'the {kind} bins of the difficulty stage')
  return [study.bins[kind] for study in studies]


def shared_arms(tables: Sequence[Mapping[str, Curve]]) -> list[str]:
  """Arms that every seed has, in the first one's order."""
  return [arm for arm in tables[0] if all(arm in t for t in tables[1:])]
