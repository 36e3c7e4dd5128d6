"""Values of expressions at fixed pseudo-random points, and what floats show.

Floats can show that expressions differ, which decides most wrong answers in
microseconds. That they are equal takes more digits (`ttc.expressions.precise`).
"""

import cmath
from collections.abc import Iterator, Mapping, Set
from fractions import Fraction
import functools
import itertools
import math
import random
from typing import Protocol

from ttc.expressions.node import Node, symbols

_FLOAT_POINTS = 5
_SCALES = (1, 1, 1, 10, 100, 0.1)
_LARGE = 10  # scale of one symbol beside the others
_MAX_LARGE = 8  # symbols that are large in turn
_NEGATIVE_SCALES = (1, 10, 100, 0.1)
_MAX_FACTORIAL = 1000
_FLOAT_APART = 1e-5  # relative; less may be rounding
_FLOAT_CANCELS = 1e-7
_FLOAT_ZERO = 1e-9  # a function's value below it may be rounding
_FLOAT_ANGLE, _FLOAT_EXPONENT = 1e6, 1e9  # larger ones multiply rounding


class UnsureError(ArithmeticError):
  """These numbers are not precise enough for the value."""


class BranchError(ArithmeticError):
  """A root or logarithm of what is not positive, which has several values."""


class UndefinedError(ArithmeticError):
  """The expression has no value, e.g. a division by zero."""


class Numbers(Protocol):
  """Arithmetic of one kind; methods raise the errors above.

  An odd root of a negative number is the real one.
  """

  def number(self, value: Fraction): ...
  def constant(self, name: str): ...
  def add(self, *terms): ...
  def multiply(self, *factors): ...
  def divide(self, over, under): ...
  def power(self, base, exponent): ...
  def root(self, degree, radicand): ...
  def log(self, base, argument): ...
  def binomial(self, total, chosen): ...
  def call(self, name: str, argument): ...


_METHODS = frozenset(
  ('add', 'multiply', 'divide', 'power', 'root', 'log', 'binomial')
)


def evaluate(node: Node, values: Mapping[str, float], numbers: Numbers):
  """The value of an expression where its symbols have these values."""
  if node.op == 'number':
    return numbers.number(node.args[0])
  if node.op == 'symbol':
    return numbers.number(Fraction(values[node.args[0]]))
  if node.op == 'constant':
    return numbers.constant(node.args[0])
  if node.op == 'power':
    ratio = _ratio(node.args[1])
    if ratio is not None and ratio.denominator > 1 and ratio.denominator % 2:
      degree, power = map(Fraction, (ratio.denominator, ratio.numerator))
      base = evaluate(node.args[0], values, numbers)
      root = numbers.root(numbers.number(degree), base)
      return numbers.power(root, numbers.number(power))
  parts = [evaluate(arg, values, numbers) for arg in node.args]
  if node.op in _METHODS:
    return getattr(numbers, node.op)(*parts)
  if node.op == 'negate':
    return -parts[0]
  if node.op == 'absolute':
    return abs(parts[0])
  return numbers.call(node.op, parts[0])


def _ratio(node: Node) -> Fraction | None:
  """The value of a number or of a fraction of two, with any sign."""
  if node.op == 'number':
    return node.args[0]
  if node.op == 'negate':
    value = _ratio(node.args[0])
    return None if value is None else -value
  if node.op == 'divide' and all(arg.op == 'number' for arg in node.args):
    over, under = (arg.args[0] for arg in node.args)
    return over / under if under else None
  return None


def points(names: Set[str]) -> Iterator[dict[str, float]]:
  """Positive values for symbols, which depend on nothing but the names.

  The first are between 1/2 and 2, where most expressions of school answers are
  defined. Larger and smaller ones follow, then some where one symbol is large
  beside the others, as b is where b^2 - 4ac has a real root.
  """
  if not names:
    yield {}
    return
  for index, scale in enumerate(_SCALES):
    yield {name: scale * _value(name, index) for name in names}
  lone = sorted(names)[:_MAX_LARGE] if len(names) > 1 else ()
  for index, large in enumerate(lone, start=len(_SCALES)):
    yield _point(names, index, {large: _LARGE})


def negative_points(
  names: Set[str], negative: Set[str]
) -> Iterator[dict[str, float]]:
  """As `points`, with some symbols negative, of several sizes."""
  start = 100 * len(_SCALES)
  for index, scale in enumerate(_NEGATIVE_SCALES, start=start):
    yield _point(names, index, dict.fromkeys(negative, -scale))


def _point(
  names: Set[str], index: int, scales: Mapping[str, float]
) -> dict[str, float]:
  return {name: scales.get(name, 1) * _value(name, index) for name in names}


@functools.lru_cache(maxsize=4096)
def _value(name: str, index: int) -> float:
  # Bytes, for a name may hold half a surrogate pair, which has no UTF-8.
  rng = random.Random(f'{name} {index}'.encode(errors='surrogatepass'))
  return math.exp(rng.uniform(-math.log(2), math.log(2)))


def apart(a: Node, b: Node) -> bool:
  """Whether floats show that two expressions differ somewhere.

  With symbols only points count at which no root or logarithm is of a negative
  number: right answers may differ by a branch there.
  """
  names = symbols(a) | symbols(b)
  numbers = Floats(branches=not names)
  return any(
    _floats_apart(_float(a, values, numbers), _float(b, values, numbers))
    for values in itertools.islice(points(names), _FLOAT_POINTS)
  )


