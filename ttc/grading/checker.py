"""What settles the hard pairs: many digits, then math-verify. In workers only.

math-verify is slow, runs for ever on towers of powers, and takes what it does
not understand for something else. So it sees single expressions and relations,
never whole answers; short ones, of characters that mathematics is written
with; and with the precision that keeps it from rounding. None of its
extraction runs, hence nothing evaluates text.
"""

import logging
import re

from ttc.grading import comparison, numeric
from ttc.grading.answer import Answer, Group, Named, Relation, Scalar
from ttc.grading.comparison import Truth
from ttc.grading.parser import read

_MAX_LENGTH = 400
_MAX_NESTING = 12
_PLAIN = re.compile(r"[A-Za-z0-9 +\-*/^_=<>!(){}\[\],.;:|&'\\]*")
_SIGNS = {'=': '=', '<': '<', '<=': r'\le ', '!=': r'\ne '}
# So that what sympy imports and builds late is there before the first fork.
_EXAMPLES = (
  (r'\sum_{k=1}^{3} k', '6'),
  (r'\int_0^1 x \, dx', r'\frac{1}{2}'),
  (r'\sin^2 x + \cos^2 x - 1', '0'),
  (r'(1, \infty)', '3x + 1 > 4'),
  (r'\sqrt{x^2}', 'x'),
)
_FLOAT_DIGITS, _DIGITS = 15, 50


def check(gold: str, pred: str, lenient: bool) -> Truth:
  """Whether two answers are the same; takes as long as it takes."""
  return comparison.same(read(gold), read(pred), _resolve, lenient)


def warm() -> None:
  """Imports and builds what every comparison needs."""
  logging.disable(logging.CRITICAL)
  for gold, pred in _EXAMPLES:
    check(gold, pred, lenient=True)


def _resolve(a: Answer, b: Answer) -> Truth:
  if isinstance(a, Scalar) and isinstance(b, Scalar) and a.tree and b.tree:
    found = numeric.equal(a.tree, b.tree)
    if found is not None:
      return found
  texts = sorted(map(_latex, (a, b)))  # so that the order makes no difference
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
  level = deepest = 0
  for character in text:
    level += (character in '({[') - (character in ')}]')
    deepest = max(deepest, level)
  return deepest


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
