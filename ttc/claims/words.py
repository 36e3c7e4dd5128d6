"""Claims in words: an estimate with its interval, and how many hold."""

import collections
from collections.abc import Sequence

from ttc.claims.verdicts import Claim


def number(claim: Claim, minus: str = '-') -> str:
  """Estimate and interval of a claim, e.g. '+5.2 points [+2.9, +8.3]'.

  Differences have a sign, bounds too; factors and percentages have none. Where
  a claim is not decided, why not: '+0.1 points [-0.1, +0.2]: the interval …'.

  Args:
    claim: of any unit.
    minus: the sign of what is below 0; a page has a real one.
  """
  reason = f': {claim.why}' if claim.why else ''
  if claim.estimate is None:
    return f'{claim.verdict}{reason}'
  written = lambda value: signed(value, claim.unit, minus)
  unit = ' ×' if claim.unit == 'factor' else f' {claim.unit}'
  text = f'{written(claim.estimate)}{unit}'
  low, high = claim.interval
  if low is None or high is None:
    return f'{text} (no interval){reason}'
  return f'{text} [{written(low)}, {written(high)}]{reason}'


def difference(found: Sequence[float | None], digits: int = 1) -> str:
  """'+5.2 [2.9, 8.3]', or '+5.2' without bounds.

  Args:
    found: (estimate, low, high), as `bootstrap.interval` gives them.
    digits: after the point.
  """
  estimate, low, high = found
  if low is None:
    return f'{estimate:+.{digits}f}'
  return f'{estimate:+.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]'


def signed(value: float, unit: str = 'points', minus: str = '-') -> str:
  """A number with the digits of its unit; what rounds to 0 has no sign."""
  digits = 2 if unit in ('AUC', 'factor') else 1
  sign = '+' if unit == 'points' else ''
  text = f'{value:{sign}.{digits}f}'
  if not text.strip('+-0.'):
    text = text.lstrip('+-')
  return text.replace('-', minus)


def tally(claims: Sequence[Claim]) -> str:
  """Numbers of claims that hold, do not, are open, or cannot be measured."""
  count = collections.Counter(c.verdict for c in claims)
  return (
    f'claims: {count["holds"]} hold, {count["does not hold"]} do not, '
    f'{count["undecided"]} are undecided, '
    f'{count["not measurable"]} not measurable here (judged together: of those '
    'decided less than 5 % are expected to be wrong)'
  )
