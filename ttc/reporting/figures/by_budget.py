"""Panels of accuracy against generations, and against exact FLOPs.

The paper counts generations. Strategies with the same number of generations
differ in their FLOPs, so the same curves are drawn against both.
"""

from collections.abc import Mapping, Sequence
import dataclasses
from typing import Any, NamedTuple

import numpy as np

from ttc.analysis import optimal
from ttc.analysis.bootstrap import Measurement
from ttc.analysis.curves import Accuracy
from ttc.analysis.optimal import Optimal
from ttc.claims import differences
from ttc.reporting.figure import Panel, Series
from ttc.reporting.figures import common

FLOPS = 'FLOPs per question, as executed'
_BY_FLOPS = 'The same by exact FLOPs'
NOTE = (
  f'“{_BY_FLOPS}”: per question as executed, padding included: prefill, '
  'sampling and, where its scores are used, the verifier. '
)


class BudgetCurve(NamedTuple):
  """A curve to draw.

  Attributes:
    name: of the series.
    curves: accuracy of each question by budget, one per seed.
    flops: FLOPs of each question by budget, one per seed; None where unknown.
    style: further arguments of `common.curve`.
  """

  name: str
  curves: Sequence[Mapping[int, Measurement]]
  flops: Sequence[Mapping[int, np.ndarray | None]]
  style: Mapping[str, Any]

  def priced(self) -> Series:
    """The series, with the mean FLOPs of each budget where all are known."""
    series = common.curve(self.name, self.curves, **self.style)
    spent = [[own.get(int(n)) for own in self.flops] for n in series.x]
    if any(flops is None for by_seed in spent for flops in by_seed):
      return series
    mean = [float(np.mean([f.mean() for f in by_seed])) for by_seed in spent]
    return dataclasses.replace(series, flops=tuple(mean))


def line(
  name: str, curves: Sequence[Mapping[int, Accuracy]], **style
) -> BudgetCurve:
  """A BudgetCurve; `style` is further arguments of `common.curve`."""
  return BudgetCurve(
    name,
    [{n: point.question for n, point in c.items()} for c in curves],
    [{n: point.flops for n, point in c.items()} for c in curves],
    style,
  )


def policy_lines(
  fits: Sequence[Optimal], template: str, uniform: str, **style
) -> list[BudgetCurve]:
  """Curves of the best single arm, and of the policy by kind of bins.

  Args:
    fits: one per seed.
    template: name of a policy, where '{}' stands for the kind of bins.
    uniform: name of the best single arm; '' leaves it out.
    **style: style of all curves, see `line`.
  """
  rules = [(optimal.UNIFORM, uniform, {'hue': 7, 'marker': 'square'})]
  rules = rules if uniform else []
  rules += [
    (kind, template.format(kind), {'hue': hue})
    for kind, hue in (('predicted', 3), ('oracle', 2))
    if all(kind in f.adaptive for f in fits)
  ]
  return [
    BudgetCurve(
      name,
      [f.refitted(rule) for f in fits],
      [f.flops.get(rule, {}) for f in fits],
      {**own, **style},
    )
    for rule, name, own in rules
  ]


def by_generations(
  title: str, lines: Sequence[BudgetCurve], paired: bool = True
) -> Panel:
  """Accuracy against the generation budget.

  Args:
    title: of the panel.
    lines: its curves.
    paired: whether all are of the same questions and seeds, so that they can be
      compared question by question.
  """
  return Panel(
    'lines',
    title,
    common.BUDGET,
    common.ACCURACY,
    tuple(x.priced() for x in lines),
    x_scale='log2',
    differences=(
      differences.pairs({x.name: x.curves for x in lines}) if paired else ()
    ),
  )


def by_flops(panel: Panel) -> tuple[Panel, ...]:
  """The curves of a panel whose FLOPs are known, by these; () if none are."""
  priced = tuple(
    dataclasses.replace(s, x=s.flops, flops=()) for s in panel.series if s.flops
  )
  if not priced:
    return ()
  return (
    Panel(
      'lines',
      _BY_FLOPS,
      FLOPS,
      common.ACCURACY,
      priced,
      x_scale='log10',
    ),
  )
