r"""Sums of products with rational coefficients, the values of expressions.

A form maps monomials to coefficients. A monomial is a product of atoms with
rational exponents. Atoms are strings: '#5' is a prime, with an exponent in
(0, 1), so that \sqrt{5} is #5^(1/2); '!pi', '!e', '!i' are constants; '$x' is
a symbol; '@...' is opaque, such as the sine of a form or the inverse of a sum.
"""

import dataclasses
from fractions import Fraction
import functools

from ttc.expressions import residues
from ttc.expressions.residues import Number, Residue

BITS_PER_STEP = 64  # of work, see `ttc.expressions.budget`

Monomial = tuple[tuple[str, Fraction], ...]


class NoFormError(ValueError):
  """The expression has no exact form of reasonable size."""


@dataclasses.dataclass(frozen=True)
class Form:
  """A sum, as a map from monomials to their coefficients, none of them 0."""

  terms: dict[Monomial, Number]

  @functools.cached_property
  def key(self) -> str:
    """A text that is equal for equal forms only."""
    return ' + '.join(
      residues.text(value) + ''.join(f'·{atom}^{n}' for atom, n in monomial)
      for monomial, value in sorted(self.terms.items())
    )

  @functools.cached_property
  def work(self) -> int:
    """Number of steps to multiply this form by a single term."""
    return sum(
      1 + len(monomial) + bits(value) // BITS_PER_STEP
      for monomial, value in self.terms.items()
    )

  @property
  def exact(self) -> bool:
    """Whether no atom is opaque."""
    return not any(a[0] == '@' for m in self.terms for a, _ in m)

  @property
  def rational(self) -> Fraction | None:
    """The value if it is a rational number that is written out, else None."""
    if not self.terms:
      return Fraction(0)
    value = self.terms.get(()) if len(self.terms) == 1 else None
    return value if isinstance(value, Fraction) else None


def bits(value: Number) -> int:
  """The size of a coefficient; of a residue, what it costs."""
  if isinstance(value, Residue):
    return BITS_PER_STEP
  return value.numerator.bit_length() + value.denominator.bit_length()
