r"""Numbers as they are written: 12, .5, 1.5e-07, 0.1\overline{6}."""

from fractions import Fraction
import re

from ttc.expressions.node import Node

MAX_DIGITS = 2000

_PLAIN = re.compile(r'\d++(?:\.\d*+)?|\.\d++')
_REPEATING = re.compile(r'\s*+\\overline\s*+\{\s*+(\d{1,50})\s*+\}')
# Digits, e and digits without a space, as computers write numbers. A letter may
# follow, as in 1e5x.
_NOTHING_ATTACHED = r'(?![\d_.^!{(\\])'
_SCIENTIFIC = re.compile(
  rf'(\d++\.\d*+|\.\d++)[eE]([+-]?\d{{1,9}}){_NOTHING_ATTACHED}'
  rf'|(\d++)[eE](\d{{1,9}}){_NOTHING_ATTACHED}'
)
# With a sign and no point, 2e-1 may also be 2e - 1, as in e^2 - 2e-1. It is a
# number where it is all there is, but for a unit.
_SIGNED = re.compile(r'(\d++)[eE]([+-]\d{1,9})(?=\s*+%?+\s*+$|\s++[A-Za-z])')
_MAX_PERIOD = 20
_MAX_BEFORE = 8  # spaces and signs
_MAX_POWER = 999  # larger powers of ten are not written out
_TEN = Node('number', (Fraction(10),))


def read(text: str, at: int) -> tuple[Node, int] | None:
  """The number at a place of a text, and where it ends; None if none is."""
  match = _SCIENTIFIC.match(text, at)
  if not match and at <= _MAX_BEFORE and not text[:at].strip(' +-'):
    match = _SIGNED.match(text, at)
  if match:
    digits, exponent = (group for group in match.groups() if group)
    short = len(digits) <= MAX_DIGITS
    return (_scientific(digits, int(exponent)), match.end()) if short else None
  match = _PLAIN.match(text, at)
  if (
    not match or len(match[0]) > MAX_DIGITS or text.startswith('.', match.end())
  ):
    return None
  repeating = '.' in match[0] and _REPEATING.match(text, match.end())
  if repeating:
    return _number(_repeated(match[0], repeating[1])), repeating.end()
  return _number(Fraction(match[0].rstrip('.'))), match.end()


def period(digits: str) -> str:
  """The period at the end of digits after a point, as in 0.1666...; '' if none.

  It is seen three times, or twice if nothing else precedes: 2.718281828... has
  none.
  """
  for size in range(1, _MAX_PERIOD + 1):
    found = digits[-size:]
    twice = digits == 2 * found and size > 1
    if twice or (len(digits) >= 3 * size and digits.endswith(3 * found)):
      return found
  return ''


def _number(value: Fraction) -> Node:
  return Node('number', (value,))


def _scientific(digits: str, power: int) -> Node:
  if abs(power) <= _MAX_POWER:
    return _number(Fraction(digits) * Fraction(10) ** power)
  ten = Node('power', (_TEN, _number(Fraction(power))))
  return Node('multiply', (_number(Fraction(digits)), ten))


def _repeated(digits: str, period: str) -> Fraction:
  """The value of 0.1232323…, for 0.1 and 23."""
  places = len(digits.partition('.')[2])
  head = Fraction(digits.rstrip('.') or '0')
  return head + Fraction(int(period), 10**places * (10 ** len(period) - 1))
