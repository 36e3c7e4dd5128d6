"""Compares expressions with 200 digits: whether they agree where both are real.

Expressions of the size of an answer that agree to 120 digits are taken as the
same. That would not hold where something tiny is lost beside something large,
as in 1 + 1/2025! or cos(10^{-90}). Such values can show that expressions
differ, and never that they are the same.
"""

from collections.abc import Mapping
from fractions import Fraction

from ttc.expressions.node import Node, symbols
from ttc.expressions.numeric import (
  BranchError,
  call_by_name,
  evaluate,
  points,
  UndefinedError,
  UnsureError,
)

_DIGITS = 200
_SAME = 1e-120  # relative
_POSITIVE = 3  # first points, where expressions are most likely to be meant
_WIDE = 1e25  # largest ratio of what is added, or size of an argument
_NEAR = 1e-50  # less between values of a function may hide a difference
_LARGEST_EXPONENT = 1e12
_LARGEST_HYPERBOLIC = 100  # beyond, tanh(x) is 1 to too many digits
_LARGEST_ROUNDED = 1e25
_HYPERBOLIC = ('sinh', 'cosh', 'tanh')


def same(a: Node, b: Node) -> bool | None:
  """Whether two expressions agree; None if the digits cannot tell.

  Points count at which both are real, as far as roots and logarithms go: so
  sqrt(ab) is sqrt(a) sqrt(b), and sqrt(x^2) is not x. Where there is no such
  point, principal values count, and must agree everywhere.
  """
  import mpmath

  names = symbols(a) | symbols(b)
  places = points(names)
  with mpmath.workdps(_DIGITS):
    real = _Digits(mpmath)
    agreed = False
    for place in places:
      truth = _agree(a, b, place, real)
      if truth is False:
        return False
      agreed |= truth is True
    if agreed:
      return True
    principal = _Digits(mpmath, branches=True)
    found = [_agree(a, b, place, principal) for place in places]
  if False in found[:_POSITIVE]:
    return False
  return True if all(found) else None


def _agree(
  a: Node, b: Node, values: Mapping[str, float], digits: '_Digits'
) -> bool | None:
  found = []
  digits.lossy = False
  for node in (a, b):
    try:
      found.append(evaluate(node, values, digits))
    except UndefinedError:
      found.append(None)
    except (ArithmeticError, ValueError, TypeError):
      return None
  x, y = found
  if not all(x is None or digits.is_finite(x) for x in found):
    return None
  if x is None or y is None:
    # With symbols one may have a pole that the other fills in.
    return None if values else False
  if abs(x - y) > _SAME * max(abs(x), abs(y)):
    return False
  return None if digits.lossy else True


