r"""Exact normal forms: sums of products with rational coefficients.

A form maps monomials to coefficients. A monomial is a product of atoms with
rational exponents. Atoms are strings: '#5' a prime, whose exponent lies in
(0, 1), so that \sqrt{5} is #5^(1/2); '!pi', '!e', '!i'; '$x' a symbol; and
'@...' anything opaque, such as the sine of a form or the inverse of a sum.

Two equal forms are equal expressions. Without opaque atoms the monomials are
linearly independent (those of e and pi together by common belief), so that two
different forms are different expressions.
"""

from collections.abc import Callable
import dataclasses
from fractions import Fraction
import functools
import hashlib
import math

from ttc.grading.expression import Node

_MAX_TERMS = 64
_MAX_BITS = 12_000  # Python writes numbers of up to 4300 digits
_MAX_FACTORIAL = 300
_MAX_NAME = 200
_TRIALS = 10_000  # prime factors below this are found
_POSITIVE = ('#', '!p', '!e')  # how atoms that are positive numbers start

Monomial = tuple[tuple[str, Fraction], ...]


class NoFormError(ValueError):
  """The expression has no exact form of reasonable size."""


@dataclasses.dataclass(frozen=True)
class Form:
  """A sum: monomial -> coefficient, zeros left out."""

  terms: dict[Monomial, Fraction]

  @functools.cached_property
  def key(self) -> str:
    """Equal for equal forms."""
    return ' + '.join(
      f'{value}{"".join(f"·{atom}^{power}" for atom, power in monomial)}'
      for monomial, value in sorted(self.terms.items())
    )

  @property
  def exact(self) -> bool:
    """Whether nothing in it is opaque."""
    return not any(a[0] == '@' for m in self.terms for a, _ in m)

  @property
  def rational(self) -> Fraction | None:
    """Its value, where it is a rational number."""
    if not self.terms:
      return Fraction(0)
    return self.terms.get(()) if len(self.terms) == 1 else None


def form(node: Node) -> Form:
  """The normal form of a tree; raises NoFormError."""
  if node.op == 'number':
    return _constant(node.args[0])
  if node.op == 'symbol':
    return _atom(f'${node.args[0]}')
  if node.op == 'constant':
    if node.args[0] == 'infinity':
      raise NoFormError('infinity is not a number')
    return _atom(f'!{node.args[0]}')
  parts = [form(arg) for arg in node.args]
  return _OPERATIONS.get(node.op, functools.partial(_opaque, node.op))(*parts)


def scaled(part: Form, positive: bool = False) -> Form | None:
  """`part` over a factor of its own, so that `c part` gives the same.

  Args:
    part: what stands against zero in an equation or inequality.
    positive: whether only c > 0 count, as in an inequality; else c is any
      number or product of symbols.

  Returns:
    The form; None where the factor is a sum, so that forms cannot tell.
  """
  if not part.terms:
    return part
  split = [
    (
      tuple(a for a in m if a[0][0] == '$'),
      tuple(a for a in m if a[0][0] != '$'),
    )
    for m in part.terms
  ]
  shared = min(symbols for symbols, _ in split)
  numbers = [other for symbols, other in split if symbols == shared]
  if len(numbers) > 1 or (positive and any(a == '!i' for a, _ in numbers[0])):
    return None
  lead = (*shared, *numbers[0])
  value = part.terms[tuple(sorted(lead))]
  if positive:
    lead, value = numbers[0], abs(value)
  return _divide(part, Form({tuple(sorted(lead)): value}))


def _constant(value: Fraction) -> Form:
  if value.numerator.bit_length() + value.denominator.bit_length() > _MAX_BITS:
    raise NoFormError('a number of too many digits')
  return Form({(): value} if value else {})


def _atom(name: str) -> Form:
  return Form({((name, Fraction(1)),): Fraction(1)})


def _opaque(op: str, *parts: Form) -> Form:
  name = f'{op}({"; ".join(part.key for part in parts)})'
  if len(name) > _MAX_NAME:  # or names of names would grow without bound
    name = hashlib.sha256(name.encode()).hexdigest()
  return _atom(f'@{name}')


