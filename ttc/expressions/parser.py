r"""Parses the structure of an answer.

Each reader parses one kind of structure and returns None for other text. The
first that returns an answer decides. Parts are parsed in the same way.
"""

import functools
import itertools
import re

from ttc.expressions import matrix, scalar
from ttc.expressions.answer import Answer, Group, Named, Relation, Scalar, Words
from ttc.expressions.brackets import encloses, OPEN, split, split_keeping, TOKEN
from ttc.expressions.latex import clean
from ttc.expressions.node import Node, symbols
from ttc.expressions.normal_form import (
  AND,
  CLOSE_WORD,
  GREEK_NAMES,
  OPEN_WORD,
  OR,
  WORD,
)

_MAX_DEPTH = 6

_SIGNS = {
  **{sign: sign for sign in ('=', '<', '>', '<=', '>=', '!=')},
  '==': '=',
  r'\le': '<=',
  r'\ge': '>=',
  r'\ne': '!=',
  r'\equiv': '=',
}
_TURNED = {'<': '>', '>': '<', '<=': '>=', '>=': '<='}
# Possessive repeats (`*+`) never backtrack. What follows one here begins with a
# character that the repeat does not match, so that the matches are those of a
# greedy one. Groups are not possessive: Python before 3.11.5 has a bug there.
_WORDS = re.compile(WORD)
_LEAD = re.compile(
  rf'^(?:{WORD}\s*+)*{OPEN_WORD}(?:[^{OPEN_WORD}{CLOSE_WORD}]* )?(?:is|are|'
  rf'equals|about|approximately|exactly|roughly){CLOSE_WORD}\s*+(?=\S)',
  re.IGNORECASE,
)
_SEGMENT = rf'{OPEN_WORD}?[A-Z]{{1,4}}{CLOSE_WORD}?'
_PART = rf'{_SEGMENT}(?:_(?:\{{{_SEGMENT}\}}|\{{\d\}}|\w))?'  # of a ratio
_NAME = re.compile(
  rf"(?:(?:{WORD}\s*+)+|(?:\\?[A-Za-z]|\\(?:{'|'.join(GREEK_NAMES)}))'*+(?:\^\{{-1\}})?"
  r'(?:_(?:\{[\w,]++\}|\w++))?(?:\(\s*+-?\w{1,3}\s*+\))?|[A-Z]{2,4}'
  r'|m?\s*+\\angle\s*+\w++|\\overline\{[A-Za-z]++\}|\|[A-Z]{2}\|'
  rf'|\\frac\{{{_SEGMENT}\}}\{{{_SEGMENT}\}}|{_PART}\s*+:\s*+{_PART}'
  r'|\(\s*+[A-Za-z]\s*+(?:,\s*+[A-Za-z]\s*+)+\))\s*+(?::\s*+)?'
)
_BASE = re.compile(
  r'(?:\((?=[A-Z.]*+\d)([\dA-Z.]++)\)|(?=[A-Z.]*+\d)([\dA-Z.]++))'
  r'_(?:\{(\d++)\}|(\d++))'
)
_SPACED = re.compile(r'-?\d++(?:\.\d++)?(?: ++\d++(?:\.\d++)?)+')
_POSITIVE = re.compile(r'\\reals(?:\^\{?\+\}?|_\{>0\})')
_NO_SET = re.compile(r'\||:|\\over(?!l)|\\choose')
_SYSTEM = (r'\begin{cases}', r'\end{cases}')
_VARIABLE = re.compile(r'\s*+[A-Za-z]\s*+(?:\\in\s*+\\reals\s*+)?')
_LETTER = re.compile(r'(?<![\\A-Za-z])[A-Za-z](?![A-Za-z])')
_OPERATOR = re.compile(r'[\d\\=+*/<>]')
_PLAIN = re.compile(r'-?+\d++(?:\.\d++)?+')  # which only `_scalar` reads
_NUMBER_OR_LETTER = re.compile(r'[\dA-Za-z]')
_APPROXIMATELY = re.compile(r'\\approx(?![A-Za-z])|≈')
_PLUS_MINUS = re.compile(r'\\pm(?![A-Za-z])')
_MINUS_PLUS = re.compile(r'\\mp(?![A-Za-z])')


