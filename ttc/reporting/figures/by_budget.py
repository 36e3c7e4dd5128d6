"""Panels of accuracy against generations, and against exact FLOPs.

The paper counts generations. Strategies with the same number of generations
differ in their FLOPs, so the same curves are drawn against both.
"""

from collections.abc import Mapping, Sequence
import dataclasses
from typing import Any, NamedTuple

import numpy as np

from ttc.analysis.curves import Accuracy
from ttc.analysis.optimal import Optimal
from ttc.reporting.figure import Panel, Series
from ttc.reporting.figures import common

FLOPS = 'FLOPs per question, as executed'
_BY_FLOPS = 'The same by exact FLOPs'
NOTE = (
  f'“{_BY_FLOPS}”: per question as executed, padding included: prefill, '
  'sampling and, where its scores are used, the verifier. '
)


class BudgetCurve(NamedTuple):
  """A curve to draw: accuracy by budget of each seed, and its style."""

  name: str
  curves: Sequence[Mapping[int, Accuracy]]
  style: Mapping[str, Any]


def line(
  name: str, curves: Sequence[Mapping[int, Accuracy]], **style
) -> BudgetCurve:
  """A BudgetCurve; `style` is further arguments of `common.curve`."""
  return BudgetCurve(name, curves, style)


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
  lines = []
  if uniform:
    lines.append(
      line(
        uniform,
        [_priced(f, 'uniform', f.uniform) for f in fits],
        **{'hue': 7, 'marker': 'square', **style},
      )
    )
  for kind, hue in (('predicted', 3), ('oracle', 2)):
    if all(kind in f.adaptive for f in fits):
      lines.append(
        line(
          template.format(kind),
          [_priced(f, kind, f.adaptive[kind]) for f in fits],
          **{'hue': hue, **style},
        )
      )
  return lines


def by_generations(title: str, lines: Sequence[BudgetCurve]) -> Panel:
  """Accuracy against the generation budget."""
  return Panel(
    'lines',
    title,
    common.BUDGET,
    common.ACCURACY,
    tuple(common.curve(x.name, x.curves, **x.style) for x in lines),
    x_scale='log2',
  )


def by_flops(lines: Sequence[BudgetCurve]) -> tuple[Panel, ...]:
  """A panel of the curves whose FLOPs are known; () if none are."""
  priced = tuple(_against_flops(x) for x in lines if _is_priced(x))
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


def _against_flops(line: BudgetCurve) -> Series:
  """The series by budget, each budget replaced by its mean FLOPs."""
  series = common.curve(line.name, line.curves, **line.style)
  spent = [
    np.mean([curve[int(n)].flops.mean() for curve in line.curves])
    for n in series.x
  ]
  return dataclasses.replace(series, x=tuple(spent))


def _is_priced(line: BudgetCurve) -> bool:
  return all(
    point.flops is not None for curve in line.curves for point in curve.values()
  )


def _priced(
  fit: Optimal, rule: str, curve: Mapping[int, np.ndarray]
) -> dict[int, Accuracy]:
  """The curve with the FLOPs of a rule: a kind of bins, or 'uniform'."""
  flops = fit.flops.get(rule, {})
  return {
    n: Accuracy(question, 0.0, flops.get(n)) for n, question in curve.items()
  }
