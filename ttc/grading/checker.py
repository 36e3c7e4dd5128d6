"""Decides hard pairs: with many digits, then with math-verify. In workers only.

math-verify is slow, does not return for towers of powers, and reads what it
does not understand as something else. So it gets no whole answers, only single
expressions and relations, which are short and of characters that mathematics is
written with, and a precision at which it does not round. Its extraction does
not run, so that nothing evaluates text.
"""

import itertools
import logging
import re

from ttc.expressions import numeric
from ttc.expressions.answer import Answer, Group, Named, Relation, Scalar
from ttc.expressions.parser import read
from ttc.grading import comparison
from ttc.grading.comparison import Truth

_MAX_LENGTH = 400
_MAX_NESTING = 12
_PLAIN = re.compile(r"[A-Za-z0-9 +\-*/^_=<>!(){}\[\],.;:|&'\\]*")
_SIGNS = {'=': '=', '<': '<', '<=': r'\le ', '!=': r'\ne '}
# sympy imports and builds much on first use; these have it do so before the
# first fork, once for all children.
_EXAMPLES = (
  (r'\sum_{k=1}^{3} k', '6'),
  (r'\int_0^1 x \, dx', r'\frac{1}{2}'),
  (r'\sin^2 x + \cos^2 x - 1', '0'),
  (r'(1, \infty)', '3x + 1 > 4'),
  (r'\sqrt{x^2}', 'x'),
)
_FLOAT_DIGITS, _DIGITS = 15, 50


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
    truth = numeric.equal(a.tree, b.tree)
    if truth is not None:
      return truth
  texts = sorted(map(_latex, (a, b)))  # the result must not depend on the order
  if not all(map(_legible, texts)):
    return False
  return _verified(*texts) or _verified(*texts[::-1])


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


def _verified(gold: str, pred: str) -> bool:
  import math_verify

  latex = math_verify.LatexExtractionConfig(boxed_match_priority=-1)
  read_gold, read_pred = (
    math_verify.parse(
      f'${text}$',
      extraction_config=[latex],
      fallback_mode='no_fallback',
      parsing_timeout=None,
    )
    for text in (gold, pred)
  )
  if not read_gold or not read_pred:
    return False
  return math_verify.verify(
    read_gold,
    read_pred,
    float_rounding=_FLOAT_DIGITS,
    numeric_precision=_DIGITS,
    allow_set_relation_comp=True,
    timeout_seconds=None,
  )
