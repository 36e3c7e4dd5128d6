"""Expressions compared with sixty digits, by mpmath: for workers only."""

from fractions import Fraction

from ttc.grading import numeric
from ttc.grading.expression import Node
from ttc.grading.numeric import UndefinedError, UnsureError

_DIGITS = 60
_LARGEST = 1e25  # beyond, a small difference hides behind the digits
_CANCELS, _SAME = 1e-12, 1e-40  # relative


def same(a: Node, b: Node) -> bool | None:
  """Whether two expressions have the same value everywhere; None if unsure.

  Where they agree for positive symbols only, as x and |x| do, it is unsure.
  """
  import mpmath

  names = numeric.symbols_of(a) | numeric.symbols_of(b)
  with mpmath.workdps(_DIGITS):
    digits = _Digits(mpmath)
    try:
      if not all(_agree(a, b, p, digits) for p in numeric.points(names)):
        return False
      signed = numeric.points(names, signed=True) if names else ()
      return all(_agree(a, b, p, digits) for p in signed) or None
    except (ArithmeticError, ValueError, TypeError):
      return None


def _agree(a: Node, b: Node, symbols: dict[str, float], digits) -> bool:
  x, y = (_bounded(numeric.evaluate(node, symbols, digits)) for node in (a, b))
  return abs(x - y) <= _SAME * max(abs(x), abs(y))


def _bounded(value):
  size = abs(value)
  if size and not 1 / _LARGEST < size < _LARGEST:
    raise UnsureError('too large or small for the digits')
  return value


class _Digits:
  """numeric.Numbers of mpmath."""

  def __init__(self, mpmath):
    self._mp = mpmath

  def number(self, value: Fraction):
    return _bounded(self._mp.mpf(value.numerator) / value.denominator)

  def constant(self, name: str):
    if name == 'infinity':
      raise UnsureError('infinity')
    return self._mp.mpc(0, 1) if name == 'i' else +getattr(self._mp, name)

  def add(self, *terms):
    total = sum(terms[1:], start=terms[0])
    if abs(total) < _CANCELS * max(map(abs, terms)):
      raise UnsureError('a sum that cancels')
    return _bounded(total)

  def power(self, base, exponent):
    if base == 0:
      raise UnsureError('a power of zero')
    if abs(exponent) * max(1, abs(self._mp.log(base))) > 100:
      raise UnsureError('a power too large or small for the digits')
    return _bounded(self._mp.power(base, exponent))

  def root(self, degree, radicand):
    if self._is_real(radicand) and radicand < 0 and degree in (3, 5, 7, 9):
      return -self._mp.root(-radicand, int(degree))
    return self._mp.sqrt(radicand) if degree == 2 else radicand ** (1 / degree)

  def log(self, base, argument):
    if base == 0 or argument == 0:
      raise UndefinedError('the logarithm of zero')
    return self._mp.log(argument) / self._mp.log(base)

  def call(self, name: str, argument):
    if name not in ('factorial', 'floor', 'ceiling'):
      return numeric.call_by_name(self._mp, name, argument)
    if not self._is_real(argument):
      raise UnsureError(f'{name} of something that is not a number')
    if name == 'factorial':
      return _bounded(self._mp.gamma(argument + 1))
    if abs(argument - self._mp.nint(argument)) < _SAME * max(1, abs(argument)):
      raise UnsureError('rounding at an integer')
    down = name == 'floor'
    return self._mp.floor(argument) if down else self._mp.ceil(argument)

  def _is_real(self, value) -> bool:
    return isinstance(value, self._mp.mpf)