def _add(*parts: Form) -> Form:
  total: dict[Monomial, Fraction] = {}
  for part in parts:
    for monomial, value in part.terms.items():
      total[monomial] = total.get(monomial, 0) + value
  return _checked(total)


def _checked(terms: dict[Monomial, Fraction]) -> Form:
  if len(terms) > _MAX_TERMS:
    raise NoFormError('a sum of too many terms')
  for value in terms.values():
    _constant(value)
  return Form({m: value for m, value in terms.items() if value})


def _negate(part: Form) -> Form:
  return Form({m: -value for m, value in part.terms.items()})


def _multiply(*parts: Form) -> Form:
  return functools.reduce(_product, parts)


def _product(a: Form, b: Form) -> Form:
  if len(a.terms) * len(b.terms) > _MAX_TERMS**2:
    raise NoFormError('a product of too many terms')
  total: dict[Monomial, Fraction] = {}
  for m, x in a.terms.items():
    for n, y in b.terms.items():
      monomial, scale = _joined((*m, *n))
      total[monomial] = total.get(monomial, 0) + x * y * scale
  return _checked(total)


def _joined(atoms: Monomial) -> tuple[Monomial, Fraction]:
  """The product of atoms as a monomial and a rational factor."""
  powers: dict[str, Fraction] = {}
  for atom, power in atoms:
    powers[atom] = powers.get(atom, 0) + power
  scale = Fraction(1)
  for atom, power in powers.items():
    if atom[0] == '#':
      whole = math.floor(power)
      if abs(whole) * int(atom[1:]).bit_length() > _MAX_BITS:
        raise NoFormError('a power of too many digits')
      scale *= Fraction(int(atom[1:])) ** whole
      powers[atom] = power - whole
    elif atom == '!i':
      if power.denominator != 1:
        raise NoFormError('a root of i')
      scale *= (1, 1, -1, -1)[power.numerator % 4]
      powers[atom] = Fraction(power.numerator % 2)
  return tuple(sorted((a, p) for a, p in powers.items() if p)), scale


def _divide(a: Form, b: Form) -> Form:
  return _product(a, _inverse(b))


def _inverse(part: Form) -> Form:
  if not part.terms:
    raise NoFormError('a division by zero')
  if len(part.terms) == 1:
    return _monomial_power(part, Fraction(-1))
  if len(part.terms) == 2:
    (m, x), (n, y) = sorted(part.terms.items())
    other = Form({m: x, n: -y})
    square = _product(part, other).rational  # i and square roots
    if square:
      return _product(other, _constant(1 / square))
  leading = min(part.terms)
  value = part.terms[leading]
  monic = Form({m: x / value for m, x in part.terms.items()})
  return _product(_opaque('inverse', monic), _constant(1 / value))


def _monomial_power(part: Form, exponent: Fraction) -> Form:
  """Of a single term, where the exponent is whole or all is positive."""
  ((monomial, value),) = part.terms.items()
  powers = [(atom, power * exponent) for atom, power in monomial]
  bits = max(value.numerator.bit_length(), value.denominator.bit_length())
  if bits > 1 and abs(exponent) * bits > _MAX_BITS:
    raise NoFormError('a power of too many digits')
  if exponent.denominator == 1:
    joined, scale = _joined(tuple(powers))
    return _checked({joined: value ** int(exponent) * scale})
  for number, sign in ((value.numerator, 1), (value.denominator, -1)):
    powers.extend(
      (atom, sign * power * exponent) for atom, power in _factors(number)
    )
  joined, scale = _joined(tuple(powers))
  return _checked({joined: scale})


def _power(base: Form, exponent: Form) -> Form:
  number = exponent.rational
  if number is None:
    return _opaque('power', base, exponent)
  if number == 0:
    return _constant(Fraction(1))
  if not base.terms:
    if number < 0:
      raise NoFormError('a division by zero')
    return base
  if number.denominator != 1:
    return _root_power(base, number)
  if len(base.terms) == 1:
    return _monomial_power(base, number)
  if number < 0:
    return _power(_inverse(base), _constant(-number))
  if number > _MAX_TERMS:
    raise NoFormError('a power of too many terms')
  result = base
  for _ in range(int(number) - 1):
    result = _product(result, base)
  return result


