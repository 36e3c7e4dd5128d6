r"""The structure of an answer: what kind of thing it is, and of what parts.

A pair is not a set, an equation not its right side, a word not a product of
letters. What is left at the leaves are expressions.
"""

import dataclasses

from ttc.grading.expression import Node


@dataclasses.dataclass(frozen=True)
class Scalar:
  """An expression.

  Attributes:
    text: in the one spelling, without spaces and unit.
    tree: None where the parser cannot read it.
    percent: whether a percent sign was dropped.
    unit: the canonical name of a unit that was dropped, or ''.
  """

  text: str
  tree: Node | None = None
  percent: bool = False
  unit: str = ''


@dataclasses.dataclass(frozen=True)
class Words:
  """Text that is no mathematics, as lower-case letters and digits."""

  text: str


@dataclasses.dataclass(frozen=True)
class Named:
  """`name = value`, e.g. x = 5, f(x) = 2x, Area = 7."""

  name: str
  value: 'Answer'


@dataclasses.dataclass(frozen=True)
class Relation:
  """left sign right; the sign is one of = < <= !=."""

  sign: str
  left: Scalar
  right: Scalar


@dataclasses.dataclass(frozen=True)
class Group:
  """Several answers.

  Attributes:
    kind: 'list' (also a set) and 'union' in any order; 'tuple' (also an
      interval), 'matrix' and 'ratio' in this one.
    items: the parts; those of a matrix row by row.
    form: brackets of a pair, '2x3' of a matrix; else ''.
  """

  kind: str
  items: tuple['Answer', ...]
  form: str = ''


Answer = Scalar | Words | Named | Relation | Group
