r"""Exact normal forms: sums of products with rational coefficients.

Expressions with equal forms are equal. Without opaque atoms the monomials are
linearly independent (those of e and pi together are conjectured to be), so that
expressions with different forms are different.

A coefficient of more than `_MAX_BITS` bits is known by its residue only
(`ttc.expressions.residues`), so that 1/2025! and 2^{-20000} have forms. A form
takes at most `_MAX_WORK` steps; an expression that takes more has none.
"""

from collections.abc import Callable
from fractions import Fraction
import functools
import hashlib
import math

from ttc.expressions import budget, integers, residues
from ttc.expressions.form import (
  bits,
  BITS_PER_STEP,
  Form,
  Monomial,
  NoFormError,
)
from ttc.expressions.node import Node
from ttc.expressions.residues import Number, Residue

_MAX_TERMS = 64
_MAX_BITS = 12_000
_MAX_WORK = 3000  # steps of 10 us; no form of an answer in MATH takes over 130
_MAX_FACTORIAL = 1000  # of a number that is written out
_MAX_NAME = 200
_FACTORING = 20  # steps
_POSITIVE = ('#', '!p', '!e')  # prefixes of atoms that are positive numbers


def _bounded(value: Fraction) -> Fraction:
  if bits(value) > _MAX_BITS:
    raise NoFormError('an exponent of too many digits')
  return value


def _known(value: Number) -> Number:
  """A coefficient, written out if it is short enough."""
  if isinstance(value, Residue):
    return value.simplest()
  if bits(value) <= _MAX_BITS and residues.has_residue(value):
    return value
  return Residue.of(value).simplest()


def _whole_power(base: Number, exponent: int) -> Number:
  long = isinstance(base, Residue) or (
    max(base.numerator.bit_length(), base.denominator.bit_length()) > 1
    and abs(exponent) * bits(base) > 2 * _MAX_BITS
  )
  return _known((Residue.of(base) if long else base) ** exponent)


def form(node: Node) -> Form:
  """The normal form of an expression; raises NoFormError."""
  budget.start(_MAX_WORK)
  try:
    return _form(node)
  except (budget.ExhaustedError, residues.OutOfReachError) as error:
    raise NoFormError(str(error)) from error


def apart(a: Form, b: Form) -> bool:
  """Whether what two forms do not share shows that they differ.

  So it does for x + 1/400! and x - 1/400!, whatever opaque atom x is.
  """
  budget.start(_MAX_WORK)
  try:
    rest = _add(a, _negate(b))
  except (NoFormError, budget.ExhaustedError, residues.OutOfReachError):
    return False
  return bool(rest.terms) and rest.exact


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
    for m, value in part.terms.items()
    if not positive or isinstance(value, Fraction)  # a residue has no sign
  ]
  if not split:
    return None
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
  except (NoFormError, budget.ExhaustedError, residues.OutOfReachError):
    return None


def _constant(value: Number) -> Form:
  value = _known(value)
  return Form({(): value} if value else {})


def _atom(name: str) -> Form:
  return Form({((name, Fraction(1)),): Fraction(1)})


def _opaque(op: str, *parts: Form) -> Form:
  budget.spend(sum(part.work for part in parts))
  name = f'{op}({"; ".join(part.key for part in parts)})'
  if len(name) > _MAX_NAME:  # else names within names grow without bound
    digest = hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()
    name = f'{op} {digest}'
  return _atom(f'@{name}')


def _add(*parts: Form) -> Form:
  total: dict[Monomial, Number] = {}
  for part in parts:
    budget.spend(part.work)
    for monomial, value in part.terms.items():
      total[monomial] = _known(total.get(monomial, 0) + value)
  return _checked(total)


def _checked(terms: dict[Monomial, Number]) -> Form:
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
  total: dict[Monomial, Number] = {}
  for m, x in a.terms.items():
    for n, y in b.terms.items():
      monomial, scale = _joined((*m, *n))
      total[monomial] = _known(total.get(monomial, 0) + x * y * scale)
  return _checked(total)


