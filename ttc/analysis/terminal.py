"""The report as text: the result first, then a table of accuracies."""

from collections.abc import Mapping, Sequence
from typing import Any

from ttc.analysis.evidence import Claim

MARKS = {True: 'holds', False: 'does not hold', None: 'undecided'}
_CELL = 7


def render(
    title: str,
    findings: Sequence[Claim],
    accuracy: Mapping[str, Any],
    claims: Sequence[Claim],
) -> str:
  """Lines of at most some 100 columns.

  Args:
    title: the first line.
    findings: the claims to show in full.
    accuracy: of `tables.accuracy`.
    claims: all of them, to be counted.
  """
  lines = [title, '']
  for claim in findings:
    lines += [f'{MARKS[claim.holds]:>13}  {claim.statement}',
              f'{"":>13}  {number(claim)}']
  lines += ['', grids(accuracy), '', tally(claims)]
  return '\n'.join(lines)


def grids(accuracy: Mapping[str, Mapping[str, Sequence[Mapping]]]) -> str:
  """All groups, their columns aligned."""
  width = max((len(name) for table in accuracy.values() for name in table),
              default=0)
  return '\n\n'.join(
      '\n'.join(_grid(f'accuracy %, {group}', table, max(width, 24)))
      for group, table in accuracy.items())


def _grid(title: str, table: Mapping[str, Sequence[Mapping]], width: int
          ) -> list[str]:
  """A header of budgets and a line for each name."""
  budgets = sorted({row['budget'] for rows in table.values() for row in rows})
  lines = [f'{title:<{width}}' + ''.join(f'{n:>{_CELL}}' for n in budgets)]
  for name, rows in table.items():
    found = {row['budget']: row['accuracy'] for row in rows}
    cells = [f'{found[n]:.1f}' if found.get(n) is not None else ''
             for n in budgets]
    lines.append((f'{name:<{width}}' + ''.join(
        f'{cell:>{_CELL}}' for cell in cells)).rstrip())
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
  return (f'claims: {count[True]} hold, {count[False]} do not, '
          f'{count[None]} are undecided')
