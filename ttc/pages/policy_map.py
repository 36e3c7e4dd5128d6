"""The policy as a map: difficulty and budget to an arm."""

from collections.abc import Mapping, Sequence
import itertools
from typing import Any

from ttc.pages import elements
from ttc.runtime.safe_text import as_html

TableRow = Mapping[str, Any]

_HUES = 8  # that the style sheet has; more arms share the last


def html(rows: Sequence[TableRow]) -> str:
  """One map for each policy; the first is shown, the others are folded.

  Args:
    rows: of `tables.policies`: shares of the fits that chose an arm.
  """
  key = lambda row: (row['side'], row['bins'])
  # Bins that are predicted need no gold answers, so they come first.
  order = lambda row: (
    row['side'] != 'search',
    row['side'],
    row['bins'] == 'oracle',
  )
  maps = [
    (f'{side[:1].upper()}{side[1:]}, {bins} difficulty', list(own))
    for (side, bins), own in itertools.groupby(sorted(rows, key=order), key)
  ]
  if not maps:
    return ''
  note = (
    'The arm that each difficulty bin takes at each budget, and the share of '
    'the cross-fits that chose it. Where it is far below 100 % the choice '
    'hangs on the questions that happened to be asked.'
  )
  return '\n'.join(
    [
      elements.paragraph(note),
      _map(*maps[0]),
      *(elements.folded(title, _map(title, own)) for title, own in maps[1:]),
    ]
  )


def _map(title: str, rows: Sequence[TableRow]) -> str:
  budgets = sorted({row['budget'] for row in rows})
  bins = sorted({row['bin'] for row in rows})
  share = {(row['bin'], row['budget']): row['share'] for row in rows}
  # An arm that competes with less than the budget keeps its colour.
  tops = [_strategy(max(s, key=s.get)) for s in share.values() if s]
  hues = {arm: min(i, _HUES - 1) for i, arm in enumerate(dict.fromkeys(tops))}
  lines = []
  for bin in bins:
    name = f'bin {bin}' + {bins[0]: ', easiest', bins[-1]: ', hardest'}.get(
      bin, ''
    )
    lines.append(
      [name, *(_cell(share.get((bin, n), {}), hues) for n in budgets)]
    )
  header = ['Difficulty', *(f'N = {n}' for n in budgets)]
  table = elements.table(header, lines, (), title)
  return f'<div class="map">{table}</div>'


def _cell(share: Mapping[str, float], hues: Mapping[str, int]) -> str:
  if not share:
    return ''
  first, *rest = sorted(share, key=lambda arm: -share[arm])
  others = ', '.join(f'{arm} {100 * share[arm]:.0f} %' for arm in rest)
  title = f' title="else {as_html(others)}"' if others else ''
  return (
    f'<span class="arm hue{hues[_strategy(first)]}"{title}>{as_html(first)}'
    f'<small>{100 * share[first]:.0f} %</small></span>'
  )


def _strategy(arm: str) -> str:
  """An arm without the budget that `names.at` adds."""
  return arm.split(' at N=', maxsplit=1)[0]
