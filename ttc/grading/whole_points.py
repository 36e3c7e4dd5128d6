"""Compares expressions of whole numbers, such as ⌊n/2⌋ + 1 or (-1)^n.

Values of floats between whole numbers do not tell ⌊n/2⌋ + 1 from ⌈n/2⌉, which
differ for even n, and tell ⌈n/2⌉ from ⌊(n+1)/2⌋, which are the same for all n.
Here values are exact, or floats where they are irrational, which are rounded
only where they are far from whole. (-1)^n has no other real values.

Points that are too few say nothing: ⌊n/100⌋ is 0 at the first 99.
"""

from collections.abc import Callable, Iterator
from fractions import Fraction
import math
import random

from ttc.expressions.node import count, LEAVES, Node, symbols
from ttc.expressions.numeric import evaluate, UnsureError

_ROUNDED = ('floor', 'ceiling')
_COUNT, _MOST = 24, 1024  # points at least of a symbol, and at most of all
_MOST_NODES = 50_000  # that are evaluated: a third of a second
_WHOLE = frozenset('ijklmnpqKLMN')  # letters that stand for whole numbers
_MAX_BITS = 4096
_NEAR = 1e-6
_CONSTANTS = {'pi': math.pi, 'e': math.e}

Number = Fraction | float


def same(a: Node, b: Node) -> bool | None:
  """Whether two expressions are the same; None where whole numbers say nothing.

  They say that two differ whatever the symbols are, and that two are the same
  where the symbols are letters that stand for whole numbers, and the values of
  both are known up to twice what their numbers amount to.
  """
  names = sorted(symbols(a) | symbols(b))
  if not names or not (_is_of_whole(a) or _is_of_whole(b)):
    return None
  reach = 2 * max(_amount(a), _amount(b), _COUNT)
  nodes = count(a) + count(b)
  most = min(_MOST, _MOST_NODES // nodes) // len(names)
  decides = {n[0] for n in names} <= _WHOLE and reach <= most
  for values in _points(names, int(min(reach, most))):
    equal = _equal(a, b, values)
    if equal is False:
      return False
    decides &= bool(equal)
  return True if decides else None


def _amount(node: Node) -> float:
  """What the numbers of an expression come to, multiplied; at least 1.

  Two expressions may be equal up to there, and differ: ⌊n/10^6⌋ and 0.
  """
  if node.op == 'symbol':
    return 1.0
  if symbols(node):
    return math.prod(map(_amount, node.args))
  try:
    value = abs(float(evaluate(node, {}, _Reals())))
  except (ArithmeticError, TypeError, ValueError):
    return math.inf
  return max(value, 1 / value) if value else 1.0


def _equal(a: Node, b: Node, values: dict[str, int]) -> bool | None:
  """Whether two expressions have one value; None if that is not known."""
  try:
    x, y = (evaluate(node, values, _Reals()) for node in (a, b))
    if isinstance(x, Fraction) and isinstance(y, Fraction):
      return x == y
    finite = math.isfinite(x) and math.isfinite(y)
    near = math.isclose(x, y, rel_tol=_NEAR, abs_tol=_NEAR)
    return False if finite and not near else None
  except (ArithmeticError, TypeError, ValueError):
    return None


def _is_of_whole(node: Node) -> bool:
  """Whether a part is rounded, or a power of a negative number."""
  if node.op in LEAVES:
    return False
  negative = node.op == 'power' and node.args[0].op == 'negate'
  return (
    node.op in _ROUNDED
    or (negative and node.args[0].args[0].op == 'number')
    or any(map(_is_of_whole, node.args))
  )


def _points(names: list[str], most: int) -> Iterator[dict[str, int]]:
  """Values of symbols; each takes every whole number up to a limit in turn."""
  rng = random.Random(0)
  for name in names:
    for value in range(1, most + 1):
      yield {n: value if n == name else rng.randint(1, most) for n in names}


class _Reals:
  """Arithmetic of real numbers, exact where they are rational.

  All else is UnsureError, or a ValueError of `math`.
  """

  def number(self, value: Fraction) -> Fraction:
    return value

  def constant(self, name: str) -> float:
    if name not in _CONSTANTS:
      raise UnsureError(f'{name} is no real number')
    return _CONSTANTS[name]

  def add(self, *terms: Number) -> Number:
    return sum(terms)

  def multiply(self, *factors: Number) -> Number:
    return _sized(math.prod(factors))

  def divide(self, over: Number, under: Number) -> Number:
    return _sized(over / under)

  def power(self, base: Number, exponent: Number) -> Number:
    if isinstance(base, float) or exponent != int(exponent):
      return math.pow(base, exponent)
    if abs(exponent) * (_bits(base) + 1) > _MAX_BITS:
      raise UnsureError('a power of too many digits')
    return base ** int(exponent)

  def root(self, degree: Number, radicand: Number) -> Number:
    return _exact(
      math.pow(radicand, 1 / degree), lambda root: root**degree == radicand
    )

  def log(self, base: Number, argument: Number) -> Number:
    value = math.log(argument) / math.log(base)
    if isinstance(base, float) or base.denominator > 1:
      return value
    return _exact(value, lambda log: base**log == argument)

  def binomial(self, total: Number, chosen: Number) -> Fraction:
    n, k = _whole(total), _whole(chosen)
    if not 0 <= k <= n <= _MAX_BITS:
      raise UnsureError('a binomial coefficient out of range')
    return _sized(Fraction(math.comb(n, k)))

  def call(self, name: str, argument: Number) -> Fraction:
    if name in _ROUNDED:
      if (
        isinstance(argument, float) and abs(argument - round(argument)) < _NEAR
      ):
        raise UnsureError('rounding at a whole number')
      rounded = math.floor if name == 'floor' else math.ceil
      return Fraction(rounded(argument))
    if name != 'factorial' or not 0 <= _whole(argument) <= 10 * _COUNT:
      raise UnsureError(f'{name} of {argument}')
    return Fraction(math.factorial(int(argument)))


def _exact(value: float, check: Callable[[Fraction], bool]) -> Number:
  """A float, or the whole number near it if that is the value itself."""
  whole = Fraction(round(value))
  return whole if abs(whole - value) < _NEAR and check(whole) else value


def _whole(value: Number) -> int:
  if isinstance(value, float) or value.denominator != 1:
    raise UnsureError('no whole number')
  return int(value)


def _bits(value: Fraction) -> int:
  return value.numerator.bit_length() + value.denominator.bit_length()


def _sized(value: Number) -> Number:
  if isinstance(value, Fraction) and _bits(value) > _MAX_BITS:
    raise UnsureError('a number of too many digits')
  return value