def _joined(atoms: Monomial) -> tuple[Monomial, Number]:
  """The product of atoms, as a monomial and a rational factor."""
  powers: dict[str, Fraction] = {}
  for atom, power in atoms:
    powers[atom] = powers.get(atom, 0) + power
  scale = Fraction(1)
  for atom, power in powers.items():
    if atom[0] == '#':
      whole = math.floor(power)
      if whole:
        scale = _known(scale * _whole_power(Fraction(int(atom[1:])), whole))
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
  monic = Form({m: _known(x / value) for m, x in part.terms.items()})
  return _product(_opaque('inverse', monic), _constant(1 / value))


def _monomial_power(part: Form, exponent: Fraction) -> Form:
  """The power of a single term; exact if all its prime factors are found."""
  ((monomial, value),) = part.terms.items()
  powers = [(atom, power * exponent) for atom, power in monomial]
  budget.spend(len(powers) * bits(exponent) // BITS_PER_STEP)
  if exponent.denominator == 1:
    joined, scale = _joined(tuple(powers))
    return Form({joined: _known(_whole_power(value, int(exponent)) * scale)})
  for number, sign in ((value.numerator, 1), (value.denominator, -1)):
    budget.spend(_FACTORING + bits(value) // BITS_PER_STEP)
    factors = integers.prime_factors(number)
    if factors is None:
      return _opaque('power', part, _constant(exponent))
    powers.extend((f'#{prime}', sign * n * exponent) for prime, n in factors)
  joined, scale = _joined(tuple(powers))
  return Form({joined: scale})


def _written(part: Form) -> Fraction | None:
  """The value of a rational number; raises NoFormError for a residue."""
  if part.rational is None and part.terms.keys() == {()}:
    raise NoFormError('a function of a number of too many digits')
  return part.rational


def _power(base: Form, exponent: Form) -> Form:
  tower = base.terms.keys() == {()}
  number = _written(exponent) if tower else exponent.rational
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
    positive = isinstance(value, Fraction) and all(
      atom.startswith(_POSITIVE) for atom, _ in monomial
    )
    odd = number.denominator % 2 > 0
    if positive and value < 0 and (odd or number.denominator == 2):
      # The odd root of a negative number is the real one.
      turned = _constant(Fraction(-1)) if odd else _atom('!i')
      turned = _power(turned, _constant(Fraction(number.numerator)))
      return _product(turned, _root_power(_negate(base), number))
    lone = len(monomial) == 1 and monomial[0][1] == 1 and value == 1
    if (positive and value > 0) or (lone and monomial[0][0][0] == '$'):
      return _monomial_power(base, number)
  return _opaque('power', base, _constant(number))


def _root(degree: Form, radicand: Form) -> Form:
  number = degree.rational
  if number is None or number.denominator != 1 or number < 2:
    return _opaque('root', degree, radicand)
  return _power(radicand, _constant(1 / number))


def _log(base: Form, argument: Form) -> Form:
  if base.terms == argument.terms:
    return _constant(Fraction(1))
  b, x = base.rational, argument.rational
  if x == 1:
    return _constant(Fraction(0))
  if b is not None and x is not None and b > 1 and x > 0:
    budget.spend(bits(x) // BITS_PER_STEP)
    whole = integers.whole_log(b, x)
    if whole is not None:
      return _constant(Fraction(whole))
  return _opaque('log', base, argument)


def _factorial(part: Form) -> Form:
  value = _written(part)
  if value is None:
    return _opaque('factorial', part)
  if value.denominator != 1 or value < 0:
    raise NoFormError('a factorial of what is not natural')
  if value > _MAX_FACTORIAL:
    return _constant(residues.factorial(int(value)))
  return _constant(Fraction(math.factorial(int(value))))


def _binomial(total: Form, chosen: Form) -> Form:
  n, k = total.rational, chosen.rational
  if n is None or k is None:
    return _opaque('binomial', total, chosen)
  if n.denominator != 1 or k.denominator != 1 or not 0 <= k <= n:
    raise NoFormError('a binomial coefficient out of range')
  if n > _MAX_FACTORIAL and min(k, n - k) * bits(n) > _MAX_BITS:
    return _constant(residues.binomial(int(n), int(k)))
  return _constant(Fraction(math.comb(int(n), int(k))))


def _absolute(part: Form) -> Form:
  if len(part.terms) == 1:
    ((monomial, value),) = part.terms.items()
    positive = all(atom.startswith(_POSITIVE) for atom, _ in monomial)
    if positive and isinstance(value, Fraction):
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