def _float(
  node: Node, values: Mapping[str, float], numbers: 'Floats'
) -> complex | None:
  """The value; infinite if huge, nan if undefined, None if not known."""
  try:
    value = complex(evaluate(node, values, numbers))
  except UndefinedError:
    return complex(math.nan)
  except (ArithmeticError, ValueError):
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
  """Real and complex floats; infinity stands for a number above all floats.

  Args:
    branches: whether roots and logarithms of what is not positive have their
      principal values, or raise BranchError.
  """

  def __init__(self, branches: bool = True):
    self._branches = branches

  def number(self, value: Fraction) -> float:
    try:
      return _seen(float(value), value)
    except OverflowError:
      return math.copysign(math.inf, value)

  def constant(self, name: str) -> complex:
    return {'pi': math.pi, 'e': math.e, 'i': 1j, 'infinity': math.inf}[name]

  def add(self, *terms) -> complex:
    total = sum(terms[1:], start=terms[0])
    if abs(total) < _FLOAT_CANCELS * max(map(abs, terms)):
      raise UnsureError('a sum that cancels')
    return total

  def multiply(self, *factors) -> complex:
    total = math.prod(factors[1:], start=factors[0])
    if total == 0 and all(factors):
      raise UnsureError('a product too small for floats')
    if cmath.isinf(total) and min(map(abs, factors)) < 1:
      raise UnsureError('a product of huge and small, which may be a float')
    return total

  def divide(self, over: complex, under: complex) -> complex:
    if under == 0:
      raise UndefinedError('a division by zero')
    _finite(under)
    if abs(under) > 1:
      _finite(over)
    return _seen(over / under, over)

  def power(self, base: complex, exponent: complex) -> complex:
    base, exponent = _plain(base), _plain(exponent)
    if base == 0 and complex(exponent).real <= 0:
      raise UndefinedError('zero to a power that is not positive')
    _finite(base)
    real = isinstance(base, float) and isinstance(exponent, float)
    if not (isinstance(base, float) and base > 0):
      self._branch(base and complex(exponent) != round(complex(exponent).real))
    try:
      value = base**exponent
    except OverflowError:
      if real and base > 0:
        return math.inf
      raise
    if real and abs(exponent) > _FLOAT_EXPONENT and math.isfinite(value):
      raise UnsureError('a power that multiplies rounding')
    return _seen(value, base)

  def root(self, degree: complex, radicand: complex) -> complex:
    radicand = _plain(radicand)
    if isinstance(radicand, float) and radicand >= 0 and degree == 2:
      return math.sqrt(_finite(radicand))
    odd = isinstance(degree, float) and degree % 2 == 1
    if odd and isinstance(radicand, float) and radicand < 0:
      return -self.power(-radicand, 1 / degree)
    if degree == 2:
      self._branch(True)
      return cmath.sqrt(radicand)
    return self.power(radicand, 1 / degree)

  def log(self, base: complex, argument: complex) -> complex:
    return self.divide(self._log(argument), self._log(base))

  def _log(self, value: complex) -> complex:
    value = _finite(_plain(value))
    if value == 0:
      raise UndefinedError('the logarithm of zero')
    if isinstance(value, float) and value > 0:
      logarithm = math.log(value)
      if 0 < abs(logarithm) < _FLOAT_ZERO:
        raise UnsureError('a logarithm near zero')
      return logarithm
    self._branch(True)
    return cmath.log(value)

  def binomial(self, total: complex, chosen: complex) -> float:
    n, k = _plain(total), _plain(chosen)
    if not (isinstance(n, float) and isinstance(k, float)):
      raise UnsureError('a binomial coefficient of no integers')
    whole = _finite(n) == int(n) and _finite(k) == int(k)
    if not whole or not 0 <= k <= n <= _MAX_FACTORIAL:
      raise UnsureError('a binomial coefficient out of range')
    return float(math.comb(int(n), int(k)))

  def call(self, name: str, argument: complex) -> complex:
    argument = _finite(_plain(argument))
    if name in ('factorial', 'floor', 'ceiling'):
      return _of_integers(name, argument)
    if abs(argument) > _FLOAT_ANGLE:
      raise UnsureError(f'{name} of a large number')
    value = None
    if isinstance(argument, float):
      try:
        value = call_by_name(math, name, argument)
      except ValueError:
        self._branch(True)
    if value is None:
      value = call_by_name(cmath, name, argument)
    if abs(value) < _FLOAT_ZERO < abs(argument):
      raise UnsureError(f'{name} near a zero')
    return value

  def _branch(self, there: bool) -> None:
    if there and not self._branches:
      raise BranchError('a value on one of several branches')


def _plain(value: complex) -> complex:
  return value.real if isinstance(value, complex) and not value.imag else value


def _finite(value: complex) -> complex:
  if cmath.isinf(value):
    raise UnsureError('a function of a number above all floats')
  return value


def _seen(value: complex, of: complex) -> complex:
  if value == 0 and of:
    raise UnsureError('a number too small for floats')
  return value


def _of_integers(name: str, argument) -> float:
  if not isinstance(argument, float):
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


_RECIPROCALS = {'cot': 'tan', 'sec': 'cos', 'csc': 'sin'}
_ARC = {'arcsin': 'asin', 'arccos': 'acos', 'arctan': 'atan'}


def call_by_name(library, name: str, argument):
  """Calls a function of `math`, `cmath` or `mpmath` by its name in LaTeX."""
  if name in _RECIPROCALS:
    value = getattr(library, _RECIPROCALS[name])(argument)
    if value == 0:
      raise UndefinedError(f'{name} has a pole there')
    return 1 / value
  return getattr(library, _ARC.get(name, name))(argument)
