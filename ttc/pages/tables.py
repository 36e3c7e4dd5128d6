"""Tables of a page below its claims: question sets, skipped, cost, time."""

from collections.abc import Mapping, Sequence
from typing import Any

from ttc.pages import elements, numbers
from ttc.runtime.safe_text import as_html


def question_sets(sets: Mapping[str, Mapping]) -> str:
  """Outcomes of the base model on each set."""
  columns = ('pass@1', 'truncated', 'unparsable')
  rows = [
    [
      as_html(name),
      str(s['questions']),
      str(s['samples']),
      *(f'{s[column]:.1f} %' for column in columns),
    ]
    for name, s in sets.items()
  ]
  header = ['Set', 'Questions', 'Samples', 'pass@1', 'Cut short', 'Unparsable']
  return elements.table(header, rows, (1, 2, 3, 4, 5)) if rows else ''


def skipped(skipped: Sequence[Mapping[str, Any]]) -> str:
  """Every question that a stage skipped, and why."""
  rows = [
    [
      f'{as_html(row["stage"])} (seed {row["seed"]})',
      str(row['question']),
      as_html(row['reason']),
      'all arms' if row['dropped'] else 'this strategy',
    ]
    for row in skipped
  ]
  note = (
    'A question that any strategy skipped is left out of all, and counts '
    'neither as right nor as wrong. A strategy that skipped every question '
    'counts as not run.'
  )
  table = elements.table(
    ['Stage', 'Question', 'Why', 'Left out of'], rows, (1,)
  )
  title = f'All skipped ({len(rows)})'
  return (
    elements.paragraph(note) + elements.folded(title, table) if rows else ''
  )


def costs(costs: Sequence[Mapping[str, Any]]) -> str:
  """What the answers of each pool cost."""
  kinds = sorted({kind for row in costs for kind in row['tokens']})
  rows = []
  for row in costs:
    spent, flops = [row['tokens'].get(kind) for kind in kinds], row['flops']
    rows.append(
      [
        as_html(row['stage']),
        as_html(row['strategy']),
        str(row['budget']),
        as_html(row['of']),
        *(
          [
            f'{numbers.flops(flops["useful"])} / '
            f'{numbers.flops(flops["executed"])}',
            f'{flops["executed"] / flops["useful"]:.2f}',
            numbers.flops(flops['paper']),
          ]
          if flops
          else ['', '', '']
        ),
        *('' if s is None else f'{s[0]:,.0f} / {s[1]:,.0f}' for s in spent),
      ]
    )
  header = [
    'Stage',
    'Strategy',
    'Budget',
    'Of',
    'FLOPs',
    'Executed / useful',
    "FLOPs, the paper's",
    *(kind.replace('_', ' ') for kind in kinds),
  ]
  note = (
    'Means per question for the answers that a row names, useful / executed: '
    'exact FLOPs of the programs (matrix products and attention at the lengths '
    'they ran), then token-forwards by kind. Executed counts padding and lanes '
    'without a row as well. The paper charges 2 FLOPs per parameter and '
    'sampled token. The samples of the difficulty stage are not charged to any '
    'strategy above; a policy needs them.'
  )
  table = elements.table(header, rows, (2, *range(4, len(header))))
  return (
    elements.paragraph(note) + elements.folded('All pools', table)
    if rows
    else ''
  )


def seconds(seconds: Mapping[str, float]) -> str:
  """Wall-clock seconds by stage, with bars that compare them."""
  most = max(seconds.values(), default=0)
  rows = [
    [
      as_html(stage),
      f'{s:,.1f} s',
      f'<meter min="0" max="{most:.1f}" value="{s:.1f}">{s:,.1f} s</meter>',
    ]
    for stage, s in seconds.items()
  ]
  rows.append(['all', f'{sum(seconds.values()):,.1f} s', ''])
  return (
    elements.table(['Stage', 'Wall time', ''], rows, (1,)) if seconds else ''
  )
