r"""Parses an expression, spelt as `expressions.latex` does, into a tree.

A parser of our own, because text of a model must not reach a parser that
evaluates. It reads the arithmetic of school answers. For all else it raises
NotAnExpressionError: sums and integrals, words, unbalanced brackets, nesting
beyond the limits below. These keep it, and all that walks its trees, far from
the recursion limit of Python.
"""

from fractions import Fraction
import math
import re
from typing import NamedTuple

from ttc.expressions import numerals
from ttc.expressions.node import height, Node
from ttc.expressions.normal_form import FUNCTIONS, GREEK_NAMES

MAX_DEPTH = 25  # sums within sums
_MAX_ATOMS = 60  # atoms within atoms, as in \frac\frac\frac12345
_MAX_HEIGHT = 100  # of a tree
_MAX_POSTFIXES = 100  # factorials and powers
_MAX_DOUBLE = 300  # of a double factorial


class Expression(NamedTuple):
  """A tree, and whether a percent sign was dropped from it."""

  tree: Node
  percent: bool


class NotAnExpressionError(ValueError):
  """The text is not an expression that this parser knows."""


PI = Node('constant', ('pi',))
_ONE = Node('number', (Fraction(1),))
_HALF_TURN = Node('number', (Fraction(180),))
_TWO = Node('number', (Fraction(2),))
_TEN = Node('number', (Fraction(10),))
_E = Node('constant', ('e',))
_CONSTANTS = {'pi': PI, 'infty': Node('constant', ('infinity',))}
_LETTERS = {'e': _E, 'i': Node('constant', ('i',))}
_INVERSES = frozenset(('sin', 'cos', 'tan'))
_CLOSING = {'(': ')', '[': ']', '{': '}'}
_BASE = re.compile(r'_\s*+(?:\{\s*+(\d++)\s*+\}|(\d++))')
_MIXED = re.compile(
  r'\s*+\\frac\s*+(?:\{\s*+(\d++)\s*+\}|(\d))\s*+(?:\{\s*+(\d++)\s*+\}|(\d))'
  r'(?!\s*+(?:!|\^(?!\{\\circ\})))|\s++(\d++)\s*+/\s*+(\d++)(?![.^!])'
)
_SUBSCRIPT = re.compile(r'_\s*+(?:\{([^{}]{1,20})\}|(\w))')
_COMMAND = re.compile(r'\\([A-Za-z]++)')
_DEGREE = re.compile(r'\^\{\\circ\}')
_DOUBLE = re.compile('!!(?!!)')
_OVER_DIGIT = re.compile(r'\s*+/(?=\s*+\d)')
_SPACES = re.compile(r'\s*+')


def parse(text: str) -> Expression:
  """The tree of the whole of `text`; raises NotAnExpressionError."""
  return _Parser(text).whole()


