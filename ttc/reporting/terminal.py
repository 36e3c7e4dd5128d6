"""The report as text for a terminal: findings first, then tables."""

from collections.abc import Mapping, Sequence
import itertools
from typing import Any

from ttc.allocation import accounts
from ttc.claims import words
from ttc.claims.verdicts import Claim
from ttc.runtime.safe_text import printable

_COLUMN = 7  # characters per number

TableRow = Mapping[str, Any]


def render(
  title: str, findings: Sequence[Claim], overview: str, claims: Sequence[Claim]
) -> str:
  """The report as lines of at most about 100 columns.

  Args:
    title: the first line.
    findings: claims to print in full.
    overview: the text that `overview` returns.
    claims: all claims, to be counted.
  """
  lines = [title, '']
  for claim in findings:
    lines += [
      f'{claim.verdict:>14}  {claim.statement}',
      f'{"":>14}  {words.number(claim)}',
    ]
  lines += ['', overview, '', words.tally(claims)]
  return printable('\n'.join(lines))


def overview(tables: Mapping[str, Any]) -> str:
  """The main tables of summary.json as text."""
  parts = [
    accounts.text(tables['allocation']),
    grids(tables['accuracy']),
    bins(tables['bins']),
    pools(tables['answers'], tables['costs']),
    skipped(tables['skipped']),
  ]
  return '\n\n'.join(part for part in parts if part)


def bins(table: Mapping[str, Mapping[str, Sequence]]) -> str:
  """Questions, pass@1 and truncated answers of each difficulty bin."""
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
  """One line per pool or part of it: outcomes of its answers, and FLOPs.

  Args:
    answers, costs: tables of `pool_tables`, same pools in the same order.
  """
  names = [
    f'{row["stage"]}: {row["strategy"]}, N={row["budget"]}, {row["of"]}'
    for row in answers
  ]
  width = max(map(len, names), default=0)
  heads = ('right', 'whole', 'cut', 'none', 'FLOPs', '/useful', '/paper')
  lines = [
    'single answers % (pass@1, none selected): right, right of those not cut '
    'short, cut short, unparsable',
    'FLOPs per question for the answers that the row names: exact as executed, '
    "over the useful ones, over the paper's 2 per parameter and sampled token",
    ' ' * width + ''.join(f'{h:>9}' for h in heads),
  ]
  for name, row, cost in zip(names, answers, costs, strict=True):
    entries = [
      _digits(row[key], 1)
      for key in ('right', 'finished', 'truncated', 'unparsable')
    ]
    if spent := cost['flops']:
      entries += [
        f'{spent["executed"]:.2g}',
        f'{spent["executed"] / spent["useful"]:.2f}',
        f'{spent["executed"] / spent["paper"]:.2f}',
      ]
    lines.append(f'{name:<{width}}' + ''.join(f'{e:>9}' for e in entries))
  return '\n'.join(lines) if answers else ''


def skipped(rows: Sequence[TableRow]) -> str:
  """One line per seed and stage that skipped questions; '' if none did."""
  lines = []
  key = lambda row: (row['seed'], row['stage'], row['dropped'])
  for (seed, stage, dropped), group in itertools.groupby(
    sorted(rows, key=key), key
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
  """Accuracy by budget, one grid per group, with aligned columns."""
  width = max(
    (len(name) for table in accuracy.values() for name in table), default=0
  )
  return '\n\n'.join(
    '\n'.join(_grid(f'accuracy %, {group}', table, max(width, 24)))
    for group, table in accuracy.items()
  )


def _line(name: str, entries: Sequence) -> str:
  return f'{name:<24}' + ''.join(f'{e:>{_COLUMN}}' for e in entries)


def _digits(value: float | None, digits: int) -> str:
  return '' if value is None else f'{value:.{digits}f}'


def _grid(
  title: str, table: Mapping[str, Sequence[Mapping]], width: int
) -> list[str]:
  """A header of budgets, then one line per curve."""
  budgets = sorted({row['budget'] for rows in table.values() for row in rows})
  lines = [f'{title:<{width}}' + ''.join(f'{n:>{_COLUMN}}' for n in budgets)]
  for name, rows in table.items():
    accuracy = {row['budget']: row['accuracy'] for row in rows}
    entries = [_digits(accuracy.get(n), 1) for n in budgets]
    line = f'{name:<{width}}' + ''.join(f'{e:>{_COLUMN}}' for e in entries)
    lines.append(line.rstrip())
  return lines
