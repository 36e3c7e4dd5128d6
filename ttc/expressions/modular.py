"""Compares rational functions exactly, by their values modulo a prime.

It decides what has no form of reasonable size, such as (1 + x)^{200}, or of
which the form is opaque, such as 1/(x + 2^{-20000}). Symbols, pi and e have
values of 512 bits that depend on nothing but their names. Functions that differ
there differ; ones that agree are the same but for a chance of one in 10^130.
"""

from fractions import Fraction
import functools
import hashlib

from ttc.expressions import budget, residues
from ttc.expressions.node import Node, symbols
from ttc.expressions.numeric import evaluate, UnsureError
from ttc.expressions.residues import Residue

_MAX_WORK = 3000  # steps, as for an exact form


def same(a: Node, b: Node) -> bool | None:
  """Whether two rational functions are the same; None for other expressions."""
  values = {name: _value(f'${name}') for name in symbols(a) | symbols(b)}
  budget.start(_MAX_WORK)
  try:
    first, second = (evaluate(node, values, _Residues()) for node in (a, b))
  except (ArithmeticError, TypeError):  # the second from absolute values
    return None
  return first == second


@functools.lru_cache(maxsize=4096)
def _value(name: str) -> int:
  text = name.encode(errors='surrogatepass')
  return int.from_bytes(hashlib.sha512(text).digest())


class _Residues:
  """Arithmetic of rational functions; all else is UnsureError."""

  def number(self, value: Fraction) -> Residue:
    budget.spend(1)
    return Residue.of(value)

  def constant(self, name: str) -> Residue:
    if name not in ('pi', 'e'):
      raise UnsureError(f'{name} is no rational function')
    return Residue(_value(f'!{name}'))

  def add(self, *terms: Residue) -> Residue:
    return sum(terms[1:], start=terms[0])

  def multiply(self, *factors: Residue) -> Residue:
    return functools.reduce(Residue.__mul__, factors)

  def divide(self, over: Residue, under: Residue) -> Residue:
    return over / under

  def power(self, base: Residue, exponent: Residue) -> Residue:
    return base ** _whole(exponent)

  def root(self, degree: Residue, radicand: Residue) -> Residue:
    raise UnsureError('a root is no rational function')

  def log(self, base: Residue, argument: Residue) -> Residue:
    raise UnsureError('a logarithm is no rational function')

  def binomial(self, total: Residue, chosen: Residue) -> Residue:
    n, k = _whole(total), _whole(chosen)
    if not 0 <= k <= n:
      raise UnsureError('a binomial coefficient out of range')
    return residues.binomial(n, k)

  def call(self, name: str, argument: Residue) -> Residue:
    if name != 'factorial':
      raise UnsureError(f'{name} is no rational function')
    number = _whole(argument)
    if number < 0:
      raise UnsureError('the factorial of a negative number')
    return residues.factorial(number)


def _whole(value: Residue) -> int:
  number = value.simplest()
  if isinstance(number, Residue) or number.denominator != 1:
    raise UnsureError('no integer that can be written out')
  return int(number)
