"""Compares expressions by their values at fixed pseudo-random points.

Floats can show that expressions differ, which decides most wrong answers in
microseconds. Sixty digits (`mpmath`, in a worker) can also show that they are
equal: expressions of the size of an answer that agree to forty digits at all
points are taken as the same.
"""

import cmath
from collections.abc import Mapping
from fractions import Fraction
import functools
import math
import operator
import random
from typing import Protocol

from ttc.expressions.node import Node, symbols

_POINTS = 3
_MAX_FACTORIAL = 1000
_FLOAT_APART = 1e-5  # relative; less may be rounding
_FLOAT_CANCELS = 1e-7
_DIGITS = 60
_LARGEST = 1e25  # beyond, the digits do not show a small difference
_CANCELS, _SAME = 1e-12, 1e-40  # relative


class UnsureError(ArithmeticError):
  """These numbers are not precise enough for the value."""


class UndefinedError(ArithmeticError):
  """The expression has no value, e.g. a division by zero."""


class Numbers(Protocol):
  """Arithmetic of one kind; methods raise UnsureError and UndefinedError."""

  def number(self, value: Fraction): ...
  def constant(self, name: str): ...
  def add(self, *terms): ...
  def power(self, base, exponent): ...
  def root(self, degree, radicand): ...
  def log(self, base, argument): ...
  def call(self, name: str, argument): ...


def evaluate(node: Node, values: Mapping[str, float], numbers: Numbers):
  """The value of an expression where its symbols have these values."""
  if node.op == 'number':
    return numbers.number(node.args[0])
  if node.op == 'symbol':
    return numbers.number(Fraction(values[node.args[0]]))
  if node.op == 'constant':
    return numbers.constant(node.args[0])
  parts = [evaluate(arg, values, numbers) for arg in node.args]
  if node.op in _SAME_FOR_ALL:
    return _SAME_FOR_ALL[node.op](*parts)
  if node.op in ('add', 'power', 'root', 'log'):
    return getattr(numbers, node.op)(*parts)
  return numbers.call(node.op, parts[0])


def points(names: set[str], signed: bool = False) -> list[dict[str, float]]:
  """Values for symbols, which depend on nothing but the names.

  They are between 1/2 and 2, where the expressions of school answers are
  defined. With `signed` each has a random sign, which tells |x| from x.
  """
  return [
    {name: _value(name, index, signed) for name in names}
    for index in range(_POINTS if names else 1)
  ]


@functools.lru_cache(maxsize=4096)
def _value(name: str, index: int, signed: bool) -> float:
  # Bytes, for a name may hold half a surrogate pair, which has no UTF-8.
  rng = random.Random(f'{name} {index}'.encode(errors='surrogatepass'))
  value = math.exp(rng.uniform(-math.log(2), math.log(2)))
  return -value if signed and rng.random() < 0.7 else value


def apart(a: Node, b: Node) -> bool:
  """Whether floats show that two expressions differ somewhere."""
  return any(
    _floats_apart(_float(a, values), _float(b, values))
    for values in points(symbols(a) | symbols(b))
  )


def _float(node: Node, values: Mapping[str, float]) -> complex | None:
  """The value; infinite if huge, nan if undefined, None if not known."""
  try:
    value = complex(evaluate(node, values, Floats()))
  except UndefinedError:
    return complex(math.nan)
  except (UnsureError, OverflowError, ZeroDivisionError, ValueError):
    return None
  return None if cmath.isnan(value) else value


def _floats_apart(a: complex | None, b: complex | None) -> bool:
  if a is None or b is None:
    return False
  kinds = [(cmath.isnan(value), cmath.isinf(value)) for value in (a, b)]
  if kinds[0] != kinds[1]:
    return True
  if any(kinds[0]):
    return False
  return abs(a - b) > _FLOAT_APART * max(abs(a), abs(b))