class _Digits:
  """Real and complex numbers of mpmath.

  Attributes:
    lossy: whether the digits of a value so far may not show a small part of it.
  """

  def __init__(self, mpmath, branches: bool = False):
    self._mp = mpmath
    self._branches = branches
    self.lossy = False

  def is_finite(self, value) -> bool:
    return self._mp.isfinite(value)

  def number(self, value: Fraction):
    return self._mp.mpf(value.numerator) / value.denominator

  def constant(self, name: str):
    if name == 'infinity':
      raise UnsureError('infinity')
    return self._mp.mpc(0, 1) if name == 'i' else +getattr(self._mp, name)

  def add(self, *terms):
    sizes = [abs(term) for term in terms if term]
    if not sizes:
      return terms[0]
    largest = max(sizes)
    self.lossy |= largest > _WIDE * min(sizes)
    total = sum(terms[1:], start=terms[0])
    if abs(total) * _WIDE < largest:
      return self._zero(total, _SAME * largest)
    return total

  def multiply(self, *factors):
    return self._mp.fprod(factors)

  def divide(self, over, under):
    if under == 0:
      raise UndefinedError('a division by zero')
    return over / under

  def power(self, base, exponent):
    base, exponent = self._plain(base), self._plain(exponent)
    if base == 0:
      if not self._is_real(exponent) or exponent <= 0:
        raise UndefinedError('zero to a power that is not positive')
      return base
    whole = self._mp.isint(exponent)
    if not (whole or (self._is_real(base) and base > 0)):
      self._branch()
    self.lossy |= 0 < abs(exponent) < 1 / _WIDE
    if abs(exponent) * (1 + abs(self._mp.mag(base))) > _LARGEST_EXPONENT:
      raise UnsureError('a power too large or small')
    return self._apart_from_integers(self._mp.power(base, exponent))

  def root(self, degree, radicand):
    degree, radicand = self._plain(degree), self._plain(radicand)
    odd = self._mp.isint(degree) and degree % 2 == 1
    if odd and self._is_real(radicand) and radicand < 0:
      return -self.power(-radicand, 1 / degree)
    if radicand and degree == 2:
      if not self._is_real(radicand) or radicand < 0:
        self._branch()
      return self._apart_from_integers(self._mp.sqrt(radicand))
    if degree == 0:
      raise UndefinedError('a root of degree zero')
    return self.power(radicand, 1 / degree)

  def log(self, base, argument):
    base, argument = self._log(base), self._log(argument)
    return self.divide(argument, base)

  def _log(self, value):
    value = self._plain(value)
    if value == 0:
      raise UndefinedError('the logarithm of zero')
    if not self._is_real(value) or value < 0:
      self._branch()
    return self._shown(self._mp.log(value), 1)

  def binomial(self, total, chosen):
    n, k = self._plain(total), self._plain(chosen)
    if not all(map(self._is_real, (n, k))) or max(abs(n), abs(k)) > 1e6:
      raise UnsureError('a binomial coefficient of these numbers')
    return self._mp.binomial(n, k)

  def call(self, name: str, argument):
    argument = self._plain(argument)
    if name in ('factorial', 'floor', 'ceiling'):
      if not self._is_real(argument) or abs(argument) > _LARGEST_ROUNDED:
        raise UnsureError(f'{name} of something that is not a number')
      return self._of_integers(name, argument)
    size = abs(argument)
    if size > _WIDE:
      raise UnsureError(f'{name} of a large number')
    self.lossy |= 0 < size < 1 / _WIDE
    self.lossy |= name in _HYPERBOLIC and size > _LARGEST_HYPERBOLIC
    if name in ('arcsin', 'arccos') and not (
      self._is_real(argument) and abs(argument) <= 1
    ):
      self._branch()
    value = call_by_name(self._mp, name, argument)
    return self._shown(value, min(1, size))

  def _of_integers(self, name: str, argument):
    if name == 'factorial':
      return self._mp.factorial(argument)
    if abs(argument - self._mp.nint(argument)) < _NEAR:
      raise UnsureError('rounding at an integer')
    down = name == 'floor'
    return self._mp.floor(argument) if down else self._mp.ceil(argument)

  def _shown(self, value, scale):
    """A value of a function that has zeros and poles."""
    size = abs(value)
    if size > 1 / _SAME:
      raise UndefinedError('a pole')
    if size < _NEAR * scale:
      return self._zero(value, _SAME * scale)
    return self._apart_from_integers(value)

  def _zero(self, value, rounding):
    """Zero for a value that is no more than rounding."""
    if self.lossy or abs(value) > rounding:
      raise UnsureError('what is left of digits that cancel')
    return value * 0

  def _apart_from_integers(self, value):
    """A value, which may be so near to 1, say, that what differs is lost."""
    if 0.5 < abs(value) < _WIDE:
      rest = abs(value - self._mp.nint(value.real))
      self.lossy |= bool(_SAME < rest < _NEAR)
    return value

  def _plain(self, value):
    flat = isinstance(value, self._mp.mpc) and not value.imag
    return value.real if flat else value

  def _is_real(self, value) -> bool:
    return isinstance(value, self._mp.mpf)

  def _branch(self) -> None:
    if not self._branches:
      raise BranchError('a value on one of several branches')
