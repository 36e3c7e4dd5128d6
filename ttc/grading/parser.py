r"""Reads the structure of an answer from its text.

Each reader knows one kind of structure and passes on what is not of it; the
first that takes a text decides. Parts are read in the same way.
"""

import functools
import re

from ttc.grading import expression, units
from ttc.grading.answer import Answer, Group, Named, Relation, Scalar, Words
from ttc.grading.brackets import encloses, OPEN, split, split_keeping, TOKEN
from ttc.grading.expression import Node
from ttc.grading.latex import clean
from ttc.grading.normal_form import AND, CLOSE_WORD, OPEN_WORD, OR

_MAX_DEPTH = 6
_WORDS = rf'{OPEN_WORD}[^{CLOSE_WORD}]*{CLOSE_WORD}'

_ENDS = tuple(
  Scalar(end, expression.parse(end).tree) for end in (r'-\infty', r'\infty')
)
_REALS = Group('tuple', _ENDS, '()')
_NOTHING = Group('list', ())
_COUNTS = 'zero one two three four five six seven eight nine ten eleven twelve'
_MEANINGS = {
  **dict.fromkeys(('allrealnumbers', 'allreals', 'realnumbers'), _REALS),
  **dict.fromkeys(('nosolution', 'nosolutions', 'emptyset'), _NOTHING),
  **{
    word: Scalar(str(count), expression.parse(str(count)).tree)
    for count, word in enumerate(_COUNTS.split())
  },
}
_SIGNS = {
  '=': '=',
  '==': '=',
  '<': '<',
  '>': '>',
  '<=': '<=',
  '>=': '>=',
  '!=': '!=',
  r'\le': '<=',
  r'\ge': '>=',
  r'\ne': '!=',
  r'\equiv': '=',
}
_TURNED = {'<': '>', '>': '<', '<=': '>=', '>=': '<='}
_UNIT = re.compile(
  rf'(?:\s*(?:{_WORDS}|/(?=\s*{_WORDS}))(?:\s*\^\s*\{{?\s*-?\d\s*\}}?)?)+\s*$'
)
_LEAD = re.compile(
  rf'^(?:{_WORDS}\s*)*{OPEN_WORD}(?:is|are|equals|about|approximately|exactly|'
  rf'roughly){CLOSE_WORD}\s*(?=\S)',
  re.IGNORECASE,
)
_NAME = re.compile(
  rf"(?:(?:{_WORDS}\s*)+|\\?[A-Za-z]'*(?:_\{{?\w+\}}?)?(?:\(\s*-?\w{{1,3}}\s*\))?|[A-Z]{{2,4}}"
  r'|m?\s*\\angle\s*\w+|\\overline\{[A-Za-z]+\}|\|[A-Z]{2}\||\\alpha|\\beta|\\gamma'
  r'|\\theta|\\phi|\\lambda|\\mu|\(\s*[A-Za-z]\s*(?:,\s*[A-Za-z]\s*)+\))\s*(?::\s*)?'
)
_BASE = re.compile(
  r'(?:\(([0-9A-Z.]*\d[0-9A-Z.]*)\)|([0-9A-Z.]*\d[0-9A-Z.]*))'
  r'_(?:\{(\d+)\}|(\d+))'
)
_SPACED = re.compile(r'-?\d+(?:\.\d+)?(?: +\d+(?:\.\d+)?)+')
_NEEDED_SPACE = re.compile(r'(\\[A-Za-z]+) +(?=[A-Za-z])|(\d) +(?=\d)')
_NO_SET = re.compile(r'\||:|\\over(?!l)|\\choose')
_LETTER = re.compile(r'(?<![\\A-Za-z])[A-Za-z](?![A-Za-z])')
_ARRAY = re.compile(
  r'(.*?)\\begin\{([pbB]?matrix|array)\}(.*)\\end\{\2\}', re.DOTALL
)
_COLUMNS = re.compile(r'^\s*\{[lcr|\s]*\}')


