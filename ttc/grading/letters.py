r"""Extracts the letter that answers a question with choices from a response.

Looked for in this order: the last \boxed{}; the text at the last `####`; the
last "answer is", "answer:" or "option is" that goes on with a letter; a last
line that is nothing but a letter. An answer that names two choices names none,
and so does a formula such as `A = 5` or `C^2`.

Each pattern takes time linear in the text (tests/grading/growth_test.py).
"""

import collections
import re
import unicodedata

from ttc.grading import extraction
from ttc.grading.extraction import Extraction

_WRAPPING = re.compile(
  r'\\(?:(?:text|math)(?:bf|it|rm|sf|tt|normal)?|left|right|bf|rm|[()\[\] ,;!])'
  r'|[${}*_`"“”]'
)
_PHRASE = re.compile(
  r'\b(?:answer|choice|option)\b[*_\s]*+'
  r'(?:(?:is|was|(?:would|will|must|should)\s++be)\b'
  r'(?:\s++(?:therefore|thus|then|simply|clearly)\b)?|[:=])[*_\s]*+:?+',
  re.IGNORECASE,
)
# "the correct option: (C) 5 m": a letter in brackets or alone, and the rest.
_CHOICE = re.compile(
  r'\s*+(?:(?i:the|correct|option|choice|answer|letter)\b[\s:=]*+){0,4}'
  r'(?:[(\[]\s*+(?P<labelled>[A-Za-z])\s*+[)\]]'
  r'|(?P<bare>[A-Za-z])(?![A-Za-z0-9]))(?P<rest>.*)',
  re.DOTALL,
)
_ANOTHER = re.compile(
  r'[\s.:;)]*+(?:[(\[]\s*+[A-Z]\s*+[)\]]'
  r'|(?:(?:[,&/|+]|(?:and|or|nor)\b)\s*+)++[(\[]?\s*+[A-Z](?![A-Za-z0-9]))'
)
_MARKS = '.,:;)!?'
_WORD = re.compile(r'\s++([A-Za-z]++)')
_DASH = re.compile(r'\s++[-–—]\s')
# What "A" is followed by where it is a choice and no article.
_AFTER_A = ('as', 'because', 'based', 'for', 'given', 'since', 'so', 'which')
_PHRASES = 20  # the last ones that are tried
_READ = 2000  # characters of an answer, and after a phrase


def extract(text: str, letters: str) -> Extraction:
  """The choice of a whole response.

  Args:
    text: the response, of any length.
    letters: those that there are, in upper case, such as 'ABCD'.

  Returns:
    An answer that is one of the letters, or none.
  """
  found = extraction.extract(text)
  if found.cut:
    return found
  if found.how in ('boxed', 'marked'):
    letter = read(found.answer or '', letters)
    if letter:
      return Extraction(letter, found.how)
  text = extraction.said_aloud(text)
  phrases = collections.deque(_PHRASE.finditer(text), maxlen=_PHRASES)
  for match in reversed(phrases):
    line = text[match.end() : match.end() + _READ].lstrip().split('\n', 1)[0]
    said = _CHOICE.match(_unwrapped(line))
    if said and _is_choice(said):
      letter = _letter(said, letters)
      return Extraction(letter, 'said' if letter else '')
  line = text.rstrip()[-_READ:].rsplit('\n', 1)[-1]
  last = _CHOICE.fullmatch(_unwrapped(line))
  if last and not last['rest'].strip(_MARKS + ' '):
    letter = _letter(last, letters)
    return Extraction(letter, 'said' if letter else '')
  return Extraction(None)


def reference(gold: str, letters: str) -> str | None:
  """The letter of a reference answer, bare, boxed or marked; or None."""
  return read(extraction.unwrap(gold).answer or '', letters)


def read(answer: str, letters: str) -> str | None:
  """The letter in a text that is an answer: "C", "(C)", "C. 5 m"; or None.

  Args:
    answer: the text.
    letters: as for `extract`.
  """
  match = _CHOICE.fullmatch(_unwrapped(answer[:_READ]))
  if not match or not _is_choice(match):
    return None
  # "B 5" may be a product, and "a dog" no choice.
  if match['bare'] and match['rest'] and match['rest'][0] not in _MARKS:
    return None
  return _letter(match, letters)


def _is_choice(match: re.Match) -> bool:
  """Whether the letter of a match stands for a choice, by what follows it."""
  rest = match['rest']
  if match['labelled'] or rest.lstrip()[:1] in _MARKS:  # or nothing
    return True
  if match['bare'].islower():
    return False
  word = _WORD.match(rest)
  if not word:
    return bool(_DASH.match(rest)) or bool(_ANOTHER.match(rest))
  return match['bare'] not in 'AI' or word[1] in (*_AFTER_A, 'and', 'or', 'nor')


def _letter(match: re.Match, letters: str) -> str | None:
  """The letter of a match, if it is the only one, and one of `letters`."""
  letter = (match['labelled'] or match['bare']).upper()
  another = _ANOTHER.match(match['rest'])
  return letter if letter in letters and not another else None


def _unwrapped(text: str) -> str:
  """A text without what LaTeX and Markdown put around it."""
  return _WRAPPING.sub('', unicodedata.normalize('NFKC', text)).strip()
