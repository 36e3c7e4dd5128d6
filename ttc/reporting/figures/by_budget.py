"""Panels of accuracy against what is spent, in two currencies.

The paper counts generations. Two ways to spend one budget of them differ in
what they compute, so the same lines are drawn against exact FLOPs as well.
"""

from collections.abc import Mapping, Sequence
import dataclasses
from typing import Any, NamedTuple

import numpy as np

from ttc.analysis.curves import Accuracy
from ttc.analysis.optimal import Optimal
from ttc.reporting.figure import Panel, Series
from ttc.reporting.figures import common

FLOPS = 'FLOPs a question, as executed'
NOTE = (
  'The panel beside it shows the same against exact FLOPs a question as '
  'they were executed, padding included: reading, sampling and the '
  'verifier, if one is asked. '
)


class BudgetCurve(NamedTuple):
  """One way to spend: a curve a seed, and how it is drawn."""

  name: str
  curves: Sequence[Mapping[int, Accuracy]]
  style: Mapping[str, Any]


def line(
  name: str, curves: Sequence[Mapping[int, Accuracy]], **style
) -> BudgetCurve:
  """A line; style is further arguments of `common.curve`."""
  return BudgetCurve(name, curves, style)


def policy_lines(
  fits: Sequence[Optimal], template: str, uniform: str, **style
) -> list[BudgetCurve]:
  """The best single arm, and the policies by kind of bins.

  Args:
    fits: one a seed.
    template: names a policy; '{}' is the kind of bins.
    uniform: names the single arm; '' leaves it out.
    **style: of all of them.
  """
  found = []
  if uniform:
    found.append(
      line(
        uniform,
        [_priced(f, 'uniform', f.uniform) for f in fits],
        **{'hue': 7, 'marker': 'square', **style},
      )
    )
  for kind, hue in (('predicted', 3), ('oracle', 2)):
    if all(kind in f.adaptive for f in fits):
      found.append(
        line(
          template.format(kind),
          [_priced(f, kind, f.adaptive[kind]) for f in fits],
          **{'hue': hue, **style},
        )
      )
  return found


def by_generations(title: str, lines: Sequence[BudgetCurve]) -> Panel:
  """Accuracy against the budget."""
  return Panel(
    'lines',
    title,
    common.BUDGET,
    common.ACCURACY,
    tuple(common.curve(one.name, one.curves, **one.style) for one in lines),
    x_scale='log2',
  )


def by_flops(lines: Sequence[BudgetCurve]) -> tuple[Panel, ...]:
  """One panel of the lines whose FLOPs are known; none where none are."""
  priced = tuple(_against_flops(one) for one in lines if _is_priced(one))
  if not priced:
    return ()
  return (
    Panel(
      'lines',
      'The same by exact FLOPs',
      FLOPS,
      common.ACCURACY,
      priced,
      x_scale='log10',
    ),
  )


def _against_flops(one: BudgetCurve) -> Series:
  series = common.curve(one.name, one.curves, **one.style)
  spent = [
    np.mean([curve[int(n)].flops.mean() for curve in one.curves])
    for n in series.x
  ]
  return dataclasses.replace(series, x=tuple(spent))


def _is_priced(one: BudgetCurve) -> bool:
  return all(
    point.flops is not None for curve in one.curves for point in curve.values()
  )


def _priced(
  fit: Optimal, rule: str, curve: Mapping[int, np.ndarray]
) -> dict[int, Accuracy]:
  flops = fit.flops.get(rule, {})
  return {
    n: Accuracy(question, 0.0, flops.get(n)) for n, question in curve.items()
  }