@functools.lru_cache(maxsize=20_000)
def read(text: str) -> Answer:
  """The structure of an answer. Text that it cannot parse is a Scalar."""
  return _read(clean(text), 0)


def alternatives(text: str) -> list[str]:
  r"""A reference answer and, of `exact \approx decimal`, also both sides."""
  parts = _APPROXIMATELY.split(text)
  if len(parts) == 1:
    return [text]
  return [text, *(part for part in parts if part.strip())]


def _read(text: str, depth: int) -> Answer:
  if OPEN_WORD in text:
    text = _LEAD.sub('', text.strip())
  text = text.lstrip(' ,;').rstrip(' .,;')
  if not text:
    return Words('')
  if depth > _MAX_DEPTH or _PLAIN.fullmatch(text):
    return scalar.read(text)
  for reader in _READERS:
    answer = reader(text, depth + 1)
    if answer is not None:
      return answer
  return scalar.read(text)


def _only_words(text: str, depth: int) -> Answer | None:
  del depth
  rest = _WORDS.sub('', text)
  lone = len(rest) < len(text) and not _OPERATOR.search(rest)
  return scalar.words(text) if lone else None


def _symbols(text: str, depth: int) -> Answer | None:
  del depth
  bare = text.replace(' ', '')
  if bare == r'\reals':
    return scalar.REALS
  if _POSITIVE.fullmatch(bare):
    zero = scalar.read('0')
    return Group('tuple', (zero, scalar.ENDS[1]), '()')
  return scalar.NOTHING if bare in (r'\emptyset', r'\{\}') else None


def _based(text: str, depth: int) -> Answer | None:
  """Digits to a base, some of them letters or after a point: A5_{11}."""
  match = _BASE.fullmatch(text.replace(' ', ''))
  if not match:
    return None
  digits = (match[1] or match[2]).lstrip('0') or '0'
  base = match[3] or match[4]
  if base == '10':
    return _read(digits, depth)
  name = f'{digits}_{base}'
  return Scalar(name, Node('symbol', (name,)))


def _listed(text: str, depth: int) -> Answer | None:
  """Parts between commas, "and", "or": a list, or a union of intervals."""
  for separators in ((OR,), (AND,), (',', ';')):
    parts = split(text, separators)
    if len(parts) > 1:
      items = [_read(part, depth) for part in parts if part.strip()]
      kinds = {item.kind for item in items if isinstance(item, Group)}
      ranges = all(isinstance(item, Group) for item in items)
      if separators == (OR,) and ranges and kinds <= {'tuple', 'union'}:
        return _group('union', items)
      if separators == (AND,) and ranges and _one_variable(text):
        items = _narrowed(items)
      return _group('list', items)
  if _SPACED.fullmatch(text):
    return _group('list', [_read(part, depth) for part in text.split()])
  return None


def _narrowed(items: list[Answer]) -> list[Answer]:
  """Conditions on one variable that hold together: x > 1 and x < 2."""
  low, high = scalar.ENDS
  if len(items) != 2 or any(item.kind != 'tuple' for item in items):
    return items
  up, down = sorted(items, key=lambda item: item.items[0] == low)
  if up.items[1] != high or down.items[0] != low or up.items[0] == low:
    return items
  return [
    Group('tuple', (up.items[0], down.items[1]), up.form[0] + down.form[1])
  ]


def _group(kind: str, items: list[Answer]) -> Answer:
  """A group of this kind; items of groups of the same kind become its own."""
  flat = []
  for item in items:
    same = isinstance(item, Group) and item.kind == kind
    flat.extend(item.items if same else [item])
  return flat[0] if len(flat) == 1 else Group(kind, tuple(flat))


def _approximate(text: str, depth: int) -> Answer | None:
  parts = split(text, (r'\approx', r'\doteq'))
  if len(parts) < 2:
    return None
  first = parts[0].strip()
  named = not first or _NAME.fullmatch(first)
  return _read(parts[1] if named else first, depth)


def _member(text: str, depth: int) -> Answer | None:
  parts = split(text, (r'\in',))
  if len(parts) != 2 or not _NAME.fullmatch(parts[0].strip()):
    return None
  return _read(parts[1], depth)