class Floats:
  """Real and complex floats; infinity stands for a huge number."""

  def number(self, value: Fraction) -> float:
    try:
      return float(value)
    except OverflowError:
      return math.copysign(math.inf, value)

  def constant(self, name: str) -> complex:
    return {'pi': math.pi, 'e': math.e, 'i': 1j, 'infinity': math.inf}[name]

  def add(self, *terms) -> complex:
    total = sum(terms[1:], start=terms[0])
    if abs(total) < _FLOAT_CANCELS * max(map(abs, terms)):
      raise UnsureError('a sum that cancels')
    return total

  def power(self, base: complex, exponent: complex) -> complex:
    if base == 0 and complex(exponent).real <= 0:
      raise UndefinedError('zero to a power that is not positive')
    try:
      return base**exponent
    except OverflowError:
      if isinstance(base, float) and isinstance(exponent, float) and base > 0:
        return math.inf
      raise

  def root(self, degree: complex, radicand: complex) -> complex:
    if isinstance(radicand, float) and radicand < 0 and degree in (3, 5, 7, 9):
      return -((-radicand) ** (1 / degree))
    if degree == 2:
      real = isinstance(radicand, float) and radicand >= 0
      return math.sqrt(radicand) if real else cmath.sqrt(radicand)
    return self.power(radicand, 1 / degree)

  def log(self, base: complex, argument: complex) -> complex:
    return self._log(argument) / self._log(base)

  def _log(self, value: complex) -> complex:
    if value == 0:
      raise UndefinedError('the logarithm of zero')
    real = isinstance(value, float) and value > 0
    return math.log(value) if real else cmath.log(value)

  def call(self, name: str, argument: complex) -> complex:
    if name in ('factorial', 'floor', 'ceiling'):
      return _of_integers(name, argument)
    return call_by_name(cmath, name, argument)


def _of_integers(name: str, argument) -> float:
  if not isinstance(argument, float) or math.isinf(argument):
    raise UnsureError(f'{name} of something that is not a number')
  if name != 'factorial':
    if abs(argument - round(argument)) < 1e-9 * max(1, abs(argument)):
      raise UnsureError('rounding at an integer')
    return float(
      math.floor(argument) if name == 'floor' else math.ceil(argument)
    )
  if argument < 0 or argument != int(argument):
    raise UnsureError('the factorial of something that is not natural')
  return float(math.factorial(int(argument))) if argument <= 170 else math.inf


def _binomial(total, chosen):
  try:
    n, k = int(total), int(chosen)
  except (TypeError, ValueError, OverflowError) as error:
    raise UnsureError('a binomial coefficient of no integers') from error
  if n != total or k != chosen or not 0 <= k <= n <= _MAX_FACTORIAL:
    raise UnsureError('a binomial coefficient out of range')
  return (total * 0 + 1) * math.comb(n, k)


def _product(*parts):
  return math.prod(parts[1:], start=parts[0])


def _quotient(over, under):
  if under == 0:
    raise UndefinedError('a division by zero')
  return over / under


_SAME_FOR_ALL = {
  'negate': operator.neg,
  'multiply': _product,
  'divide': _quotient,
  'absolute': abs,
  'binomial': _binomial,
}
_RECIPROCALS = {'cot': 'tan', 'sec': 'cos', 'csc': 'sin'}
_ARC = {'arcsin': 'asin', 'arccos': 'acos', 'arctan': 'atan'}


def call_by_name(library, name: str, argument):
  """Calls a function of `cmath` or `mpmath` by its name in LaTeX."""
  if name in _RECIPROCALS:
    value = getattr(library, _RECIPROCALS[name])(argument)
    if value == 0:
      raise UndefinedError(f'{name} has a pole there')
    return 1 / value
  return getattr(library, _ARC.get(name, name))(argument)


def equal(a: Node, b: Node) -> bool | None:
  """Whether two expressions agree at all points; None if not known.

  It is not known if they agree at positive points only, as x and |x| do.
  """
  import mpmath

  names = symbols(a) | symbols(b)
  with mpmath.workdps(_DIGITS):
    digits = _Digits(mpmath)
    try:
      if not all(_agree(a, b, p, digits) for p in points(names)):
        return False
      signed = points(names, signed=True) if names else ()
      return all(_agree(a, b, p, digits) for p in signed) or None
    except (ArithmeticError, ValueError, TypeError):
      return None


def _agree(a: Node, b: Node, values: dict[str, float], digits) -> bool:
  x, y = (_bounded(evaluate(node, values, digits)) for node in (a, b))
  return abs(x - y) <= _SAME * max(abs(x), abs(y))


def _bounded(value):
  size = abs(value)
  if size and not 1 / _LARGEST < size < _LARGEST:
    raise UnsureError('too large or small for the digits')
  return value


class _Digits:
  """Real and complex numbers of mpmath."""

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
      return call_by_name(self._mp, name, argument)
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
