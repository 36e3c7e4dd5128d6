"""Rational numbers too large to write out, known by their residue.

Sums, products and powers of 2025! or 3^{10^{50}} cost microseconds modulo a
prime. Numbers of different residues are different. Numbers of the same residue
are taken as the same: by chance one pair in 10^231 is not.
"""

from __future__ import annotations

from fractions import Fraction
import functools

from ttc.expressions import budget

# Of RFC 2409, whose digits are those of pi, so that no number was made to fit
# it. It is twice a prime and one: powers of a number repeat only after 10^230.
_PRIME = int(
  'ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b13'
  '9b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576'
  '625e7ec6f44c42e9a63a3620ffffffffffffffff',
  16,
)
_PRIME_BITS = _PRIME.bit_length()
_SMALL_BITS = 320  # so that two such integers fit into the residue, with a rest
_LARGEST_FACTORIAL = 100_000
# Far below the period of powers, which somebody may know.
_LARGEST_EXPONENT = 10**100


class OutOfReachError(ArithmeticError):
  """The number takes too many steps, or has no residue."""


class Residue:
  """A rational number modulo a prime; its arithmetic mixes with Fractions."""

  __slots__ = ('_value',)
  __hash__ = None

  def __init__(self, value: int):
    self._value = value % _PRIME

  @classmethod
  def of(cls, number: Number | int) -> Residue:
    """The residue of a number; raises OutOfReachError."""
    if isinstance(number, Residue):
      return number
    return cls(number.numerator) * cls(number.denominator).inverse()

  def inverse(self) -> Residue:
    """1 divided by the number; raises OutOfReachError."""
    if not self._value:
      raise OutOfReachError('a number that the prime divides')
    return Residue(pow(self._value, -1, _PRIME))

  def __add__(self, other: Number | int) -> Residue:
    return Residue(self._value + Residue.of(other)._value)

  def __mul__(self, other: Number | int) -> Residue:
    return Residue(self._value * Residue.of(other)._value)

  __radd__, __rmul__ = __add__, __mul__

  def __neg__(self) -> Residue:
    return Residue(-self._value)

  def __truediv__(self, other: Number | int) -> Residue:
    return self * Residue.of(other).inverse()

  def __rtruediv__(self, other: Number | int) -> Residue:
    return self.inverse() * other

  def __pow__(self, exponent: int) -> Residue:
    if abs(exponent) > _LARGEST_EXPONENT:
      raise OutOfReachError('a power that may have come round')
    base = self if exponent >= 0 else self.inverse()
    budget.spend(exponent.bit_length() // 8)
    return Residue(pow(base._value, abs(exponent), _PRIME))

  def __eq__(self, other: Number | int) -> bool:
    return self._value == Residue.of(other)._value

  def __bool__(self) -> bool:
    return bool(self._value)

  def __str__(self) -> str:
    return f'~{self._value:x}'

  def simplest(self) -> Number:
    """The fraction of small numbers that has this residue, if there is one."""
    budget.spend(10)
    rest, other, above, under = _PRIME, self._value, 0, 1
    while other.bit_length() > _SMALL_BITS:
      quotient = rest // other
      rest, other = other, rest - quotient * other
      above, under = under, above - quotient * under
    small = under.bit_length() <= _SMALL_BITS
    return Fraction(other, under) if small else self


Number = Fraction | Residue


def is_small(value: Fraction) -> bool:
  """Whether `simplest` finds this fraction from its residue."""
  bits = max(value.numerator.bit_length(), value.denominator.bit_length())
  return bits <= _SMALL_BITS


def has_residue(value: Fraction) -> bool:
  """Whether a fraction has a residue: all have, but those made to have none."""
  under = value.denominator
  return under.bit_length() < _PRIME_BITS or under % _PRIME > 0


def text(value: Number) -> str:
  """A text that is the same for equal numbers, however they were computed."""
  if isinstance(value, Residue) or is_small(value):
    return str(value)
  return str(Residue.of(value))


def factorial(number: int) -> Residue:
  """The residue of number!, for a natural number; raises OutOfReachError."""
  return _falling(number, number)


def binomial(total: int, chosen: int) -> Residue:
  """The residue of a binomial coefficient; raises OutOfReachError."""
  chosen = min(chosen, total - chosen)
  return _falling(total, chosen) / factorial(chosen)


def _falling(largest: int, count: int) -> Residue:
  """The product of `count` integers downwards from the largest."""
  if count > _LARGEST_FACTORIAL:
    raise OutOfReachError('a factorial of a large number')
  # Also where the product is remembered: what can be computed must not depend
  # on what was.
  budget.spend(count // 40)
  return _product(largest, count)


@functools.lru_cache(maxsize=1024)
def _product(largest: int, count: int) -> Residue:
  product = 1
  for factor in range(largest, largest - count, -1):
    product = product * factor % _PRIME
  return Residue(product)
