"""Tests of numbers modulo a prime, against fractions."""

from fractions import Fraction
import math
import random

import pytest

from ttc.expressions import budget, residues
from ttc.expressions.residues import Residue


@pytest.fixture(autouse=True)
def steps():
  budget.start(10**6)


def _fraction(rng, bits):
  return Fraction(
    rng.getrandbits(bits) - 2 ** (bits - 1), rng.getrandbits(bits) + 1
  )


@pytest.mark.parametrize('seed', range(30))
def test_arithmetic_is_that_of_fractions(seed):
  rng = random.Random(seed)
  x, y = (_fraction(rng, rng.choice((3, 60, 2000))) for _ in 'xy')
  a, n = Residue.of(x), rng.randrange(-9, 9)
  assert a + y == y + a == Residue.of(x + y)
  assert a * y == y * a == Residue.of(x * y)
  assert -a == -x
  if x and y:
    assert a / y == Residue.of(x / y)
    assert y / a == Residue.of(y / x)
    assert a**n == Residue.of(x**n)
  assert (a == y) == (x == y)
  assert bool(a) == bool(x)


@pytest.mark.parametrize('seed', range(30))
def test_short_fractions_are_found_again_and_long_ones_are_not(seed):
  rng = random.Random(seed)
  short, long = _fraction(rng, 300), _fraction(rng, 2000)
  assert Residue.of(short).simplest() == short
  assert isinstance(Residue.of(short).simplest(), Fraction)
  assert isinstance(Residue.of(long).simplest(), Residue)
  large = Fraction(7) ** 5000
  assert (Residue.of(short) * large / large).simplest() == short


def test_equal_numbers_have_one_text_however_they_were_computed():
  large = Fraction(3) ** 2000
  for value in (Fraction(5, 7), large, 1 / large, large + 1):
    computed = (Residue.of(value) * large / large).simplest()
    assert residues.text(value) == residues.text(computed)
  assert residues.text(large) != residues.text(large + 1)


@pytest.mark.parametrize(
  ('n', 'k'), [(5, 2), (1500, 3), (1500, 1400), (400, 0)]
)
def test_factorials_and_binomials(n, k):
  assert residues.factorial(n) == Residue.of(math.factorial(n))
  assert residues.binomial(n, k) == Residue.of(math.comb(n, k))


def test_powers_of_a_number_do_not_repeat():
  exponents = [*range(3000), *(2**n for n in range(12, 330)), 10**100]
  texts = {str(Residue(2) ** n) for n in exponents}
  assert len(texts) == len(exponents)
  assert Residue(3) ** -(10**100) * Residue(3) ** (10**100) == 1


def test_what_takes_too_long_or_has_no_residue_is_refused():
  with pytest.raises(residues.OutOfReachError):
    residues.factorial(10**9)
  with pytest.raises(residues.OutOfReachError):
    Residue(0).inverse()
  for steps in (30, 10):  # the second time it is remembered, and costs the same
    budget.start(steps)
    with pytest.raises(budget.ExhaustedError):
      residues.factorial(2000)


def test_powers_that_could_come_round_are_out_of_reach():
  period = residues._PRIME - 1
  with pytest.raises(residues.OutOfReachError):
    _ = Residue(2) ** (period + 5)  # by Fermat, 32
  assert Residue(2) ** 10**50 == (Residue(2) ** 10**25) ** 10**25
