"""Figures about test-time compute against a larger model (paper §7)."""

from collections.abc import Sequence

import numpy as np

from ttc.analysis import bootstrap, names
from ttc.analysis.difficulty import NUM_BINS
from ttc.analysis.matched import ACCOUNTS, compared, comparisons, Matched, Side
from ttc.analysis.study import Study
from ttc.reporting.figure import Figure, Panel, Series
from ttc.reporting.figures import common

SIDES: tuple[Side, ...] = ('revisions', 'search')
# Figure 1 of the paper shows bins 2, 3 and 4 under these names.
GROUPS = (('bin 2: easy', 2), ('bin 3: medium', 3), ('bin 4: hard', 4))


def lines(studies: Sequence[Study], size_ratio: float) -> Figure:
  """Accuracy by budget and bin, and the large model's (paper figure 9)."""
  sides = _comparisons(studies, size_ratio)
  panels = [
    _lines_panel(studies, side, matches, size_ratio)
    for side, matches in sides.items()
  ]
  ratios = sorted({m.token_ratio for found in sides.values() for m in found})
  marked = ', '.join(f'{r:.2g}' for r in ratios)
  return Figure(
    'matched',
    'FLOPs-matched comparison',
    'Compute-optimal accuracy in each oracle difficulty bin against budget; '
    f'stars: the {size_ratio:.3g}× larger model, greedy, where its FLOPs '
    'equal those of the small model with that budget, at the ratios R of '
    f'inference to pretraining tokens that are marked: {marked}. Where the '
    "paper's R needs more than the largest measured budget, R is the ratio "
    'that this budget matches. '
    '(Paper: figure 9.)',
    tuple(panels),
  )


def bars(studies: Sequence[Study], size_ratio: float) -> Figure:
  """The bars of the paper's figure 1, under each accounting."""
  panels = [
    bars_panel(studies, side, size_ratio, accounting)
    for side in _comparisons(studies, size_ratio)
    for accounting in ACCOUNTS
    if comparisons(studies, side, size_ratio, accounting)
  ]
  return Figure(
    'matched-bars',
    'Worth against a larger model',
    'Accuracy of the small model with test-time compute relative to the '
    f'{size_ratio:.3g}× larger greedy one at equal FLOPs; above 0 test-time '
    "compute is the better use. Bins 2, 3 and 4, as in the paper's figure "
    "1. The verifier costs nothing (the paper's v1), as much as sampling "
    'in both models (ICLR), or that in the small one alone; R is the same '
    'in all. (At the R that ICLR prints, its bars are those of v1.)',
    tuple(panels),
  )


def bars_panel(
  studies: Sequence[Study],
  side: Side,
  size_ratio: float,
  accounting: str = 'v1',
) -> Panel:
  """Relative improvement by R and difficulty."""
  matches = common.need(
    comparisons(studies, side, size_ratio, accounting),
    'a budget that matches the large model',
  )
  series = []
  for hue, (name, bin) in enumerate(GROUPS):
    points = [_improvement(m, bin) for m in matches]
    y, low, high = zip(*points, strict=True)
    series.append(
      Series(name, range(len(matches)), y, low, high, hue=(0, 4, 1)[hue])
    )
  labels = tuple(
    f'{m.label}\n(R={m.token_ratio:.2g}, N={m.budget:.3g})' for m in matches
  )
  return Panel(
    'bars',
    f'{side.capitalize()}, {ACCOUNTS[accounting]}',
    'inference to pretraining tokens',
    'relative improvement (%)',
    tuple(series),
    categories=labels,
  )


