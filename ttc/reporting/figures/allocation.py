"""The figure of a budget that is spent as results come in."""

from collections.abc import Sequence

import numpy as np

from ttc.allocation import comparison
from ttc.allocation.comparison import Comparison
from ttc.analysis import names
from ttc.reporting.figure import Figure, Panel, Series
from ttc.reporting.figures import by_budget, common

# In the order in which they are drawn, the first at the back.
_STYLES = {
  comparison.CLAIRVOYANT: {'hue': 8, 'dashed': True, 'marker': 'none'},
  comparison.RANDOM: {'hue': 6, 'dashed': True},
  comparison.CONSISTENCY: {'hue': 5},
  comparison.POLICY: {'hue': 3},
  comparison.ONE_SHOT: {'hue': 1},
  comparison.THRESHOLD: {'hue': 4, 'dashed': True},
  comparison.GREEDY_FIRST: {'hue': 4},
  names.WEIGHTED: {'hue': 0},
  comparison.UNIFORM: {'hue': 7, 'marker': 'square'},
  comparison.ALLOCATION: {'hue': 2},
}


def accuracy(comparisons: Sequence[Comparison | None]) -> Figure:
  """Accuracy against executed FLOPs, of the allocation and all baselines."""
  for own in comparisons or [None]:
    common.need(own, 'the stages pilot, fit_allocation and allocate')
  uniform = [p.flops.mean() for c in comparisons for p in c.targets.values()]
  series = [
    _series(name, [c.curves[name] for c in comparisons], min(uniform), style)
    for name, style in _STYLES.items()
    if all(name in c.curves for c in comparisons)
  ]
  return Figure(
    'allocation',
    'A budget spent as results come in',
    'Every question begins with the first action of a ladder and climbs while '
    'the next one is worth its price, until a budget for all questions is '
    'spent. Proposer and verifier are charged as executed, and so are the '
    'samples that find the difficulty for the policy; the pilot that an '
    'allocation is fitted on is not. Settings are chosen on other questions; '
    'the clairvoyant knows how often each question is solved, and a right '
    'answer when it comes; what it does for next to nothing is not drawn.',
    (
      Panel(
        'lines',
        'Accuracy by executed FLOPs',
        by_budget.FLOPS,
        common.ACCURACY,
        tuple(series),
        x_scale='log10',
      ),
    ),
  )


def _series(name, curves, least, style) -> Series:
  """Means of points by their place, over seeds that may have more of them."""
  size = min(map(len, curves))
  points = [
    (
      float(np.mean([c[i].flops.mean() for c in curves])),
      *common.summarise([c[i].right for c in curves]),
    )
    for i in range(size)
  ]
  seen = [p for p in points if p[0] >= least / 4] or points
  x, y, low, high = zip(*sorted(seen), strict=True)
  return Series(name, x, y, low, high, **style)
