"""Series with bands from the per-question accuracies of several seeds."""

from collections.abc import Mapping, Sequence

import numpy as np

from ttc.analysis import names
from ttc.analysis.curves import Accuracy
from ttc.analysis.study import Study
from ttc.reporting.figure import Series

BUDGET = 'generation budget'
ACCURACY = 'test accuracy (%)'
# Palette indices of the small model's methods, the same in all figures.
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
  """An input of a figure was not measured; the message names it."""


def need(value, what: str):
  """Returns `value`; raises MissingError(what) if it is None or empty."""
  if value is None or (hasattr(value, '__len__') and not len(value)):
    raise MissingError(what)
  return value


def summarise(
  values: Sequence[np.ndarray], sd: float | None = None
) -> tuple[float, float, float] | tuple[None, None, None]:
  """Mean, low and high in percent; None for each if a seed has no questions.

  Args:
    values: per-question values, float [Q] per seed.
    sd: half width of the band for a single seed; by default one standard error
      over questions. Several seeds have a band of one SD over seeds.
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
  """The mean curve over the budgets that every seed has.

  Args:
    name: name of the series.
    curves: accuracy by budget, one per seed.
    members: questions to average over, bool [Q] per seed; None is all.
    subsets: whether the band of a single seed is one SD over random subsets.
    **style: further fields of Series.
  """
  budgets = sorted(set.intersection(*(set(c) for c in curves)))
  points = [summarise(*_at(curves, n, members, subsets)) for n in budgets]
  y, low, high = zip(*points, strict=True) if points else ((), (), ())
  return Series(name, tuple(budgets), y, low, high, **style)


def _at(curves, budget, members, subsets):
  """Arguments of `summarise` at one budget."""
  values, sd = [], None
  for i, table in enumerate(curves):
    point = table[budget]
    question = point.question if isinstance(point, Accuracy) else point
    sd = point.sd if subsets and isinstance(point, Accuracy) else None
    values.append(question if members is None else question[members[i]])
  return values, sd


def band(studies: Sequence[Study], subsets: bool = False) -> str:
  """The sentence of a caption that says what bands show."""
  if len(studies) > 1:
    return f'Bands and whiskers: ±1 SD over {len(studies)} seeds.'
  if subsets:
    return (
      f'Bands: ±1 SD over {studies[0].subsets} random subsets (one '
      'seed), 0 where a subset is the whole pool.'
    )
  return 'Bands and whiskers: ±1 standard error over questions (one seed).'


def bins_of(studies: Sequence[Study], kind: str) -> list[np.ndarray]:
  """Difficulty bins int [Q] of each seed; raises MissingError without them."""
  for study in studies:
    need(study.bins.get(kind), f'the {kind} bins of the difficulty stage')
  return [study.bins[kind] for study in studies]


def shared_arms(tables: Sequence[Mapping[str, Curve]]) -> list[str]:
  """Arms that every seed has, in the order of the first seed."""
  return [arm for arm in tables[0] if all(arm in t for t in tables[1:])]
