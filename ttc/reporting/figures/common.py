"""Series with bands from the per-question accuracies of several seeds."""

from collections.abc import Mapping, Sequence

import numpy as np

from ttc.analysis import bootstrap, names
from ttc.analysis.bootstrap import Measurement
from ttc.analysis.curves import Accuracy
from ttc.analysis.difficulty import NUM_BINS
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

Point = Accuracy | Measurement
Curve = Mapping[int, Point]
Members = Sequence[np.ndarray]  # bool, one per seed
Interval = tuple[float, float, float] | tuple[None, None, None]


class MissingError(Exception):
  """An input of a figure was not measured; the message names it."""


def need(value, what: str):
  """Returns `value`; raises MissingError(what) if it is None or empty."""
  if value is None or (hasattr(value, '__len__') and not len(value)):
    raise MissingError(what)
  return value


def summarise(values: Sequence[Measurement]) -> Interval:
  """Mean, low and high of a measurement in percent; see `summaries`."""
  return summaries([[v] for v in values])[0]


def summaries(
  rows: Sequence[Sequence[Measurement]], members: Members | None = None
) -> list[Interval]:
  """Means in percent with the bounds of their 95 % intervals.

  Args:
    rows: K measurements of Q questions per seed.
    members: questions to average each over, bool [K, Q] per seed; None is all.

  Returns:
    (mean, low, high) of each; None for each where there are no questions.
  """
  if not bootstrap.size(rows):
    return [(None, None, None)] * len(rows[0])
  counts = [bootstrap.size(rows)] * len(rows[0])
  if members is not None:
    counts = np.min([own.sum(1) for own in members], 0).tolist()
  return [
    tuple(
      None if x is None else 100 * x
      for x in (one.estimate, *one.bounds(bootstrap.LEVEL, count))
    )
    for one, count in zip(bootstrap.each(rows, members), counts, strict=True)
  ]


def by_bin(
  values: Sequence[Measurement], bins: Sequence[np.ndarray]
) -> list[Interval]:
  """`summarise` in each difficulty bin, of bins int [Q] per seed."""
  numbers = np.arange(1, NUM_BINS + 1)[:, None]
  return summaries(
    [[v] * NUM_BINS for v in values], [own == numbers for own in bins]
  )


def curve(
  name: str,
  curves: Sequence[Curve],
  members: Members | None = None,
  **style,
) -> Series:
  """The mean curve over the budgets that every seed has.

  Args:
    name: name of the series.
    curves: accuracy by budget, one per seed.
    members: questions to average over, bool [Q] per seed; None is all.
    **style: further fields of Series.
  """
  budgets = sorted(set.intersection(*(set(c) for c in curves)))
  rows = [[measured(c[n]) for n in budgets] for c in curves]
  if members is not None:
    members = [np.tile(own, [len(budgets), 1]) for own in members]
  points = summaries(rows, members) if budgets else []
  y, low, high = zip(*points, strict=True) if points else ((), (), ())
  return Series(name, tuple(budgets), y, low, high, **style)


def measured(point: Point) -> Measurement:
  """The accuracy of each question at a point."""
  return point.question if isinstance(point, Accuracy) else point


def bins_of(studies: Sequence[Study], kind: str) -> list[np.ndarray]:
  """Difficulty bins int [Q] of each seed; raises MissingError without them."""
  for study in studies:
    need(study.bins.get(kind), f'the {kind} bins of the difficulty stage')
  return [study.bins[kind] for study in studies]


def shared_arms(tables: Sequence[Mapping[str, Curve]]) -> list[str]:
  """Arms that every seed has, in the order of the first seed."""
  return [arm for arm in tables[0] if all(arm in t for t in tables[1:])]
