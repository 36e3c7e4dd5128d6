"""Compares expressions with 200 digits: whether they agree where both are real.

Expressions of the size of an answer that agree to 120 digits are taken as the
same. That would not hold where something tiny is lost beside something large,
as in 1 + 1/2025! or cos(10^{-90}). Such values can show that expressions
differ, and never that they are the same.
"""

from collections.abc import Iterable, Iterator, Mapping, Set
from fractions import Fraction

from ttc.expressions.node import LEAVES, Node, symbols
from ttc.expressions.numeric import (
  BranchError,
  call_by_name,
  evaluate,
  negative_points,
  points,
  UndefinedError,
  UnsureError,
)

_DIGITS = 200
_SAME = 1e-120  # relative
_MAX_SIGNED = 8  # symbols whose signs are tried
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
  sqrt(ab) is sqrt(a) sqrt(b), and sqrt(x^2) is not x. Which signs count, says
  `_where_real`. Where there is no such point, principal values count, and must
  agree everywhere.
  """
  import mpmath

  names = symbols(a) | symbols(b)
  with mpmath.workdps(_DIGITS):
    truth = _where_real(a, b, names, _Digits(mpmath))
    if truth is not None:
      return truth
    principal = _Digits(mpmath, branches=True)
    places = [*points(names), *_turned(names)]
    found = [_agree(a, b, place, principal) for place in places]
  if False in found[:_POSITIVE]:
    return False
  return True if all(found) else None


def _where_real(
  a: Node, b: Node, names: Set[str], digits: '_Digits'
) -> bool | None:
  r"""Whether two expressions agree where both are real; None if nowhere.

  Letters of a formula are quantities, so positive values come first. If the
  expressions agree there, a symbol may be negative as well where the others are
  positive and it gets there through zero:

      sqrt(x^2 y), x sqrt(y)      differ: x may be negative
      sqrt(a/b), sqrt(ab)/b       agree: for negative b the root is not real
      sqrt(1 - v^2/c^2), sqrt(c^2 - v^2)/c      agree: no root at c = 0

  Symbols are negative together only if each may be alone: in the second case
  both could be, which nobody means. What cannot pass zero is tried if it is the
  only symbol, for that is a variable and no quantity: sqrt(1/x^2) is not 1/x.
  """
  agreed = _agree_at(a, b, points(names), digits)
  if agreed is False:
    return False
  if agreed is None:
    return _agree_at(a, b, _turned(names), digits)
  free = set()
  for name in _signed(names):
    if len(names) > 1 and _splits(name, a, b, names, digits):
      continue
    alone = _agree_at(a, b, negative_points(names, {name}), digits)
    if alone is False:
      return False
    if alone:
      free.add(name)
  together = _together(names, free) if len(free) > 1 else ()
  return _agree_at(a, b, together, digits) is not False


def _signed(names: Set[str]) -> list[str]:
  return sorted(names)[:_MAX_SIGNED]


def _turned(names: Set[str]) -> list[dict[str, float]]:
  """Points at which one, all or all but one of the symbols are negative."""
  signed = _signed(names)
  lone = [next(negative_points(names, {name})) for name in signed]
  return [*lone, *_together(names, set(signed))]


def _together(names: Set[str], signed: Set[str]) -> Iterator[dict[str, float]]:
  """Points at which all or all but one of some symbols are negative."""
  yield from negative_points(names, signed)
  for name in sorted(signed) if len(signed) > 2 else ():
    yield next(negative_points(names, signed - {name}))


def _splits(
  name: str, a: Node, b: Node, names: Set[str], digits: '_Digits'
) -> bool:
  """Whether what is under a root has no value where a symbol is zero."""
  place = next(points(names)) | {name: 0.0}
  for radicand in (*_radicands(a), *_radicands(b)):
    try:
      evaluate(radicand, place, digits)
    except UndefinedError:
      return True
    except (ArithmeticError, ValueError, TypeError):
      continue
  return False


def _radicands(node: Node) -> Iterator[Node]:
  """What roots are taken of in a tree, also as powers that are no integers."""
  if node.op in LEAVES:
    return
  if node.op == 'root':
    yield node.args[1]
  elif node.op == 'power' and not _is_integer(node.args[1]):
    yield node.args[0]
  for arg in node.args:
    yield from _radicands(arg)


def _is_integer(node: Node) -> bool:
  if node.op == 'negate':
    return _is_integer(node.args[0])
  return node.op == 'number' and node.args[0].denominator == 1


def _agree_at(
  a: Node, b: Node, places: Iterable[Mapping[str, float]], digits: '_Digits'
) -> bool | None:
  """False if two expressions differ at a point, None if no point tells."""
  agreed = None
  for place in places:
    truth = _agree(a, b, place, digits)
    if truth is False:
      return False
    agreed = agreed or truth
  return agreed


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
