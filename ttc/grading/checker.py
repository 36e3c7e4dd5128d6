"""Decides hard pairs: with many digits, or with math-verify. In workers only.

math-verify is slow, does not return for towers of powers, and reads what it
does not understand as something else. So it gets no whole answers, only single
expressions and relations, which are short and of characters that mathematics is
written with. Its extraction does not run, so that nothing evaluates text.

It also rounds: to it 1/500! equals 0. So it is asked only where our own reader
does not know an expression, decimals are made fractions first, and its "equal"
counts where all numbers are of ordinary size or the difference is exactly 0.
"""

import itertools
import logging
import re

from ttc.expressions import precise
from ttc.expressions.answer import Answer, Group, Named, Relation, Scalar
from ttc.expressions.parser import read
from ttc.grading import comparison
from ttc.grading.comparison import Truth

_MAX_LENGTH = 400
_MAX_NESTING = 12
_PLAIN = re.compile(r"[A-Za-z0-9 +\-*/^_=<>!(){}\[\],.;:|&'\\]*")
# What is a number of its own to it: the derivative of a letter is 0, and so is
# each \nabla; the greatest common divisor of two letters is 1; n!! is (n!)!.
_MISREAD = re.compile(
  r'\\(?:partial|nabla)(?![A-Za-z])|!!|\\frac\{d[A-Za-z]?\}\{d[A-Za-z]\}'
  r'|\\gcd(?![A-Za-z]).*(?<![\\A-Za-z])[A-Za-z]'
)
_INDEX = re.compile(r'\\(?:sum|prod)_\{i=')
_COMMAND_OR_I = re.compile(r'\\[A-Za-z]++|i')
_COMMAND = re.compile(r'\\[A-Za-z]++')
_DIVISOR = re.compile(r'\\gcd\(([^()]*+)\)')
_SIGNS = {'=': '=', '<': '<', '<=': r'\le ', '!=': r'\ne '}
# sympy imports and builds much on first use; these have it do so before the
# first fork, once for all children.
_EXAMPLES = (
  (r'\sum_{k=1}^{n} k', r'\frac{n(n+1)}{2}'),
  (r'\int_0^1 x \, dx', r'\frac{1}{2}'),
  (r'\sin^2 x + \cos^2 x - 1', '0'),
  (r'(1, \infty)', '3x + 1 > 4'),
  (r'\sqrt{x^2}', 'x'),
)
_FLOAT_DIGITS, _DIGITS = 15, 50
_ORDINARY = 10**12  # largest numerator or denominator of an ordinary number
_STEEP = 12  # largest exponent or factorial of ordinary expressions
_DOUBLE_BITS = 54
_SYMPY_ERRORS = (  # what it raises on numbers that are too large for it
  *(ArithmeticError, AttributeError, NotImplementedError, TypeError),
  ValueError,
)


def check(gold: str, pred: str, lenient: bool) -> Truth:
  """Whether two answers are the same; has no limit of time of its own."""
  return comparison.same(read(gold), read(pred), _resolve, lenient)


def warm() -> None:
  """Imports and builds what comparisons need."""
  logging.disable(logging.CRITICAL)
  for gold, pred in _EXAMPLES:
    check(gold, pred, lenient=True)


def _resolve(a: Answer, b: Answer) -> Truth:
  if isinstance(a, Scalar) and isinstance(b, Scalar) and a.tree and b.tree:
    return precise.same(a.tree, b.tree)
  # The result must not depend on the order.
  texts = sorted(_indexed(_latex(answer)) for answer in (a, b))
  if any(map(_MISREAD.search, texts)):
    return len({_DIVISOR.sub(_sorted, text) for text in texts}) == 1
  if not all(map(_legible, texts)):
    return False
  return _verified(*texts)


