r"""Exact normal forms: sums of products with rational coefficients.

A form maps monomials to coefficients. A monomial is a product of atoms with
rational exponents. Atoms are strings: '#5' is a prime, with an exponent in
(0, 1), so that \sqrt{5} is #5^(1/2); '!pi', '!e', '!i' are constants; '$x' is
a symbol; '@...' is opaque, such as the sine of a form or the inverse of a sum.

Expressions with equal forms are equal. Without opaque atoms the monomials are
linearly independent (those of e and pi together are conjectured to be), so that
expressions with different forms are different.

Every number in a form has at most `_MAX_BITS` bits, also while the form is
computed, and a form takes at most `_MAX_WORK` steps. An expression that exceeds
either has no form.
"""

from collections.abc import Callable
import dataclasses
from fractions import Fraction
import functools
import hashlib
import math

from ttc.expressions import budget
from ttc.expressions.node import Node

_MAX_TERMS = 64
_MAX_BITS = 12_000  # Python writes numbers of up to 4300 digits
_MAX_WORK = 3000  # steps of 10 us; no form of an answer in MATH takes over 130
_BITS_PER_STEP = 64
_MAX_FACTORIAL = 300
_MAX_NAME = 200
_TRIALS = 10_000  # prime factors below this are found
_POSITIVE = ('#', '!p', '!e')  # prefixes of atoms that are positive numbers

Monomial = tuple[tuple[str, Fraction], ...]


class NoFormError(ValueError):
  """The expression has no exact form of reasonable size."""


@dataclasses.dataclass(frozen=True)
class Form:
  """A sum, as a map from monomials to their coefficients, none of them 0."""

  terms: dict[Monomial, Fraction]

  @functools.cached_property
  def key(self) -> str:
    """A text that is equal for equal forms only."""
    return ' + '.join(
      f'{value}{"".join(f"·{atom}^{power}" for atom, power in monomial)}'
      for monomial, value in sorted(self.terms.items())
    )

  @functools.cached_property
  def work(self) -> int:
    """Number of steps to multiply this form by a single term."""
    return sum(
      1 + len(monomial) + _bits(value) // _BITS_PER_STEP
      for monomial, value in self.terms.items()
    )

  @property
  def exact(self) -> bool:
    """Whether no atom is opaque."""
    return not any(a[0] == '@' for m in self.terms for a, _ in m)

  @property
  def rational(self) -> Fraction | None:
    """The value if it is a rational number, else None."""
    if not self.terms:
      return Fraction(0)
    return self.terms.get(()) if len(self.terms) == 1 else None


def _bits(value: Fraction) -> int:
  return value.numerator.bit_length() + value.denominator.bit_length()


def _bounded(value: Fraction) -> Fraction:
  if _bits(value) > _MAX_BITS:
    raise NoFormError('a number of too many digits')
  return value


def form(node: Node) -> Form:
  """The normal form of an expression; raises NoFormError."""
  budget.start(_MAX_WORK)
  try:
    return _form(node)
  except budget.ExhaustedError as error:
    raise NoFormError(str(error)) from error


def _form(node: Node) -> Form:
  if node.op == 'number':
    return _constant(node.args[0])
  if node.op == 'symbol':
    return _atom(f'${node.args[0]}')
  if node.op == 'constant':
    if node.args[0] == 'infinity':
      raise NoFormError('infinity is not a number')
    return _atom(f'!{node.args[0]}')
  parts = [_form(arg) for arg in node.args]
  return _OPERATIONS.get(node.op, functools.partial(_opaque, node.op))(*parts)