def _related(text: str, depth: int) -> Answer | None:
  parts, signs = split_keeping(text, _SIGNS)
  if not signs:
    return None
  signs = [_SIGNS[sign] for sign in signs]
  parts = [part.strip() for part in parts]
  if set(signs) == {'='}:
    return _equated(parts, depth)
  interval = _interval(parts, signs)
  if interval is not None:
    return interval
  if len(parts) != 2:
    return Scalar(scalar.squashed(text))
  sides = [scalar.read(part) for part in parts]
  if not all(isinstance(side, Scalar) for side in sides):
    return scalar.words(text)
  if signs[0] in ('>', '>='):
    return Relation(_TURNED[signs[0]], sides[1], sides[0])
  return Relation(signs[0], *sides)


def _equated(parts: list[str], depth: int) -> Answer:
  first, last = parts[0], parts[-1]
  if not first or not last:
    return _read(first or last, depth)
  for name, value in ((first, last), (last, first)):
    if _NAME.fullmatch(name) and not _mentions(value, name):
      return Named(name.replace(' ', ''), _read(value, depth))
  left, right = scalar.read(first), scalar.read(last)
  if not (isinstance(left, Scalar) and isinstance(right, Scalar)):
    return scalar.words('='.join(parts))
  constant = all(side.tree and not symbols(side.tree) for side in (left, right))
  return right if constant else Relation('=', left, right)


def _one_variable(text: str) -> bool:
  letters = _LETTER.findall(_WORDS.sub('', text))
  return len(set(letters)) == 1 and any(sign in text for sign in _SIGNS)


def _mentions(text: str, name: str) -> bool:
  return len(name) == 1 and name in _LETTER.findall(_WORDS.sub('', text))


def _interval(parts: list[str], signs: list[str]) -> Answer | None:
  """The values of a variable in `a < x <= b`, `x > a` or `x != a`."""
  at = [i for i, part in enumerate(parts) if _NAME.fullmatch(part)]
  if len(at) != 1 or len(parts) > 3:
    return None
  rest = parts[: at[0]] + parts[at[0] + 1 :]
  if any(_mentions(part, parts[at[0]]) for part in rest):
    return None
  bounds = [scalar.read(part) for part in rest]
  if not all(isinstance(bound, Scalar) for bound in bounds):
    return None
  low, high = scalar.ENDS
  if signs == ['!=']:
    sides = (low, bounds[0]), (bounds[0], high)
    return Group('union', tuple(Group('tuple', side, '()') for side in sides))
  if len(parts) == 2:
    sign = signs[0] if at == [0] else _TURNED.get(signs[0], '')
    if sign in ('<', '<='):
      return Group('tuple', (low, bounds[0]), '()' if sign == '<' else '(]')
    if sign in ('>', '>='):
      return Group('tuple', (bounds[0], high), '()' if sign == '>' else '[)')
  elif len(parts) == 3 and at == [1]:
    if set(signs) <= {'>', '>='}:
      bounds, signs = bounds[::-1], [_TURNED[sign] for sign in signs[::-1]]
    if set(signs) <= {'<', '<='}:
      form = ('(' if signs[0] == '<' else '[') + (
        ')' if signs[1] == '<' else ']'
      )
      return Group('tuple', tuple(bounds), form)
  return None


def _united(text: str, depth: int) -> Answer | None:
  parts = split(text, (r'\cup',))
  if len(parts) < 2:
    return None
  items = [_read(part, depth) for part in parts]
  if all(isinstance(item, Group) and item.kind == 'list' for item in items):
    members = itertools.chain.from_iterable(item.items for item in items)
    return _group('list', list(dict.fromkeys(members)))
  return _group('union', items)


def _two_signs(text: str, depth: int) -> Answer | None:
  r"""The two values of text with \pm; \mp has the opposite sign."""
  if not (_PLUS_MINUS.search(text) or _MINUS_PLUS.search(text)):
    return None
  both = [
    _MINUS_PLUS.sub(lower, _PLUS_MINUS.sub(upper, text))
    for upper, lower in ('+-', '-+')
  ]
  return _group('list', [_read(part, depth) for part in both])


def _inside(text: str) -> tuple[str, str, str] | None:
  """Opening, contents and closing if one pair of brackets encloses all."""
  if text[0] not in '([{\\':
    return None
  tokens = TOKEN.findall(text)
  if len(tokens) < 3 or tokens[0] not in OPEN or not encloses(tokens):
    return None
  return tokens[0], ''.join(tokens[1:-1]), tokens[-1]


