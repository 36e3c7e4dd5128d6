"""The report as text: the result first, then tables."""

from collections.abc import Mapping, Sequence
import itertools
from typing import Any

from ttc.analysis.bootstrap import Claim

MARKS = {True: 'holds', False: 'does not hold', None: 'undecided'}
_CELL = 7

TableRow = Mapping[str, Any]


def render(
  title: str,
  findings: Sequence[Claim],
  overview: str,
  claims: Sequence[Claim],
) -> str:
  """Lines of at most some 100 columns.

  Args:
    title: the first line.
    findings: the claims to show in full.
    overview: of `overview`.
    claims: all of them, to be counted.
  """
  lines = [title, '']
  for claim in findings:
    lines += [
      f'{MARKS[claim.holds]:>13}  {claim.statement}',
      f'{"":>13}  {number(claim)}',
    ]
  lines += ['', overview, '', tally(claims)]
  return '\n'.join(lines)


def overview(tables: Mapping[str, Any]) -> str:
  """The tables of a summary that people look at first, as text."""
  parts = [
    grids(tables['accuracy']),
    bins(tables['bins']),
    pools(tables['answers'], tables['costs']),
    skipped(tables['skipped']),
  ]
  return '\n\n'.join(part for part in parts if part)


def bins(table: Mapping[str, Mapping[str, Sequence]]) -> str:
  """Difficulty: how many questions, how many of their answers right or cut."""
  lines = []
  for kind, rows in table.items():
    places = range(1, len(rows['questions']) + 1)
    lines.append(_line(f'{kind} bins', places))
    lines += [
      _line(name, [_digits(v, digits) for v in rows[key]])
      for name, key, digits in (
        ('  questions', 'questions', 0),
        ('  pass@1 %', 'pass@1', 1),
        ('  answers cut short %', 'truncated', 1),
      )
    ]
  return '\n'.join(lines)


def pools(answers: Sequence[TableRow], costs: Sequence[TableRow]) -> str:
  """A line for each pool: its answers, and what it took.

  Args:
    answers, costs: of `ledger`, the same pools in the same order.
  """
  names = [
    f'{row["stage"]}: {row["strategy"]}, N={row["budget"]}' for row in answers
  ]
  width = max(map(len, names), default=0)
  heads = ('right', 'whole', 'cut', 'none', 'FLOPs', '/useful', '/paper')
  lines = [
    'answers %: right, right of those not cut short, cut short, unparsable',
    'FLOPs a question: exact as executed, over the useful ones, over the '
    "paper's 2 a parameter and sampled token",
    ' ' * width + ''.join(f'{h:>9}' for h in heads),
  ]
  for name, row, cost in zip(names, answers, costs, strict=True):
    cells = [
      _digits(row[key], 1)
      for key in ('right', 'finished', 'truncated', 'unparsable')
    ]
    if spent := cost['flops']:
      cells += [
        f'{spent["executed"]:.2g}',
        f'{spent["executed"] / spent["useful"]:.2f}',
        f'{spent["executed"] / spent["paper"]:.2f}',
      ]
    lines.append(f'{name:<{width}}' + ''.join(f'{c:>9}' for c in cells))
  return '\n'.join(lines) if answers else ''


def skipped(rows: Sequence[TableRow]) -> str:
  """A line for each stage that left questions out; '' where none did."""
  lines = []
  alike = lambda row: (row['seed'], row['stage'], row['dropped'])
  for (seed, stage, dropped), group in itertools.groupby(
    sorted(rows, key=alike), alike
  ):
    group = list(group)
    fate = (
      'left out of all arms'
      if dropped
      else 'by strategies that answered none, so count as not run'
    )
    lines.append(
      f'skipped by {stage} (seed {seed}): {len(group)} '
      f'question{"s" * (len(group) > 1)}, {fate}; question '
      f'{group[0]["question"]}: {group[0]["reason"]}'
    )
  return '\n'.join(lines)


def grids(accuracy: Mapping[str, Mapping[str, Sequence[Mapping]]]) -> str:
  """All groups, their columns aligned."""
  width = max(
    (len(name) for table in accuracy.values() for name in table), default=0
  )
  return '\n\n'.join(
    '\n'.join(_grid(f'accuracy %, {group}', table, max(width, 24)))
    for group, table in accuracy.items()
  )


def _line(name: str, cells: Sequence) -> str:
  return f'{name:<24}' + ''.join(f'{cell:>{_CELL}}' for cell in cells)


def _digits(value: float | None, digits: int) -> str:
  return '' if value is None else f'{value:.{digits}f}'


def _grid(
  title: str, table: Mapping[str, Sequence[Mapping]], width: int
) -> list[str]:
  """A header of budgets and a line for each name."""
  budgets = sorted({row['budget'] for rows in table.values() for row in rows})
  lines = [f'{title:<{width}}' + ''.join(f'{n:>{_CELL}}' for n in budgets)]
  for name, rows in table.items():
    found = {row['budget']: row['accuracy'] for row in rows}
    cells = [_digits(found.get(n), 1) for n in budgets]
    lines.append(
      (
        f'{name:<{width}}' + ''.join(f'{cell:>{_CELL}}' for cell in cells)
      ).rstrip()
    )
  return lines


def number(claim: Claim) -> str:
  """'+5.2 points [2.9, 8.3]', as far as it is known."""
  if claim.estimate is None:
    return 'not measurable here'
  sign = '+' if claim.unit == 'points' else ''
  digits = 2 if claim.unit in ('AUC', 'factor') else 1
  text = f'{claim.estimate:{sign}.{digits}f} {claim.unit}'
  low, high = claim.interval
  if low is None or high is None:
    return f'{text} (no interval)'
  return f'{text} [{low:.{digits}f}, {high:.{digits}f}]'


def tally(claims: Sequence[Claim]) -> str:
  """How many claims hold, do not, are undecided."""
  count = {holds: sum(c.holds is holds for c in claims) for holds in MARKS}
  return (
    f'claims: {count[True]} hold, {count[False]} do not, '
    f'{count[None]} are undecided'
  )