class _Parser:
  def __init__(self, text: str):
    self._text, self._at = text, 0
    self._depth = self._atoms = self._postfixes = 0
    self._angle = self._bars = 0
    self._percent = False

  def whole(self) -> Expression:
    tree = self._sum()
    if self._peek() or height(tree) > _MAX_HEIGHT:
      raise self._error()
    return Expression(tree, self._percent)

  def _enter(self) -> None:
    self._depth += 1
    if self._depth > MAX_DEPTH:
      raise self._error()

  def _sum(self) -> Node:
    self._enter()
    terms = [self._signed()]
    while self._peek() in ('+', '-'):
      terms.append(self._signed())
    self._depth -= 1
    return terms[0] if len(terms) == 1 else Node('add', tuple(terms))

  def _signed(self) -> Node:
    negative = False
    while (sign := self._peek()) in ('+', '-'):
      self._at += 1
      negative ^= sign == '-'
    term = self._product()
    return Node('negate', (term,)) if negative else term

  def _product(self) -> Node:
    factors = [self._factor()]
    while True:
      sign = self._peek()
      if sign in ('*', '/'):
        self._at += 1
        factor = self._signed_factor()
        if sign == '/' and len(factors) == 1:
          factors = [Node('divide', (factors[0], factor))]
        else:
          inverse = Node('divide', (_ONE, factor))
          factors.append(inverse if sign == '/' else factor)
      elif self._starts_factor(sign):
        if sign.isdigit() and factors[-1].op == 'number':
          raise self._error()
        factors.append(self._factor())
      else:
        return _multiplied(factors)

  def _signed_factor(self) -> Node:
    if self._peek() == '-':
      self._at += 1
      return Node('negate', (self._factor(),))
    return self._factor()

  def _starts_factor(self, sign: str) -> bool:
    if sign == '|':
      return not self._bars
    if sign == '\\':
      name = self._command_name()
      return name not in ('over', 'choose', 'rfloor', 'rceil', '')
    return bool(sign) and (sign.isalnum() or sign in '({[.')

  def _factor(self) -> Node:
    start = self._at
    base = self._atom()
    if base.op == 'number' and self._is_integer(start):
      base = self._mixed(base) or base
    return self._postfixed(base)

  def _is_integer(self, start: int) -> bool:
    return self._text[start : self._at].strip().isdigit()

  def _mixed(self, whole: Node) -> Node | None:
    match = _MIXED.match(self._text, self._at)
    if not match:
      return None
    over, under = (_integer(group) for group in match.groups() if group)
    if over >= under:
      return None
    self._at = match.end()
    return Node('number', (whole.args[0] + Fraction(over, under),))

  def _postfixed(self, base: Node) -> Node:
    while True:
      sign = self._peek()
      self._postfixes += sign in ('!', '^')
      if self._postfixes > _MAX_POSTFIXES:
        raise self._error()
      if sign == '!' and _DOUBLE.match(self._text, self._at):
        self._at += 2
        base = self._every_second(base)
      elif sign == '!':
        self._at += 1
        base = Node('factorial', (base,))
      elif sign == '%':
        self._at += 1
        self._percent = True
      elif sign == '^':
        degree = _DEGREE.match(self._text, self._at)
        if degree:
          self._at = degree.end()
          if self._angle:
            base = Node('multiply', (base, Node('divide', (PI, _HALF_TURN))))
        else:
          self._at += 1
          base = Node('power', (base, self._exponent()))
      else:
        return base

  def _every_second(self, base: Node) -> Node:
    """n!! = n (n - 2) (n - 4) … of a number that is written out."""
    value = base.args[0] if base.op == 'number' else Fraction(-1)
    if value.denominator > 1 or not 0 <= value <= _MAX_DOUBLE:
      raise self._error()
    product = math.prod(range(int(value), 0, -2))
    return Node('number', (Fraction(product),))

  def _exponent(self) -> Node:
    self._enter()
    negative = self._peek() == '-'
    if negative:
      self._at += 1
    exponent = self._atom()
    if self._peek() == '^':
      self._at += 1
      exponent = Node('power', (exponent, self._exponent()))
    self._depth -= 1
    return Node('negate', (exponent,)) if negative else exponent

  def _atom(self) -> Node:
    self._atoms += 1
    if self._atoms > _MAX_ATOMS:
      raise self._error()
    atom = self._bare_atom()
    self._atoms -= 1
    return atom

  def _bare_atom(self) -> Node:
    sign = self._peek()
    if sign.isdigit() or sign == '.':
      return self._number()
    if sign == '\\':
      return self._command()
    if sign and sign in '({[':
      return self._group(sign)
    if sign == '|':
      return self._absolute()
    if sign.isalpha():
      self._at += 1
      return self._symbol(sign)
    raise self._error()

  def _group(self, sign: str) -> Node:
    self._at += 1
    bars, self._bars = self._bars, 0
    inside = self._sum()
    if sign == '{' and self._peek() == '\\':
      name = self._command_name()
      if name in ('over', 'choose'):
        self._at += 1 + len(name)
        op = 'divide' if name == 'over' else 'binomial'
        inside = Node(op, (inside, self._sum()))
    self._bars = bars
    self._expect(_CLOSING[sign])
    return inside

  def _absolute(self) -> Node:
    self._at += 1
    self._bars += 1
    inside = self._sum()
    self._bars -= 1
    self._expect('|')
    return Node('absolute', (inside,))

  def _number(self) -> Node:
    found = numerals.read(self._text, self._at)
    if not found:
      raise self._error()
    start, (number, self._at) = self._at, found
    literal = self._text[start : self._at]
    base = literal.isdigit() and _BASE.match(self._text, self._at)
    if base:
      self._at = base.end()
      name = f'{literal.lstrip("0") or "0"}_{_integer(base[1] or base[2])}'
      return Node('symbol', (name,))
    return number

  def _symbol(self, name: str) -> Node:
    match = _SUBSCRIPT.match(self._text, self._at)
    if match:
      self._at = match.end()
      name = f'{name}_{(match[1] or match[2]).replace(" ", "")}'
    while self._text[self._at : self._at + 1] == "'":
      self._at += 1
      name += "'"
    return _LETTERS.get(name) or Node('symbol', (name,))

  def _command(self) -> Node:
    name = self._command_name()
    self._at += 1 + len(name)
    if name == 'frac':
      return Node('divide', (self._argument(), self._argument()))
    if name == 'binom':
      return Node('binomial', (self._argument(), self._argument()))
    if name == 'sqrt':
      return self._root()
    if name in _CONSTANTS:
      return _CONSTANTS[name]
    if name in FUNCTIONS:
      return self._function(name)
    if name in GREEK_NAMES:
      return self._symbol(name)
    if name in ('lfloor', 'lceil'):
      inside = self._sum()
      self._expect(f'\\r{name[1:]}')
      return Node('floor' if name == 'lfloor' else 'ceiling', (inside,))
    raise self._error()

  def _argument(self) -> Node:
    """An argument of \\frac: a group, or one character as TeX reads it."""
    if self._peek().isdecimal():
      self._at += 1
      return Node('number', (Fraction(self._text[self._at - 1]),))
    return self._atom()

  def _root(self) -> Node:
    degree = _TWO
    if self._peek() == '[':
      degree = self._group('[')
    return Node('root', (degree, self._atom()))

  def _function(self, name: str) -> Node:
    base = _TEN
    if name == 'log' and self._peek() == '_':
      self._at += 1
      base = self._argument()
    power = None
    if self._peek() == '^':
      self._at += 1
      power = self._exponent()
    self._angle += 1
    argument = self._function_argument()
    self._angle -= 1
    if power and _is_minus_one(power) and name in _INVERSES:
      return Node(f'arc{name}', (argument,))
    if name in ('log', 'lg'):
      applied = Node('log', (base, argument))
    elif name == 'ln':
      applied = Node('log', (_E, argument))
    elif name == 'exp':
      applied = Node('power', (_E, argument))
    else:
      applied = Node(name, (argument,))
    return Node('power', (applied, power)) if power else applied

  def _function_argument(self) -> Node:
    sign = self._peek()
    if sign and sign in '({[':
      argument = self._group(sign)
      return self._postfixed(argument) if self._is_degree() else argument
    self._enter()
    argument = self._signed_factor()
    factors = [argument]
    while self._starts_factor(self._peek()) and (
      self._command_name() not in FUNCTIONS
    ):
      factors.append(self._factor())
    argument = _multiplied(factors)
    if over := _OVER_DIGIT.match(self._text, self._at):
      self._at = over.end()
      argument = Node('divide', (argument, self._factor()))
    self._depth -= 1
    return argument

  def _is_degree(self) -> bool:
    self._peek()
    return bool(_DEGREE.match(self._text, self._at))

  def _command_name(self) -> str:
    match = _COMMAND.match(self._text, self._at)
    return match[1] if match else ''

  def _peek(self) -> str:
    self._at = _SPACES.match(self._text, self._at).end()
    return self._text[self._at : self._at + 1]

  def _expect(self, closing: str) -> None:
    self._peek()
    if not self._text.startswith(closing, self._at):
      raise self._error()
    self._at += len(closing)

  def _error(self) -> NotAnExpressionError:
    return NotAnExpressionError(
      f'not an expression from character {self._at} on: '
      f'{self._text[self._at : self._at + 20]!r}'
    )


def _multiplied(factors: list[Node]) -> Node:
  return factors[0] if len(factors) == 1 else Node('multiply', tuple(factors))


def _integer(digits: str) -> int:
  if len(digits) > numerals.MAX_DIGITS:
    raise NotAnExpressionError(f'{len(digits)} digits')
  return int(digits)


def _is_minus_one(node: Node) -> bool:
  return node.op == 'negate' and node.args[0] == _ONE