def _braced(text: str, depth: int) -> Answer | None:
  """A set, or a group of TeX; not a fraction, nor a set defined by a rule."""
  braced = _inside(text)
  if not braced or braced[0] not in ('{', r'\{'):
    return None
  if _NO_SET.search(braced[1]):
    return _ruled(braced[1], depth) if braced[0] == r'\{' else None
  return _group('list', [_read(p, depth) for p in split(braced[1], (',', ';'))])


def _excluded(text: str, depth: int) -> Answer | None:
  """The real numbers but for some, given in order, as a union of intervals."""
  parts = split(text, (r'\setminus', '-')) if r'\reals' in text else ()
  if len(parts) != 2 or _read(parts[0], depth) != scalar.REALS:
    return None
  found = _read(parts[1], depth)
  items = found.items if isinstance(found, Group) else (found,)
  if not all(isinstance(item, Scalar) for item in items):
    return None
  ends = itertools.pairwise((scalar.ENDS[0], *items, scalar.ENDS[1]))
  return _group('union', [Group('tuple', pair, '()') for pair in ends])


def _system(text: str, depth: int) -> Answer | None:
  """The equations of a system, which is no function given by cases."""
  if not text.startswith(_SYSTEM[0]) or not text.endswith(_SYSTEM[1]):
    return None
  parts = split(text[len(_SYSTEM[0]) : -len(_SYSTEM[1])], ('\\\\',))
  if any('&' in part for part in parts):
    return None
  return _group('list', [_read(part, depth) for part in parts if part.strip()])


def _ruled(text: str, depth: int) -> Answer | None:
  """The values of a variable in a set defined by an interval: {x | x > 2}."""
  for sign in ('|', ':'):
    name, _, rule = text.partition(sign)
    if rule and _VARIABLE.fullmatch(name):
      found = _read(rule, depth)
      ends = isinstance(found, Group) and found.kind in ('tuple', 'union')
      return found if ends else None
  return None


def _bracketed(text: str, depth: int) -> Answer | None:
  bracketed = _inside(text)
  if not bracketed or bracketed[0] not in ('(', '[', r'\langle'):
    return None
  opening, inside, closing = bracketed
  parts = split(inside, (',', ';'))
  if len(parts) == 1:
    matched = opening + closing in ('()', '[]')
    return _read(inside, depth) if matched else None
  items = tuple(_read(part, depth) for part in parts)
  pair = len(items) == 2 and opening != r'\langle'
  return Group('tuple', items, opening + closing if pair else '()')


def _matrix(text: str, depth: int) -> Answer | None:
  found = matrix.read(text)
  if not found:
    return None
  cells = [cell for row in found.rows for cell in row]
  if found.factor:
    number = scalar.read(found.factor)
    if not isinstance(number, Scalar) or not number.tree:
      return None
    cells = [f'({found.factor})*({cell})' for cell in cells]
  items = tuple(_read(cell, depth) for cell in cells)
  height, width = len(found.rows), len(found.rows[0])
  if width == 1 and height > 1:  # a column vector is a point
    return Group('tuple', items, '()')
  return Group('matrix', items, f'{height}x{width}')


def _ratio(text: str, depth: int) -> Answer | None:
  parts = split(text, (':',))
  if len(parts) < 2 or not all(part.strip() for part in parts):
    return None
  if not all(map(_NUMBER_OR_LETTER.search, parts)):
    return None
  if OPEN_WORD in parts[0]:  # "Area: 5"
    return _read(':'.join(parts[1:]), depth)
  items = tuple(_read(part, depth) for part in parts)
  numbers = all(isinstance(x, Scalar) and x.tree and not x.unit for x in items)
  if len(items) == 2 and numbers:  # 1:2 is a half, but 8:34 p.m. a time
    tree = Node('divide', tuple(item.tree for item in items))
    return Scalar(scalar.squashed(text), tree)
  return Group('ratio', items)


_READERS = (
  *(
    _only_words,
    _symbols,
    _based,
    _matrix,
    _system,
    _listed,
    _approximate,
    _member,
  ),
  *(_related, _united, _excluded, _braced, _two_signs, _bracketed, _ratio),
)
