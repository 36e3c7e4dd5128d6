"""Tables of what an allocation spent, on what, and why questions stopped."""

import collections
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ttc.allocation import comparison
from ttc.allocation.comparison import Comparison
from ttc.analysis.study import Study

TableRow = dict[str, Any]


def budgets(
  comparisons: Sequence[Comparison | None], studies: Sequence[Study]
) -> list[TableRow]:
  """One row per budget, means over questions and seeds.

  Args:
    comparisons: one per seed; [] is returned unless all seeds have one.
    studies: of the same seeds, for the difficulty of the questions.

  Returns:
    'budget' as configured; 'accuracy' and mean 'belief' in percent; 'flops' per
    question, executed; 'useful' and 'verifier', shares of them; 'attempts' per
    question; 'rounds', the most of any seed; 'stops', percent of the questions
    by reason; 'by_bin', FLOPs per question by oracle bin, None where a bin is
    empty or unknown, 'accuracy_by_bin' and 'belief_by_bin' in percent as it;
    'break_even', questions after which the FLOPs of fitting
    are saved against the best uniform arm of the nearest accuracy, None if
    they never are.
  """
  if not comparisons or not all(comparisons):
    return []
  rows = []
  for place in range(min(len(c.ledgers) for c in comparisons)):
    own = [c.ledgers[place] for c in comparisons]
    mean = lambda of, own=own: float(np.mean([of(ledger) for ledger in own]))
    stops = collections.Counter(s for ledger in own for s in ledger.stop)
    total = sum(stops.values())
    rows.append(
      {
        'budget': own[0].budget,
        'accuracy': 100 * mean(lambda x: x.correct.mean()),
        'belief': 100 * mean(lambda x: x.belief.mean()),
        'flops': mean(lambda x: x.flops.mean()),
        'useful': mean(lambda x: x.useful.sum() / x.flops.sum()),
        'verifier': mean(lambda x: x.verifier.sum() / x.flops.sum()),
        'attempts': mean(lambda x: x.attempts.mean()),
        'rounds': max(ledger.rounds for ledger in own),
        'stops': {k: 100 * n / total for k, n in sorted(stops.items())},
        'by_bin': _by_bin([x.flops for x in own], studies),
        'accuracy_by_bin': _by_bin([100 * x.correct for x in own], studies),
        'belief_by_bin': _by_bin([100 * x.belief for x in own], studies),
        'break_even': _break_even(comparisons, place),
      }
    )
  return rows


def _by_bin(of_seeds, studies) -> list[float | None]:
  """Means over the questions of each oracle bin, of [Q] by seed."""
  if not all('oracle' in s.bins for s in studies):
    return []
  bins = np.concatenate([s.bins['oracle'] for s in studies])
  values = np.concatenate(of_seeds)
  return [
    float(values[bins == k].mean()) if (bins == k).any() else None
    for k in range(1, int(bins.max()) + 1)
  ]


def _break_even(comparisons, place: int) -> float | None:
  """Questions after which fitting has paid for itself, mean over seeds."""
  needed = []
  for own in comparisons:
    ledger = own.ledgers[place]
    uniform = own.curves[comparison.UNIFORM]
    wanted = ledger.correct.mean()
    spent = comparison.flops_at(
      np.array([p.right.mean() for p in uniform]),
      np.array([p.flops.mean() for p in uniform]),
      wanted,
    )
    # An accuracy that no uniform arm reaches: what the dearest takes, at least.
    spent = uniform[-1].flops.mean() if np.isnan(spent) else spent
    saved = spent - ledger.flops.mean()
    if saved <= 0:
      return None
    needed.append(own.fitted / saved)
  return float(np.mean(needed))


def text(rows: Sequence[Mapping[str, Any]]) -> str:
  """The table for a terminal; '' if there is none."""
  if not rows:
    return ''
  lines = [
    'allocation, per question: executed FLOPs, accuracy and belief %, attempts,'
    ' rounds, break-even questions; why questions stopped'
  ]
  for row in rows:
    stops = ', '.join(f'{k} {v:.0f}%' for k, v in row['stops'].items())
    even = row['break_even']
    lines.append(
      f'  {row["budget"]:>6g}{row["flops"]:>10.2e}{row["accuracy"]:>7.1f}'
      f'{row["belief"]:>7.1f}{row["attempts"]:>7.1f}{row["rounds"]:>4}'
      f'{"-" if even is None else f"{even:.0f}":>9}  {stops}'
    )
  return '\n'.join(lines)
