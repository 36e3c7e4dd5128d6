r"""The structure of an answer: its kind and its parts.

Kinds are kept apart: a pair is not a set, an equation is not its right side, a
word is not a product of letters. The leaves are expressions.
"""

import dataclasses
from fractions import Fraction

from ttc.expressions.node import Node


@dataclasses.dataclass(frozen=True)
class Scalar:
  """An expression.

  Attributes:
    text: its normal form of `ttc.expressions.latex`, without spaces and unit.
    tree: the expression; None if the parser cannot read it.
    percent: whether a percent sign was dropped.
    unit: the canonical name of the unit that was dropped, or ''.
    scale: 1000 for "thousand miles", 1/3 for "thirds"; the text and the tree
      are of that product.
  """

  text: str
  tree: Node | None = None
  percent: bool = False
  unit: str = ''
  scale: Fraction = Fraction(1)


@dataclasses.dataclass(frozen=True)
class Words:
  """Text other than mathematics, as lower-case letters and digits."""

  text: str


@dataclasses.dataclass(frozen=True)
class Named:
  """`name = value`, e.g. x = 5, f(x) = 2x, Area = 7."""

  name: str
  value: 'Answer'


@dataclasses.dataclass(frozen=True)
class Relation:
  """`left sign right`, where sign is one of = < <= !=."""

  sign: str
  left: Scalar
  right: Scalar


@dataclasses.dataclass(frozen=True)
class Group:
  """Several answers.

  Attributes:
    kind: 'list' (also a set) or 'union', whose order does not matter; 'tuple'
      (also an interval), 'matrix' or 'ratio', whose order does.
    items: the parts; those of a matrix row by row.
    form: the brackets of a pair, '2x3' for a matrix of that shape, else ''.
  """

  kind: str
  items: tuple['Answer', ...]
  form: str = ''


Answer = Scalar | Words | Named | Relation | Group