def large_model(studies: Sequence[Study], size_ratio: float) -> Figure:
  """Accuracy of both models by inference FLOPs."""
  for study in studies:
    common.need(study.large, 'samples of the large model')
  tables = [s.selections(s.large) for s in studies]
  series = [
    _scaled(arm, [t[arm] for t in tables], size_ratio, hue)
    for arm, hue in ((names.MAJORITY, 3), (names.WEIGHTED, 1))
    if all(arm in t for t in tables)
  ]
  if all(s.greedy for s in studies):
    y, low, high = common.summarise(
      [s.greedy.correct[:, 0].astype(float) for s in studies]
    )
    series.append(
      Series(
        f'{size_ratio:.3g}× model, greedy',
        (size_ratio,),
        (y,),
        (low,),
        (high,),
        marker='star',
        hue=1,
      )
    )
  for arm in (names.MAJORITY, names.WEIGHTED):
    if all(arm in s.base_arms for s in studies):
      series.append(
        common.curve(
          f'small model, {arm}',
          [s.base_arms[arm] for s in studies],
          hue=common.HUES[arm],
          dashed=arm == names.MAJORITY,
        )
      )
  for side, hue in (('search', 2), ('revisions', 4)):
    if all(compared(s, side) for s in studies):
      series.append(
        common.curve(
          f'small model, {names.COMPUTE_OPTIMAL} {side}',
          [compared(s, side) for s in studies],
          hue=hue,
        )
      )
  panel = Panel(
    'lines',
    'Both models with test-time compute',
    'inference FLOPs (1 = one answer of the small model)',
    common.ACCURACY,
    tuple(series),
    x_scale='log2',
  )
  return Figure(
    'large-model',
    'The large model with test-time compute of its own',
    f'An answer of the {size_ratio:.3g}× larger model costs as much as '
    f"{size_ratio:.3g} of the small one's; pretraining is not counted "
    'here.',
    (panel,),
  )


def _comparisons(studies, size_ratio) -> dict[Side, list[Matched]]:
  """The sides that can be compared; raises MissingError if none can."""
  for study in studies:
    common.need(study.greedy, 'greedy answers of the large model')
  sides = {side: comparisons(studies, side, size_ratio) for side in SIDES}
  return common.need(
    {side: matches for side, matches in sides.items() if matches},
    'a policy whose budgets match the large model',
  )


def _lines_panel(studies, side, matches, size_ratio) -> Panel:
  bins = [s.bins['oracle'] for s in studies]
  curves = [compared(s, side) for s in studies]
  series = []
  for k in range(1, NUM_BINS + 1):
    members = [b == k for b in bins]
    series.append(common.curve(f'bin {k}', curves, members, hue=k - 1))
  large = [common.by_bin(m.large, bins) for m in matches]
  for k in range(1, NUM_BINS + 1):
    points = [by_bin[k - 1] for by_bin in large]
    y, low, high = zip(*points, strict=True)
    series.append(
      Series(
        f'large model, bin {k}',
        [m.budget for m in matches],
        y,
        low,
        high,
        marker='star',
        hue=k - 1,
        legend=f'{size_ratio:.3g}× model' if k == 1 else '',
      )
    )
  return Panel(
    'lines',
    side.capitalize(),
    'generation budget (∝ inference FLOPs)',
    'accuracy in bin (%)',
    tuple(series),
    x_scale='log2',
    palette='ordered',
    marks=tuple((m.budget, m.label) for m in matches),
  )


def _improvement(matched: Matched, bin: int):
  """Improvement over the large model in a bin, in percent, and its interval."""
  rows = [
    np.stack([small.question * (b == bin), large * (b == bin)])
    for small, large, b in zip(
      matched.small, matched.large, matched.bins, strict=True
    )
  ]
  relative = lambda m: 100 * (bootstrap.ratio(m) - 1)
  return bootstrap.interval(rows, relative)


def _scaled(arm, curves, size_ratio, hue) -> Series:
  """A curve of the large model, at budgets in answers of the small one."""
  line = common.curve(
    f'{size_ratio:.3g}× model, {arm}',
    curves,
    hue=hue,
    dashed=arm == names.MAJORITY,
  )
  x = [size_ratio * n for n in line.x]
  return Series(
    line.name, x, line.y, line.low, line.high, line.dashed, hue=line.hue
  )
