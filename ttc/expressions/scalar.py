"""Reads an answer that has no parts: an expression with its unit, or words."""

import re

from ttc.expressions import expression, units
from ttc.expressions.answer import Answer, Group, Scalar, Words
from ttc.expressions.node import Node
from ttc.expressions.normal_form import OPEN_WORD, WORD

ENDS = tuple(
  Scalar(end, expression.parse(end).tree) for end in (r'-\infty', r'\infty')
)
REALS = Group('tuple', ENDS, '()')
NOTHING = Group('list', ())
_COUNTS = """
zero one two three four five six seven eight nine ten eleven twelve thirteen
fourteen fifteen sixteen seventeen eighteen nineteen twenty
"""
_MEANINGS = {
  **dict.fromkeys(('allrealnumbers', 'allreals', 'realnumbers'), REALS),
  **dict.fromkeys(('nosolution', 'nosolutions', 'emptyset'), NOTHING),
  **{
    word: Scalar(str(count), expression.parse(str(count)).tree)
    for count, word in enumerate(_COUNTS.split())
  },
}
# A run of units anywhere. To search for one at the end of the text would scan a
# run again from each of its units.
_UNITS = re.compile(
  rf'(?:(?:{WORD}|[/*](?=\s*+{WORD}))(?:\s*+\^\s*+\{{?+\s*+-?+\d\s*+\}}?+)?\s*+)+'
)
_NEEDED_SPACE = re.compile(r'(\\[A-Za-z]++) ++(?=[A-Za-z])|(\d) ++(?=\d)')


def read(text: str) -> Answer:
  """The expression that a text is, or its words if it has some left."""
  text, run = _without_unit(text.strip())
  if OPEN_WORD in text:
    return words(text)
  try:
    tree, percent = expression.parse(text)
  except expression.NotAnExpressionError:
    tree, percent = None, False
  if not run:
    return Scalar(squashed(text), tree, percent)
  unit, scale = units.canonical(run), units.scale(run)
  if unit == 'percent':
    unit, percent = '', True
  text = squashed(text)
  if not tree:
    return Scalar(text, None, percent, unit)
  if scale != 1:
    text = f'({text})*{scale}'
    tree = Node('multiply', (tree, Node('number', (scale,))))
  return Scalar(text, tree, percent, unit, scale)


def _without_unit(text: str) -> tuple[str, str]:
  """The text before the units at its end, and these."""
  for run in _UNITS.finditer(text) if OPEN_WORD in text else ():
    if run.start() and run.end() == len(text):
      return text[: run.start()].rstrip(), run[0]
  return text, ''


def squashed(text: str) -> str:
  """Removes spaces, except after the name of a command or between digits."""
  kept = _NEEDED_SPACE.sub(lambda match: f'{match[1] or match[2]}~', text)
  return kept.replace(' ', '').replace('~', ' ')


def words(text: str) -> Answer:
  """What a text of words says: a number, a set, or itself."""
  plain = ''.join(c for c in text.lower() if c.isalnum())
  return _MEANINGS.get(plain, Words(plain))
