"""Units of measure: dropped from answers, compared where both have one."""

from fractions import Fraction
import re

_NAMES = """
cm centimeter centimeters centimetre centimetres; mm millimeter millimeters
millimetre millimetres; km kilometer kilometers kilometre kilometres; m meter
meters metre metres; in inch inches; ft foot feet; yd yard yards; mi mile miles;
s sec secs second seconds; min mins minute minutes; h hr hrs hour hours; day
days; week weeks; month months; year years yr yrs; g gram grams; kg kilogram
kilograms; lb lbs pound pounds; oz ounce ounces; dollar dollars usd; cent cents;
degree degrees deg; radian radians rad; percent; am; pm
"""
_UNITS = {
  name: names.split()[0]
  for names in _NAMES.split(';')
  for name in names.split()
}
_RATES = {'mph': 'mi/h', 'kph': 'km/h', 'kmph': 'km/h'}
# Not compared, for they have other names: a joule is a newton metre.
_OTHERS = 'L mL ml N kN J kJ eV W kW V K A C F T Hz kHz Pa kPa mol cd'
_SYMBOLS = frozenset(_OTHERS.split())
_ONE = Fraction(1)
_SCALES = {
  **{
    name: Fraction(number)
    for name, number in (
      *(('dozen', 12), ('hundred', 100), ('thousand', 10**3)),
      *(('million', 10**6), ('billion', 10**9), ('trillion', 10**12)),
    )
  },
  **{
    name: Fraction(1, number)
    for names, number in (
      *(('half halves', 2), ('third thirds', 3), ('fifth fifths', 5)),
      *(('fourth fourths quarter quarters', 4), ('sixth sixths', 6)),
      *(('eighth eighths', 8), ('tenth tenths', 10)),
      *(('hundredth hundredths', 100), ('thousandth thousandths', 1000)),
    )
    for name in names.split()
  },
}
_DROPPED = frozenset(('square', 'sq', 'cubic', 'cu', 'unit', 'units', 'of'))
_WORD = re.compile(r'[a-z]++')
_POWER = r'(?:\s*+\^\s*+(?:-?+\d|\{\s*+-?+\d\s*+\}))?'
_JOINT = r'(?:[\s~*/(]|\\(?:cdot|times)(?![A-Za-z])|\\[ ,;:!])'
_COMPOUND = re.compile(
  rf'[A-Za-z]++{_POWER}(?:{_JOINT}+[A-Za-z]++{_POWER})*\)?'
)
_BETWEEN = re.compile(rf'{_POWER}{_JOINT}+')
_PLAIN = re.compile(
  r'(-?+\d++(?:\.\d++)?+(?:[eE][+-]?+\d++|\*10\^(?:\d|\{-?+\d++\}))?+)'
  r'(?:mg|k?+m/s(?:\^2|\^\{2\})?|[kM]?+\\Omega|[kMG]?+(?:Hz|eV|Pa)|k[JWVN]|mol)'
)
_NAME = re.compile(r'(?<!\\)(?<![A-Za-z])[A-Za-z]++')


def canonical(text: str) -> str:
  """The first name of the unit in `text`, or of a rate as in km/h.

  '' if a part of it is not in the table, or if it is some other product.
  """
  words = [w for w in _WORD.findall(text.lower()) if w not in _DROPPED]
  if len(words) == 1:
    return _RATES.get(words[0]) or _UNITS.get(words[0], '')
  if len(words) == 3 and words[1] == 'per':
    words.pop(1)
  elif len(words) != 2 or '/' not in text:
    return ''
  over, under = (_UNITS.get(word, '') for word in words)
  return f'{over}/{under}' if over and under else ''


def scale(text: str) -> Fraction:
  """The number that a unit begins with: million dollars, thirds; else 1."""
  first = _WORD.search(text.lower())
  return _SCALES.get(first[0], _ONE) if first else _ONE


def bare(text: str) -> str:
  """The number of an expression that may be a number with a unit, or ''.

  500mg and 10m/s are also products of symbols, where symbols are meant.
  """
  match = _PLAIN.fullmatch(text)
  return match[1] if match else ''


def differ(a: str, b: str) -> bool:
  """Whether two canonical names are of different units of one kind."""
  return bool(a and b) and a != b and ('/' in a) == ('/' in b)


def is_compound(text: str) -> bool:
  r"""Whether LaTeX is a product or ratio of units, as m/s^2 or kg\cdot m."""
  names = _NAME.findall(text) if _COMPOUND.fullmatch(text) else ()
  return all(map(_is_unit, names)) and (len(names) > 1 or '^' in text)


def is_joint(text: str) -> bool:
  r"""Whether LaTeX stands between two units, as / or ^2\cdot."""
  return bool(_BETWEEN.fullmatch(text))


def wrapped(text: str, opening: str, closing: str) -> str:
  """A compound unit with each name between an opening and a closing."""
  bare = text.replace('(', '').replace(')', '')
  return _NAME.sub(rf'{opening}\g<0>{closing}', bare)


def _is_unit(name: str) -> bool:
  return name in _UNITS or name in _SYMBOLS or name == 'per'