@functools.lru_cache(maxsize=20_000)
def read(text: str) -> Answer:
  """The structure of an answer; total: what it cannot read is a Scalar."""
  return _read(clean(text), 0)


def alternatives(text: str) -> list[str]:
  r"""A reference answer and, where it says `exact \approx decimal`, both."""
  parts = re.split(r'\\approx(?![A-Za-z])|≈', text)
  if len(parts) == 1:
    return [text]
  return [text, *(part for part in parts if part.strip())]


def _read(text: str, depth: int) -> Answer:
  text = _LEAD.sub('', text.strip()).lstrip(' ,;').rstrip(' .,;')
  if not text:
    return Words('')
  if depth > _MAX_DEPTH:
    return _scalar(text)
  for reader in _READERS:
    answer = reader(text, depth + 1)
    if answer is not None:
      return answer
  return _scalar(text)


def _scalar(text: str) -> Answer:
  unit = ''
  match = _UNIT.search(text)
  if match and match.start():
    unit = units.canonical(match[0])
    text = text[: match.start()]
  if OPEN_WORD in text:
    return _words(text)
  text = text.strip()
  try:
    tree, percent = expression.parse(text)
  except expression.NotAnExpressionError:
    tree, percent = None, False
  if unit == 'percent':
    unit, percent = '', True
  return Scalar(_squashed(text), tree, percent, unit)


def _squashed(text: str) -> str:
  """Without spaces but those that end a command's name or part two numbers."""
  kept = _NEEDED_SPACE.sub(lambda match: f'{match[1] or match[2]}~', text)
  return kept.replace(' ', '').replace('~', ' ')


def _words(text: str) -> Answer:
  plain = ''.join(c for c in text.lower() if c.isalnum())
  return _MEANINGS.get(plain, Words(plain))


def _only_words(text: str, depth: int) -> Answer | None:
  del depth
  rest = re.sub(_WORDS, '', text)
  lone = len(rest) < len(text) and not re.search(r'[\d\\=+*/<>]', rest)
  return _words(text) if lone else None


def _symbols(text: str, depth: int) -> Answer | None:
  del depth
  bare = text.replace(' ', '')
  if bare == r'\reals':
    return _REALS
  return _NOTHING if bare in (r'\emptyset', r'\{\}') else None


def _based(text: str, depth: int) -> Answer | None:
  """Digits to a base, where some are letters or behind a point: A5_{11}."""
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
      return _group('list', items)
  if _SPACED.fullmatch(text):
    return _group('list', [_read(part, depth) for part in text.split()])
  return None


def _group(kind: str, items: list[Answer]) -> Answer:
  """A group of this kind, with those within it of the same kind opened."""
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
    return Scalar(_squashed(text))
  sides = [_scalar(part) for part in parts]
  if not all(isinstance(side, Scalar) for side in sides):
    return _words(text)
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
  left, right = _scalar(first), _scalar(last)
  if not (isinstance(left, Scalar) and isinstance(right, Scalar)):
    return _words('='.join(parts))
  constant = all(
    side.tree and not _has_symbols(side.tree) for side in (left, right)
  )
  return right if constant else Relation('=', left, right)


def _has_symbols(node: Node) -> bool:
  if node.op in ('number', 'constant', 'symbol'):
    return node.op == 'symbol'
  return any(map(_has_symbols, node.args))


def _mentions(text: str, name: str) -> bool:
  return len(name) == 1 and name in _LETTER.findall(re.sub(_WORDS, '', text))


def _interval(parts: list[str], signs: list[str]) -> Answer | None:
  """What a variable may be by `a < x <= b`, `x > a` or `x != a`."""
  at = [i for i, part in enumerate(parts) if _NAME.fullmatch(part)]
  rest = [part for i, part in enumerate(parts) if i not in at]
  if len(at) != 1 or any(_mentions(part, parts[at[0]]) for part in rest):
    return None
  bounds = [_scalar(part) for part in rest]
  if not all(isinstance(bound, Scalar) for bound in bounds):
    return None
  low, high = _ENDS
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
  return _group('union', [_read(part, depth) for part in parts])