def scaled(part: Form, positive: bool = False) -> Form | None:
  """Divides `part` by its leading factor, so that any `c part` gives the same.

  Args:
    part: one side of an equation or inequality whose other side is zero.
    positive: whether c must be positive, as in an inequality; else c is any
      number or product of symbols.

  Returns:
    The form; None if the factor is a sum or the form would be too large.
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
  budget.start(_MAX_WORK)
  try:
    return _divide(part, Form({tuple(sorted(lead)): value}))
  except (NoFormError, budget.ExhaustedError):
    return None


def _constant(value: Fraction) -> Form:
  return Form({(): _bounded(value)} if value else {})


def _atom(name: str) -> Form:
  return Form({((name, Fraction(1)),): Fraction(1)})


def _opaque(op: str, *parts: Form) -> Form:
  budget.spend(sum(part.work for part in parts))
  name = f'{op}({"; ".join(part.key for part in parts)})'
  if len(name) > _MAX_NAME:  # else names within names grow without bound
    name = hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()
  return _atom(f'@{name}')


def _add(*parts: Form) -> Form:
  total: dict[Monomial, Fraction] = {}
  for part in parts:
    budget.spend(part.work)
    for monomial, value in part.terms.items():
      total[monomial] = _bounded(total.get(monomial, 0) + value)
  return _checked(total)


def _checked(terms: dict[Monomial, Fraction]) -> Form:
  if len(terms) > _MAX_TERMS:
    raise NoFormError('a sum of too many terms')
  return Form({m: value for m, value in terms.items() if value})


def _negate(part: Form) -> Form:
  return Form({m: -value for m, value in part.terms.items()})


def _multiply(*parts: Form) -> Form:
  return functools.reduce(_product, parts)


def _product(a: Form, b: Form) -> Form:
  if len(a.terms) * len(b.terms) > _MAX_TERMS**2:
    raise NoFormError('a product of too many terms')
  budget.spend(a.work * len(b.terms) + b.work * len(a.terms))
  total: dict[Monomial, Fraction] = {}
  for m, x in a.terms.items():
    for n, y in b.terms.items():
      monomial, scale = _joined((*m, *n))
      total[monomial] = _bounded(total.get(monomial, 0) + x * y * scale)
  return _checked(total)


def _joined(atoms: Monomial) -> tuple[Monomial, Fraction]:
  """The product of atoms, as a monomial and a rational factor."""
  powers: dict[str, Fraction] = {}
  for atom, power in atoms:
    powers[atom] = powers.get(atom, 0) + power
  scale = Fraction(1)
  for atom, power in powers.items():
    if atom[0] == '#':
      whole = math.floor(power)
      if abs(whole) * int(atom[1:]).bit_length() > _MAX_BITS:
        raise NoFormError('a power of too many digits')
      scale = _bounded(scale * Fraction(int(atom[1:])) ** whole)
      powers[atom] = power - whole
    elif atom == '!i':
      if power.denominator != 1:
        raise NoFormError('a root of i')
      scale *= (1, 1, -1, -1)[power.numerator % 4]
      powers[atom] = Fraction(power.numerator % 2)
  return tuple(sorted((a, _bounded(p)) for a, p in powers.items() if p)), scale


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
    square = _product(part, other).rational  # for i and square roots
    if square:
      return _product(other, _constant(1 / square))
  leading = min(part.terms)
  value = part.terms[leading]
  monic = Form({m: x / value for m, x in part.terms.items()})
  return _product(_opaque('inverse', monic), _constant(1 / value))


def _monomial_power(part: Form, exponent: Fraction) -> Form:
  """The power of a single term; exact for integers, else of positive atoms."""
  ((monomial, value),) = part.terms.items()
  powers = [(atom, power * exponent) for atom, power in monomial]
  bits = max(value.numerator.bit_length(), value.denominator.bit_length())
  if bits > 1 and abs(exponent) * bits > _MAX_BITS:
    raise NoFormError('a power of too many digits')
  budget.spend(len(powers) * _bits(exponent) // _BITS_PER_STEP)
  if exponent.denominator == 1:
    joined, scale = _joined(tuple(powers))
    return Form({joined: _bounded(value ** int(exponent) * scale)})
  for number, sign in ((value.numerator, 1), (value.denominator, -1)):
    budget.spend(_TRIALS // 500 + _bits(value) // _BITS_PER_STEP)
    powers.extend(
      (atom, sign * power * exponent) for atom, power in _factors(number)
    )
  joined, scale = _joined(tuple(powers))
  return Form({joined: scale})


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
  """base^number for a number that is no integer; opaque for sums."""
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
    whole = _whole_log(b, x)
    if whole is not None:
      return _constant(Fraction(whole))
  return _opaque('log', base, argument)


def _whole_log(base: Fraction, value: Fraction) -> int | None:
  """The integer k with base^k = value, for base > 1 and value > 0."""
  large = value if value > 1 else 1 / value
  # Numerators are integers of at least 2, whose logarithms are finite and not
  # zero however large they are or however near the fractions are to 1.
  count = round(math.log(large.numerator) / math.log(base.numerator))
  budget.spend(_bits(large) // _BITS_PER_STEP)
  if base**count != large:
    return None
  return count if value > 1 else -count


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
