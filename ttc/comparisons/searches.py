"""An arm against others at equal executed FLOPs, by difficulty of questions.

    arm     N      4        8         16      its points
    other   N   4     8        16         32  a curve, read off at their FLOPs

FLOPs and accuracies of a bin are those of its questions: hard ones have longer
answers. The best of the others is the one with the largest mean in a bin; every
draw of the bootstrap chooses it again, so that it has every advantage.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ttc.analysis import bootstrap, difficulty, interpolate, study
from ttc.analysis.study import Study, Table
from ttc.claims import words
from ttc.reporting.figure import Figure, Panel, Series
from ttc.reporting.figures import by_budget

CHAINS = 'chains'  # of revisions, one of N turns
BEST = 'the best of them'

_COLUMN = 22  # characters


class _Point(NamedTuple):
  """An arm at a budget on some questions of a seed, and others at its FLOPs.

  Attributes:
    flops: executed per question, the mean.
    own: accuracy of each question, float [Q].
    others: theirs by name, where their curves have such FLOPs.
  """

  flops: float
  own: np.ndarray
  others: Mapping[str, np.ndarray]


def arms(of: Study) -> Table:
  """All arms whose answer a verifier chooses, with their executed FLOPs."""
  table = dict(of.search_arms)
  if 'verifier' in of.revision_arms:
    ratios = of.revision_arms['verifier']
    table[CHAINS] = study.along(ratios, parallel=False)
  return table


def comparison(
  tables: Sequence[Table],
  bins: Sequence[np.ndarray],
  arm: str,
  others: Sequence[str],
) -> list[dict[str, Any]]:
  """Compares every point of an arm with the curves of others.

  Args:
    tables: of `arms`, one per seed.
    bins: difficulty of the questions, int [Q] per seed.
    arm: name of the arm.
    others: names of the others.

  Returns:
    Rows of 'bin' (None for all questions), 'generations', 'flops', 'accuracy'
    and 'others', by name those whose curves have such FLOPs in every seed:
    'accuracy' and, less it, the arm's as 'difference', (estimate, low, high) of
    95%. Accuracies are in percent. BEST is among the others.

  Raises:
    ValueError: a seed lacks an arm, or its costs.
  """
  for table in tables:
    _check(table, (arm, *others))
  budgets = set.intersection(*(set(table[arm]) for table in tables))
  rows = []
  for number in (None, *range(1, difficulty.NUM_BINS + 1)):
    members = [own == number if number else own > 0 for own in bins]
    if all(inside.any() for inside in members):
      rows += [
        {'bin': number, 'generations': n}
        | _row(
          [
            _point(table, inside, arm, others, n)
            for table, inside in zip(tables, members, strict=True)
          ]
        )
        for n in sorted(budgets)
      ]
  return rows


def text(
  rows: Sequence[Mapping[str, Any]], arm: str, others: Sequence[str], about: str
) -> str:
  """The rows as a table for a terminal.

  Args:
    rows: from `comparison`.
    arm, others: what was compared.
    about: which questions, seeds and bins these are, for the first line.
  """
  shown = [*others, BEST]
  lines = [
    about,
    f'{arm} less others at the same executed FLOPs, in points of accuracy, '
    'with 95% intervals paired by question',
    f'{"bin":>3} {"N":>4} {"MFLOPs":>7} {"right %":>8}'
    + ''.join(f'{name:>{_COLUMN}}' for name in shown),
  ]
  for row in rows:
    cells = [_shown(row['others'].get(name)) for name in shown]
    lines.append(
      f'{row["bin"] or "all":>3} {row["generations"]:>4} '
      f'{row["flops"] / 1e6:>7.0f} {row["accuracy"]:>8.1f}'
      + ''.join(f'{cell:>{_COLUMN}}' for cell in cells)
    )
  return '\n'.join(lines)


def figure(
  rows: Sequence[Mapping[str, Any]], arm: str, others: Sequence[str], about: str
) -> Figure:
  """The differences by FLOPs, a panel for each bin; arguments as of `text`."""
  panels = []
  for number in dict.fromkeys(row['bin'] for row in rows):
    own = [row for row in rows if row['bin'] == number]
    series = [
      _series(own, name, hue)
      for hue, name in ((6, BEST), *enumerate(others))
      if any(name in row['others'] for row in own)
    ]
    x = [row['flops'] for row in own]
    level = Series('', x, [0.0] * len(x), dashed=True, marker='none', hue=7)
    panels.append(
      Panel(
        'lines',
        f'Bin {number}' if number else 'All questions',
        by_budget.FLOPS,
        'difference in accuracy (points)',
        (level, *series),
        x_scale='log10',
      )
    )
  return Figure(
    'equal-flops',
    f'{arm} against others at equal FLOPs',
    f'{arm} less others at the same executed FLOPs, proposer and verifier '
    f'charged. Bands: 95% intervals paired by question. {about}',
    tuple(panels),
  )


def _check(table: Table, wanted: Sequence[str]) -> None:
  for name in wanted:
    if name not in table:
      raise ValueError(
        f'there is no arm {name!r}; there are {", ".join(table)}.'
      )
    if any(point.flops is None for point in table[name].values()):
      raise ValueError(f'{name!r} has no costs; sample its stage again.')


def _point(
  table: Table,
  inside: np.ndarray,
  arm: str,
  others: Sequence[str],
  generations: int,
) -> _Point:
  point = table[arm][generations]
  flops, found = float(point.flops[inside].mean()), {}
  for name in others:
    curve = {
      float(p.flops[inside].mean()): p.question[inside]
      for p in table[name].values()
    }
    at = interpolate.accuracy_at(curve, flops)
    if at is not None:
      found[name] = at
  return _Point(flops, point.question[inside], found)


def _row(seeds: Sequence[_Point]) -> dict[str, Any]:
  """What the points of all seeds say."""
  names = [
    name for name in seeds[0].others if all(name in s.others for s in seeds)
  ]
  found = {
    name: _compared([np.stack([s.own, s.others[name]]) for s in seeds])
    for name in names
  }
  if names:
    found[BEST] = _compared(
      [np.stack([s.own, *(s.others[name] for name in names)]) for s in seeds]
    )
  return {
    'flops': float(np.mean([s.flops for s in seeds])),
    'accuracy': 100 * float(np.mean([s.own.mean() for s in seeds])),
    'others': found,
  }


def _compared(rows: Sequence[np.ndarray]) -> dict[str, Any]:
  """The first of [K, Q] against the best of the others."""
  best = lambda m: 100 * m[..., 1:].max(-1)
  return {
    'accuracy': bootstrap.drawn(rows, best).estimate,
    'difference': bootstrap.interval(rows, lambda m: 100 * m[..., 0] - best(m)),
  }


def _shown(cell: Mapping[str, Any] | None) -> str:
  return '-' if cell is None else words.difference(cell['difference'])


def _series(rows: Sequence[Mapping[str, Any]], name: str, hue: int) -> Series:
  """Differences to one of the others; the best has a band."""
  there = [row for row in rows if name in row['others']]
  y, low, high = zip(
    *(row['others'][name]['difference'] for row in there), strict=True
  )
  band = {'low': low, 'high': high} if name == BEST else {}
  return Series(name, tuple(row['flops'] for row in there), y, hue=hue, **band)