def _root_power(base: Form, number: Fraction) -> Form:
  """base^number, for a number that is not whole, of single terms."""
  if len(base.terms) == 1:
    ((monomial, value),) = base.terms.items()
    positive = all(atom.startswith(_POSITIVE) for atom, _ in monomial)
    if positive and value < 0 and number.denominator == 2:
      turned = _power(_atom('!i'), _constant(Fraction(number.numerator)))
      return _product(turned, _root_power(_negate(base), number))
    lone = len(monomial) == 1 and monomial[0][1] == 1 and value == 1
    if (positive and value > 0) or (lone and monomial[0][0][0] == '$'):
      return _monomial_power(base, number)
  return _opaque('power', base, _constant(number))


def _root(degree: Form, radicand: Form) -> Form:
  number = degree.rational
  if number is None or number.denominator != 1 or number < 2:
    return _opaque('root', degree, radicand)
  value = radicand.rational
  if value is not None and value < 0 and number % 2:
    return _negate(_root(degree, _negate(radicand)))
  return _power(radicand, _constant(1 / number))


@functools.lru_cache(maxsize=4096)
def _factors(number: int) -> tuple[tuple[str, Fraction], ...]:
  """The prime factors of a positive integer as atoms with exponents."""
  found = []
  for prime in (2, *range(3, _TRIALS, 2)):
    if prime * prime > number:
      break
    count = 0
    while number % prime == 0:
      number //= prime
      count += 1
    if count:
      found.append((f'#{prime}', Fraction(count)))
  if number > 1:
    half = math.isqrt(number)
    if number < _TRIALS**2:
      found.append((f'#{number}', Fraction(1)))
    elif half * half == number and half < _TRIALS**2:
      found.append((f'#{half}', Fraction(2)))
    else:
      raise NoFormError('a root of a number that is hard to factor')
  return tuple(found)


def _log(base: Form, argument: Form) -> Form:
  if base.terms == argument.terms:
    return _constant(Fraction(1))
  b, x = base.rational, argument.rational
  if x == 1:
    return _constant(Fraction(0))
  if b is not None and x is not None and b > 1 and x > 0:
    whole = round(math.log(x) / math.log(b)) if x.numerator < 2**1000 else 0
    if abs(whole) < 1000 and b**whole == x:
      return _constant(Fraction(whole))
  return _opaque('log', base, argument)


def _factorial(part: Form) -> Form:
  value = part.rational
  if value is None:
    return _opaque('factorial', part)
  if value.denominator != 1 or not 0 <= value <= _MAX_FACTORIAL:
    raise NoFormError('a factorial out of range')
  return _constant(Fraction(math.factorial(int(value))))


def _binomial(total: Form, chosen: Form) -> Form:
  n, k = total.rational, chosen.rational
  if n is None or k is None:
    return _opaque('binomial', total, chosen)
  if n.denominator != 1 or k.denominator != 1 or not 0 <= k <= n <= 1000:
    raise NoFormError('a binomial coefficient out of range')
  return _constant(Fraction(math.comb(int(n), int(k))))


def _absolute(part: Form) -> Form:
  if len(part.terms) == 1:
    ((monomial, value),) = part.terms.items()
    if all(atom.startswith(_POSITIVE) for atom, _ in monomial):
      return Form({monomial: abs(value)})
  return _opaque('absolute', part) if part.terms else part


def _rounded(op: str, how: Callable[[Fraction], int], part: Form) -> Form:
  value = part.rational
  return _opaque(op, part) if value is None else _constant(Fraction(how(value)))


_OPERATIONS: dict[str, Callable[..., Form]] = {
  'add': _add,
  'negate': _negate,
  'multiply': _multiply,
  'divide': _divide,
  'power': _power,
  'root': _root,
  'log': _log,
  'factorial': _factorial,
  'binomial': _binomial,
  'absolute': _absolute,
  'floor': functools.partial(_rounded, 'floor', math.floor),
  'ceiling': functools.partial(_rounded, 'ceiling', math.ceil),
}
