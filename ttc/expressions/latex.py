r"""Brings the many ways to write an answer to one spelling.

The result has digits, letters, operators, brackets, those `\commands` that have
a meaning, words as ⟦word⟧, and ∧ ∨ for "and" and "or". The structure of an
answer is left to `ttc.expressions.parser`.
"""

import functools
import re
import unicodedata

from ttc.expressions import normal_form
from ttc.expressions.normal_form import CLOSE_WORD, FUNCTIONS, NAMES, OPEN_WORD

_TEXT = re.compile(
  r'\\(?:text(?:bf|it|rm|normal|sf|tt|sc)?|mbox|hbox|math(?:rm|bf|it|sf|tt|cal|'
  r'bb|frak)|operatorname\*?|emph|bold(?:symbol)?|underline|vec|hat|'
  r'(?P<gone>h?phantom|hspace|vspace|tag|label|color|kern))\s*+\{'
)
_PLAIN = re.compile(r'-?+[0-9]++')
_COMMAND = re.compile(r'\\([A-Za-z]++)|\\(.)', re.DOTALL)
_THIN = re.compile(
  r'(?<=\d)(?:\{,\}|,\s*+\\!\s*+|\\,|,\\,|\{\\,\}|\\ |~)(?=\d{3}(?!\d))'
)
_SPACED_GROUPS = re.compile(
  r'(?<![\d.,] )(?<![\d.,])\d{1,3}(?: \d{3})+(?! ?\d)'
)
_GROUPS = re.compile(r'(?<![\d.,])\d{1,3}(?:,\d{3})+(?!\d|,\d)')
_HALF_DAY = re.compile(
  r'(?<![A-Za-z])([ap])(?:\.\s?m\.?|m)(?![A-Za-z])', re.IGNORECASE
)
_EMPTY_BRACKET = re.compile(r'\\(?:left|right)\s*+\.')
_DEGREES = re.compile(
  r'\^\s*+(?:\{\s*+\\circ\s*+\}|\\circ)(?:\s*+[CF](?![A-Za-z]))?'
)
_UNION = re.compile(r'(?<=[\])}])\s*+(?:U|∪)\s*+(?=[\[(\\{])')
_RUN = re.compile(
  rf'\\(?:begin|end)\s*+\{{[a-z]++\*?\}}|{normal_form.WORD}'
  r'|\\[A-Za-z]++|[A-Za-z]{2,}'
)
# One class for letters and what joins words: two loops, one in the other, would
# try every way to part a long run of letters.
_PHRASE = re.compile(r"[A-Za-z]{2}(?:[A-Za-z '.-]*[A-Za-z])?[.,]?")
_SPACES = re.compile(r'\s+')
_SCRIPTS = re.compile(
  f'[{normal_form.SUPERSCRIPTS}]+|[{normal_form.SUBSCRIPTS}]+'
)
_BRACKETS = ('()', '[]', (r'\{', r'\}'))
_NESTED_TEXT = 3
# Putting runs of accents in order takes time quadratic in their length, and no
# answer in mathematics has so many.
_MAX_ACCENTS = 200


@functools.lru_cache(maxsize=20_000)
def clean(text: str) -> str:
  """Returns `text` in normal spelling; '' if nothing is left."""
  if _PLAIN.fullmatch(text):
    return text
  text = text.translate(normal_form.UNICODE)
  if not text.isascii():
    text = _SCRIPTS.sub(_script, text)
    if sum(map(bool, map(unicodedata.combining, text))) <= _MAX_ACCENTS:
      text = unicodedata.normalize('NFKC', text)
  text = _THIN.sub('', text.strip().strip('*').strip())
  text = _HALF_DAY.sub(lambda match: f'{match[1].lower()}m', text)
  for _ in range(_NESTED_TEXT):
    text = _unwrapped(text)
  text = _EMPTY_BRACKET.sub('', text)
  text = _COMMAND.sub(_command, text).replace('$', '').replace('~', ' ')
  text = _DEGREES.sub(r'^{\\circ}', text)
  text = _UNION.sub(r'\\cup ', text)
  text = _RUN.sub(_word, text)
  text = _SPACES.sub(' ', text)
  text = _SPACED_GROUPS.sub(lambda match: match[0].replace(' ', ''), text)
  text = _without_grouping(text)
  return text.strip().lstrip('=').rstrip('.,;\\ ').strip()


def _script(match: re.Match) -> str:
  mark = '^' if match[0][0] in normal_form.SUPERSCRIPTS else '_'
  return f'{mark}{{{match[0].translate(normal_form.SCRIPT_DIGITS)}}}'


def _command(match: re.Match) -> str:
  name, symbol = match.groups()
  if name is None:
    return normal_form.SYMBOLS.get(symbol, ' ')
  if name in normal_form.IGNORED:
    return ' '
  return normal_form.RENAMED.get(name, match[0])


def _unwrapped(text: str) -> str:
  r"""Replaces \text{...} and similar commands by their contents."""
  parts, at = [], 0
  while match := _TEXT.search(text, at):
    end = _closing(text, match.end())
    if end is None:
      break
    parts.append(text[at : match.start()])
    inside = text[match.end() : end]
    if not match['gone']:
      before = text[max(at - 1, 0) : match.start()].rstrip()[-1:]
      parts.append(_content(inside, before))
    at = end + 1
  return ''.join([*parts, text[at:]])


def _content(inside: str, before: str) -> str:
  stripped = inside.strip(' ~,$')
  if stripped == 'R':
    return r'\reals '
  lowered = stripped.lower()
  if lowered in NAMES or not stripped:
    return f' {lowered} '
  unit = before and before in '0123456789})' and stripped in 'mgshLNJWVK'
  if unit or _PHRASE.fullmatch(stripped):
    return f' {OPEN_WORD}{stripped}{CLOSE_WORD} '
  return f' {inside} '


def _closing(text: str, start: int) -> int | None:
  depth = 1
  for at in range(start, len(text)):
    if text[at] == '{':
      depth += 1
    elif text[at] == '}':
      depth -= 1
      if not depth:
        return at
  return None


def _word(match: re.Match) -> str:
  run = match[0]
  if run[0] in (OPEN_WORD, '\\'):
    return run
  lowered = run.lower()
  if lowered in NAMES:
    return f' {NAMES[lowered]}'
  if lowered[:-1] in FUNCTIONS:  # sinx
    return f'\\{lowered[:-1]} {run[-1]}'
  if len(run) > 3 or lowered in normal_form.SHORT_WORDS:
    return f'{OPEN_WORD}{run}{CLOSE_WORD}'
  return run


def _without_grouping(text: str) -> str:
  """Removes the commas of 1,234 where they cannot separate a list.

  In brackets they do separate, (1,234) is a pair, unless a group of digits
  starts with 0 or other commas of the text are followed by a space.
  """
  spaced = ', ' in text
  opened, counted = [0] * len(_BRACKETS), 0

  def join(match: re.Match) -> str:
    nonlocal counted
    for kind, (opening, closing) in enumerate(_BRACKETS):
      opened[kind] += text.count(opening, counted, match.start())
      opened[kind] -= text.count(closing, counted, match.start())
    counted = match.start()
    inside = any(level > 0 for level in opened)
    zeros = any(group[0] == '0' for group in match[0].split(',')[1:])
    return (
      match[0]
      if inside and not (spaced or zeros)
      else match[0].replace(',', '')
    )

  return _GROUPS.sub(join, text)
