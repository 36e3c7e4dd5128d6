r"""Ways to write an answer that are rare, each brought to the usual one.

Each is behind a cheap test, for all but a few texts have none of them.
"""

import re

from ttc.expressions import numerals, units
from ttc.expressions.normal_form import CLOSE_WORD, OPEN_WORD

_PYTHON_POWER = re.compile(
  r'(?<=[\w)}\]])(?<![A-Za-z]{2})\*\*(?=[-+\w({\\.])'
  r'|(?<=[\w)}\]]) \*\* (?=[-+\w({\\.])'
)
_ELLIPSIS = re.compile(
  r'(?<=\.)(\d{3,60})(?:\.\.\.|\\(?:l|c)?dots(?![A-Za-z]))'
)
_UNIT_FRACTION = re.compile(
  r'\\[dt]?frac\s*+\{\s*+\\(?:text|mathrm)\s*+\{([^{}]*+)\}\s*+\}'
  r'\s*+\{\s*+\\(?:text|mathrm)\s*+\{([^{}]*+)\}((?:\^\d)?)\s*+\}'
)
_DOTTED = re.compile(
  r'(?<=[\d.}])\\dot\s*+(?:\{\s*+(\d++)\s*+\}|(\d))'  # 0.1\dot6
)
_BARE_SET = re.compile(r'\\mathbb\s++([A-Z])(?![A-Za-z])')
_PLAIN_ROMAN = re.compile(r'\{\s*+\\rm\s++([^{}]*+)\}')
_ENDING = r'(?:st|nd|rd|th)(?![A-Za-z])'  # of an ordinal
_ORDINAL = re.compile(
  rf'\A(\d++){_ENDING}\s*+\Z|(?<=\d)(?:\^\s*+{OPEN_WORD}?+{_ENDING}{CLOSE_WORD}?+'
  rf'|\^\s*+\{{\s*+{OPEN_WORD}?+{_ENDING}{CLOSE_WORD}?+\s*+\}})'
)
_RANGE = re.compile(
  rf'\A(\d++(?:\.\d++)?)\s++{OPEN_WORD}?to{CLOSE_WORD}?\s++(\d++(?:\.\d++)?)\Z'
)
# A share, as 1 out of 3.
_SHARE = re.compile(
  rf'\A(\d++)\s++{OPEN_WORD}?(?:out of|in){CLOSE_WORD}?\s++(\d++)\Z'
)
_TIMES_TEN = re.compile(r'(?<=\d) [xX] (?=10\s*+\^)')
# An interval of French books: ]2,5[ leaves out both ends.
_OUTWARD = re.compile(r'[\[\]][^\[\],;]++[,;][^\[\],;]++[\[\]]')
# What is counted, as data sets write it: 9 (apples), 5 (gallons of gas).
_IN_BRACKETS = re.compile(
  r'\A(-?[\d.,:/]++) \((?!sqrt|sinh|cosh|tanh|arc)'
  r"(?:(?=[^)]*[A-Za-z]{4})([A-Za-z][A-Za-z' -]++)|([A-Za-z]{2,3}))\)\Z"
)
# A parameter of a solution, as k in Z.
_PARAMETER = re.compile(
  r'[,;(]\s*+(?:where\s++|for\s++)?[kmn]\s*+\\in(?![A-Za-z])\s*+'
  r'(?:\\mathbb\s*+)?[ZN]\s*+\)?+\s*+\Z'
)
_NUMBERS = 'two three four five six seven eight nine ten eleven twelve'
_BASES = {name: str(n) for n, name in enumerate(_NUMBERS.split(), start=2)}
_NAMED_BASE = re.compile(
  rf'_\s*+\{{?+\s*+{OPEN_WORD}({"|".join(_BASES)}){CLOSE_WORD}\s*+\}}?+'
)


def of_commands(text: str) -> str:
  r"""Of a text as it was written, with all its commands.

  0.333...   2**3   \frac{\text{m}}{\text{s}}   \mathbb R   {\rm cm}
  """
  if '...' in text or 'dots' in text:
    text = _ELLIPSIS.sub(_repeating, text)
  if '**' in text:
    text = _PYTHON_POWER.sub('^', text)
  if 'frac' in text and ('text' in text or 'mathrm' in text):
    text = _UNIT_FRACTION.sub(_unit_fraction, text)
  if r'\dot' in text:
    text = _DOTTED.sub(r'\\overline{\1\2}', text)
  if 'mathbb ' in text:
    text = _BARE_SET.sub(r'\\mathbb{\1}', text)
  return _PLAIN_ROMAN.sub(r'\\mathrm{\1}', text) if r'\rm' in text else text


def of_letters(text: str) -> str:
  r"""Of a text without commands for text, before its words are found.

  3^{rd} 21st , k \in \mathbb{Z} 1 out of 3 2 to 3 3 x 10^4 ]2,5[ 9 (apples)
  """
  text = _ORDINAL.sub(r'\1', text)
  if r'\in' in text:
    text = _PARAMETER.sub('', text)
  if 'in' in text or 'of' in text:
    text = _SHARE.sub(r'\1/\2', text)
  if ' 10' in text:
    text = _TIMES_TEN.sub('*', text)
  if (text[:1] == ']' or text[-1:] == '[') and _OUTWARD.fullmatch(text):
    ends = '(' if text[0] == ']' else '[', ')' if text[-1] == '[' else ']'
    text = f'{ends[0]}{text[1:-1]}{ends[1]}'
  if text[-1:] == ')':
    text = _IN_BRACKETS.sub(_counted, text)
  return _RANGE.sub(r'\1:\2', text) if 'to' in text else text


def of_words(text: str) -> str:
  """Of a text whose words are marked: 342_{five}."""
  return _NAMED_BASE.sub(_named_base, text) if '_' in text else text


def _repeating(match: re.Match) -> str:
  """The digits before an ellipsis, with their period if they have one."""
  digits = match[1]
  period = numerals.period(digits)
  if not period:
    return digits
  head = digits[: -len(period)]
  return rf'{head}\overline{{{period}}}'


def _counted(match: re.Match) -> str:
  word = f'{OPEN_WORD}{match[2]}{CLOSE_WORD}' if match[2] else match[3]
  return f'{match[1]} {word}'


def _named_base(match: re.Match) -> str:
  return f'_{{{_BASES[match[1]]}}}'


def _unit_fraction(match: re.Match) -> str:
  over, under, power = match.groups()
  ratio = f'{over.strip(" ~")}/{under.strip(" ~")}{power}'
  return rf'\text{{{ratio}}}' if units.is_compound(ratio) else match[0]
