"""Numbers as a page shows them: real minus signs, powers of ten, units."""

from collections.abc import Sequence

from ttc.claims import words

MINUS = '−'
_DIGITS = str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹')


def percent(value: float | None) -> str:
  """'84.9 %'; '' for what was not measured."""
  return '' if value is None else f'{value:.1f} %'


def points(value: float | None) -> str:
  """'+3.1', '−0.6' or '0.0'."""
  return '' if value is None else words.signed(value, minus=MINUS)


def between(interval: Sequence[float | None], signed: bool = False) -> str:
  """'[79.9, 89.8]'; '' without bounds."""
  low, high = interval
  if low is None or high is None:
    return ''
  if signed:
    return f'[{points(low)}, {points(high)}]'
  return f'[{low:.1f}, {high:.1f}]'


def flops(value: float | None) -> str:
  """'3.01·10⁸'; 'unknown' for None."""
  if value is None:
    return 'unknown'
  mantissa, exponent = f'{value:.2e}'.split('e')
  return f'{mantissa}·{power(int(exponent))}'


def power(exponent: int) -> str:
  """'10⁸'."""
  return f'10{str(exponent).translate(_DIGITS)}'


def times(value: float | None, of: float | None) -> str:
  """How many times another number: '9.1×'; '' where one is unknown."""
  return f'{value / of:.3g}×' if value is not None and of else ''