def _two_signs(text: str, depth: int) -> Answer | None:
  r"""The two values of \pm; \mp takes the other sign."""
  if not re.search(r'\\[pm][pm](?![A-Za-z])', text):
    return None
  plus = re.sub(r'\\pm(?![A-Za-z])', '+', text)
  minus = re.sub(r'\\pm(?![A-Za-z])', '-', text)
  both = (
    re.sub(r'\\mp(?![A-Za-z])', '-', plus),
    re.sub(r'\\mp(?![A-Za-z])', '+', minus),
  )
  return _group('list', [_read(part, depth) for part in both])


def _inside(text: str) -> tuple[str, str, str] | None:
  """Opening, contents and closing where one pair of brackets holds it all."""
  tokens = TOKEN.findall(text)
  if len(tokens) < 3 or tokens[0] not in OPEN or not encloses(tokens):
    return None
  return tokens[0], ''.join(tokens[1:-1]), tokens[-1]


def _braced(text: str, depth: int) -> Answer | None:
  """A set, or a group that TeX would hide, but no fraction and no rule."""
  found = _inside(text)
  if not found or found[0] not in ('{', r'\{') or _NO_SET.search(found[1]):
    return None
  return _group('list', [_read(p, depth) for p in split(found[1], (',', ';'))])


def _bracketed(text: str, depth: int) -> Answer | None:
  found = _inside(text)
  if not found or found[0] not in ('(', '[', r'\langle'):
    return None
  opening, inside, closing = found
  parts = split(inside, (',', ';'))
  if len(parts) == 1:
    matched = opening + closing in ('()', '[]')
    return _read(inside, depth) if matched else None
  items = tuple(_read(part, depth) for part in parts)
  pair = len(items) == 2 and opening != r'\langle'
  return Group('tuple', items, opening + closing if pair else '()')


def _matrix(text: str, depth: int) -> Answer | None:
  match = _ARRAY.fullmatch(text)
  if not match:
    return None
  rows = [
    split(row, ('&',))
    for row in split(_COLUMNS.sub('', match[3]), ('\\\\',))
    if row.strip()
  ]
  width = len(rows[0]) if rows else 0
  if not rows or any(len(row) != width for row in rows):
    return None
  cells = [cell for row in rows for cell in row]
  factor = match[1].strip().rstrip('*')
  if factor == '-':
    factor = '-1'
  if factor:
    if not isinstance(_scalar(factor), Scalar) or not _scalar(factor).tree:
      return None
    cells = [f'({factor})*({cell})' for cell in cells]
  items = tuple(_read(cell, depth) for cell in cells)
  if width == 1 and len(rows) > 1:  # a column vector is a point
    return Group('tuple', items, '()')
  return Group('matrix', items, f'{len(rows)}x{width}')


def _ratio(text: str, depth: int) -> Answer | None:
  parts = split(text, (':',))
  if len(parts) < 2 or not all(part.strip() for part in parts):
    return None
  if not all(re.search(r'[\dA-Za-z]', part) for part in parts):
    return None
  if OPEN_WORD in parts[0]:  # "Area: 5"
    return _read(':'.join(parts[1:]), depth)
  items = tuple(_read(part, depth) for part in parts)
  numbers = all(isinstance(x, Scalar) and x.tree and not x.unit for x in items)
  if len(items) == 2 and numbers:  # 1:2 is a half, but 8:34 p.m. a time
    tree = Node('divide', tuple(item.tree for item in items))
    return Scalar(_squashed(text), tree)
  return Group('ratio', items)


_READERS = (
  _only_words,
  _symbols,
  _based,
  _matrix,
  _listed,
  _approximate,
  _member,
  _related,
  _united,
  _braced,
  _two_signs,
  _bracketed,
  _ratio,
)