def _indexed(text: str) -> str:
  """A sum over i is one over k, for i is the root of -1 to math-verify."""
  if not _INDEX.search(text) or 'k' in _COMMAND.sub('', text):
    return text
  return _COMMAND_OR_I.sub(lambda m: 'k' if m[0] == 'i' else m[0], text)


def _sorted(match: re.Match) -> str:
  return rf'\gcd({",".join(sorted(match[1].split(",")))})'


def _legible(text: str) -> bool:
  return (
    len(text) <= _MAX_LENGTH
    and bool(_PLAIN.fullmatch(text))
    and _nesting(text) <= _MAX_NESTING
  )


def _nesting(text: str) -> int:
  steps = ((c in '({[') - (c in ')}]') for c in text)
  return max(itertools.accumulate(steps, initial=0))


def _latex(answer: Answer) -> str:
  match answer:
    case Scalar():
      return answer.text
    case Relation():
      return f'{answer.left.text}{_SIGNS[answer.sign]}{answer.right.text}'
    case Named():
      return f'{answer.name}={_latex(answer.value)}'
    case Group():
      parts = [_latex(item) for item in answer.items]
      if answer.kind == 'union':
        return r'\cup '.join(parts)
      if answer.kind == 'matrix':
        return _matrix(parts, answer.form)
      opening, closing = answer.form if answer.kind == 'tuple' else ('{', '}')
      escape = '\\' if opening == '{' else ''
      return f'{escape}{opening}{",".join(parts)}{escape}{closing}'
    case _:
      return answer.text


def _matrix(parts: list[str], form: str) -> str:
  width = int(form.partition('x')[2])
  rows = [parts[at : at + width] for at in range(0, len(parts), width)]
  cells = r'\\'.join('&'.join(row) for row in rows)
  return rf'\begin{{pmatrix}}{cells}\end{{pmatrix}}'


def _verified(gold: str, pred: str) -> Truth:
  """What math-verify says; None where it may have rounded."""
  import math_verify

  latex = math_verify.LatexExtractionConfig(boxed_match_priority=-1)
  read = [
    math_verify.parse(
      f'${text}$',
      extraction_config=[latex],
      fallback_mode='no_fallback',
      parsing_timeout=None,
    )[:1]
    for text in (gold, pred)
  ]
  if not all(read):
    return False
  read = [_without_floats(*one) for one in read]
  if not all(one is not None for one in read):
    return None
  equal = any(
    math_verify.verify(
      *pair,
      float_rounding=_FLOAT_DIGITS,
      numeric_precision=_DIGITS,
      allow_set_relation_comp=True,
      timeout_seconds=None,
    )
    for pair in (read, read[::-1])
  )
  return _identical(*read) if equal and not all(map(_ordinary, read)) else equal


def _without_floats(read):
  """What was read, with decimals as fractions; None if they were rounded."""
  import sympy

  floats = read.atoms(sympy.Float)
  if any(number._prec > _DOUBLE_BITS for number in floats):
    return None
  if not floats:
    return read
  return read.xreplace({x: sympy.Rational(str(x)) for x in floats})


def _identical(a, b) -> Truth:
  """Whether the difference of two expressions is 0, or another rational."""
  import sympy

  if not (isinstance(a, sympy.Expr) and isinstance(b, sympy.Expr)):
    return True if a == b else None
  try:
    rest = sympy.simplify(a.doit() - b.doit())
  except _SYMPY_ERRORS:
    return None
  return True if rest.is_zero else (False if rest.is_Rational else None)


def _ordinary(read) -> bool:
  """Whether all numbers in what was read are of few digits."""
  import sympy

  try:
    steep = (*read.atoms(sympy.Pow), *read.atoms(sympy.factorial))
    return not any(
      x.args[-1].is_number and abs(x.args[-1]) > _STEEP for x in steep
    ) and all(
      max(abs(number.p), number.q) <= _ORDINARY
      for tree in (read, read.doit())
      for number in tree.atoms(sympy.Rational)
    )
  except _SYMPY_ERRORS:
    return False
