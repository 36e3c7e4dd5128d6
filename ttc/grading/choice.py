"""Answers to questions with choices: the letter of one, and what it says."""

import re
from typing import NamedTuple

from ttc.expressions.latex import clean

_LABELLED = re.compile(
  r'(?:\(([A-J])\)|([A-J])\)|([A-J])(?:\.(?=\s)|:(?=\s++(?:⟦|[A-Za-z]{2}))))(?:\s++(\S.*+)|\s*+)',
  re.DOTALL,
)
_LETTER = re.compile('[A-J]')


class Choice(NamedTuple):
  """A letter, and the text of the choice or ''."""

  letter: str
  says: str


def read(text: str) -> Choice | None:
  """The choice that "(C) 5", "C. 5", "C: a dog" or "C)" names, or None."""
  if ')' not in text and '.' not in text and ':' not in text:
    return None
  match = _LABELLED.fullmatch(clean(text))
  if not match:
    return None
  *letters, says = match.groups()
  return Choice(next(filter(None, letters)), says or '')


def pairs(gold: str, pred: str) -> list[tuple[str, str]]:
  """Pairs of texts: the answers are the same if those of one pair are.

  Letters decide where both have one. Else what has a letter is the same as its
  letter, and as what it says unless the other is a lone letter.
  """
  a, b = read(gold), read(pred)
  if a and b:
    if a.letter != b.letter:
      return []
    return [(a.says, b.says) if a.says and b.says else (a.letter, b.letter)]
  found = [(gold, pred)]
  if a:
    found += [(text, pred) for text in _named(a, pred)]
  if b:
    found += [(gold, text) for text in _named(b, gold)]
  return found


def _named(choice: Choice, other: str) -> list[str]:
  lone = _LETTER.fullmatch(clean(other))
  return [choice.letter, *([choice.says] if choice.says and not lone else [])]
