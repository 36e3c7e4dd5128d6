"""Units of measure: dropped from answers, compared where both have one."""

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
_DROPPED = frozenset(('square', 'sq', 'cubic', 'cu', 'unit', 'units', 'of'))
_WORD = re.compile(r'[a-z]++')


def canonical(text: str) -> str:
  """The first name of the unit in `text`; '' if it is not in the table."""
  words = [w for w in _WORD.findall(text.lower()) if w not in _DROPPED]
  return _UNITS.get(words[0], '') if len(words) == 1 else ''
