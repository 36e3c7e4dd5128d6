r"""Brings the many ways to write an answer to one spelling.

The result has digits, letters, operators, brackets, those `\commands` that have
a meaning, words as ⟦word⟧, and ∧ ∨ for "and" and "or". The structure of an
answer is left to `ttc.expressions.parser`.
"""

import functools
import re
import string
import unicodedata

from ttc.expressions import normal_form, spellings, units
from ttc.expressions.normal_form import (
  CLOSE_WORD,
  FUNCTIONS,
  GREEK_NAMES,
  NAMES,
  OPEN_WORD,
)

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
  r'(?<![A-Za-z])([ap])\.\s?m\.?(?![A-Za-z])', re.IGNORECASE
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
# Letters that are no word: they have no vowel, as in ghmr, or are of a to d.
_PRODUCT = re.compile(
  r'(?=[A-Z]*+[a-z])(?:(?=[^yY]*+\Z|.*(?:xy|yx|yz|zy))[^aeiouAEIOU]++'
  r'|[a-d]{4}|abcde)'
)
_LETTER_UNITS = re.compile(
  rf'({OPEN_WORD}(?:{"|".join(sorted(normal_form.SHORT_UNITS))}){CLOSE_WORD})'
  r'((?:\s*+(?:[*/]\s*+|(?<= ))[smhgNJWVKCL](?![A-Za-z])(?:\^\{?-?\d\}?)?)+)'
)
_AFTER_PRODUCT = re.compile(
  rf'\s*+\\?(?:{"|".join(sorted(FUNCTIONS | GREEK_NAMES))})(?![A-Za-z])'
  r"|\s*+(?:[-+}]|\\(?:sqrt|frac|pi)(?![A-Za-z]))|[(_']"
)
_OF_INTERVAL = re.compile(r'[A-Za-z] in\s*+[(\[{\\]')
_NO_NAMES = ('LG', 'Lg', 'lG')  # a length and the acceleration, no logarithm
_NUMBER = re.compile(r'[\d.,]{1,20} ')
_MAX_UNITS = 4  # in a product after a number
_SPACE_COMMANDS = ('\\ ', '\\,', '\\;', '\\:', '\\!')
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
  text = _THIN.sub('', text.strip().strip('*`"').strip())
  text = _HALF_DAY.sub(lambda match: f'{match[1].lower()}m', text)
  text = spellings.of_commands(text)
  for _ in range(_NESTED_TEXT):
    text = _unwrapped(text)
  text = _EMPTY_BRACKET.sub('', text)
  text = _COMMAND.sub(_command, text).replace('$', '').replace('~', ' ')
  text = _DEGREES.sub(r'^{\\circ}', text)
  text = _UNION.sub(r'\\cup ', text)
  text = spellings.of_letters(text)
  text = _RUN.sub(_word, text)
  if OPEN_WORD in text:
    text = _LETTER_UNITS.sub(_letter_units, text)
    text = spellings.of_words(text)
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
    between = text[at : match.start()]
    inside = text[match.end() : end]
    word = parts and parts[-1].endswith(f'{CLOSE_WORD} ')
    parts.append(between)
    if not match['gone']:
      joined = word and units.is_joint(between)
      before = _last(text, max(at - 1, 0), match.start())
      parts.append(_content(inside, before, bool(joined)))
    at = end + 1
  return ''.join([*parts, text[at:]])


def _last(text: str, start: int, end: int) -> str:
  """The last character between two places that is no space of TeX, or ''."""
  while end > start:
    if text[max(end - 2, start) : end] in _SPACE_COMMANDS:
      end -= 2
    elif text[end - 1] in ' ~\n':
      end -= 1
    else:
      return text[end - 1]
  return ''


def _content(inside: str, before: str, joined: bool) -> str:
  """The contents of a command for text.

  Args:
    inside: the contents.
    before: the character before the command.
    joined: whether the command follows another word and a sign of a product.
  """
  stripped = inside.strip(' ~,$')
  if stripped == 'R':
    return r'\reals '
  lowered = stripped.lower()
  if lowered in NAMES or not stripped:
    return f' {lowered} '
  phrase, _, last = stripped.rpartition(' ')
  if last in ('and', 'or') and _PHRASE.fullmatch(phrase):
    return f' {OPEN_WORD}{phrase}{CLOSE_WORD} {NAMES[last]} '
  unit = joined or (before and before in '0123456789})')
  if (unit and stripped in 'mgshLNJWVKC') or _PHRASE.fullmatch(stripped):
    return f' {OPEN_WORD}{stripped}{CLOSE_WORD} '
  measures = before.isalnum() or (before and before in '})!%')
  if (measures or joined) and units.is_compound(stripped):
    return f' {units.wrapped(stripped, OPEN_WORD, CLOSE_WORD)} '
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
  if lowered in NAMES and run not in _NO_NAMES:
    return f' {NAMES[lowered]}'
  if run == 'in' and _OF_INTERVAL.match(match.string, match.start() - 2):
    return r'\in '
  if lowered[:-1] in FUNCTIONS and run[:2] not in _NO_NAMES:  # sinx
    return f'\\{lowered[:-1]} {run[-1]}'
  if lowered in normal_form.SHORT_UNITS:
    word = _measures(match)
  else:
    word = lowered in normal_form.SHORT_WORDS or (
      len(run) > 3 and not _PRODUCT.fullmatch(run)
    )
  return f'{OPEN_WORD}{run}{CLOSE_WORD}' if word else run


def _measures(match: re.Match) -> bool:
  """Whether letters that spell a unit, such as cm, stand where a unit may.

  That is after a number or a word, and before nothing that they multiply. What
  mg is after anything but digits and a space, is a weight.
  """
  text, run = match.string, match[0]
  spaced = text[max(match.start() - 1, 0) : match.start()] == ' '
  half = run in ('AM', 'PM')
  if not spaced and run.isupper() and not half:
    return False
  if run == 'mg' and not (spaced and _NUMBER.fullmatch(text, 0, match.start())):
    return False
  return not _AFTER_PRODUCT.match(text, match.end()) and (
    _ends_in_number(text, match.start())
  )


def _letter_units(match: re.Match) -> str:
  """A unit and those of one letter after it, as in kg m/s, as words."""
  return match[1] + units.wrapped(match[2], OPEN_WORD, CLOSE_WORD)


def _ends_in_number(text: str, end: int) -> bool:
  """Whether a number, a word or a unit after one ends at a place."""
  for _ in range(_MAX_UNITS):
    end = _skipped(text, end, ' ')
    sign = text[end - 1] if end else ''
    if sign in ('/', '*'):
      end = _skipped(text, end - 1, ' ')
      sign = text[end - 1] if end else ''
      if sign.isdigit() and text[end - 2 : end - 1] != '^':
        return False
    if not sign.isalpha():
      return sign.isdigit() or (sign and sign in f')}}]!%.{CLOSE_WORD}')
    start = _skipped(text, end, string.ascii_letters)
    run = text[start:end].lower()
    if run not in normal_form.SHORT_UNITS:
      return run == 'pi' or len(run) > 3 or run in normal_form.SHORT_WORDS
    end = start
  return False


def _skipped(text: str, end: int, characters: str) -> int:
  """Where a run of these characters that ends at a place starts."""
  while end and text[end - 1] in characters:
    end -= 1
  return end


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
