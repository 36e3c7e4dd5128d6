"""Compares two answers: True, False, or None where that is not known.

The structure decides first, then exact forms, then floats, all in
microseconds. The parts that these leave open go to `resolve`, which may be slow
(`ttc.grading.checker`, in a worker) or return None as well.

The relation is symmetric. It is transitive but for this: with `lenient` 80%
equals both 80 and 0.8, and two decimals one fraction that they round; and x = 3
equals 3, which equals y = 3.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
import functools
import re

from ttc.expressions import exact, expression, modular, numeric, units
from ttc.expressions.answer import Answer, Group, Named, Relation, Scalar, Words
from ttc.expressions.brackets import split
from ttc.expressions.form import Form, NoFormError
from ttc.expressions.node import Node
from ttc.grading import whole_points

Truth = bool | None
Resolve = Callable[[Answer, Answer], Truth]

_MAX_ITEMS = 64
_DECIMAL = re.compile(r'-?+(\d*+\.\d++)')
_FLOAT_DIGITS = (16, 17)
_OF_WHOLE = re.compile(r'\\l(?:floor|ceil)(?![A-Za-z])|\(-\d++\)\^')
_HUNDRED = Node('number', (Fraction(100),))
_SIGNS = frozenset(('<', '>', '=', r'\le', r'\ge', r'\ne'))
UNORDERED = ('list', 'union')


def unresolved(a: Answer, b: Answer) -> Truth:
  """The `resolve` that leaves all pairs open."""
  del a, b
  return None


def same(
  a: Answer, b: Answer, resolve: Resolve = unresolved, lenient: bool = False
) -> Truth:
  """Whether two answers are the same; None where that is not known.

  Args:
    a: one answer.
    b: the other.
    resolve: called for parts that structure, forms and floats leave open.
    lenient: whether 80% also equals 0.8, 3 million also 3, x = 1, y = 2 also
      (1, 2), a list of pairs also a union of intervals, and 0.6666666666666666
      also 2/3, as in grading but not in voting.
  """
  if isinstance(a, Named) and isinstance(b, Named):
    if a.name.lower() != b.name.lower() and len(a.name + b.name) == 2:
      return _relations(_equation(a), _equation(b), resolve)
    return same(a.value, b.value, resolve, lenient)
  for one, other in ((a, b), (b, a)):
    if isinstance(one, Named):
      if isinstance(other, Relation):
        return _relations(_equation(one), other, resolve)
      return same(one.value, other, resolve, lenient)
  if type(a) is not type(b):
    return _unlike(a, b, resolve)
  match a:
    case Words():
      return a.text == b.text and bool(a.text)
    case Group():
      return _groups(a, b, resolve, lenient)
    case Relation():
      return _relations(a, b, resolve)
    case _:
      return _scalars(a, b, resolve, lenient)


def _unlike(a: Answer, b: Answer, resolve: Resolve) -> Truth:
  """Answers of different kinds can be the same only if one was not parsed."""
  if isinstance(a, Words) or isinstance(b, Words):
    return False
  if _spelt(a) and _spelt(a) == _spelt(b):  # 8:34 p.m. and 8:34
    return True
  for one, other in ((a, b), (b, a)):
    unread = isinstance(one, Scalar) and one.tree is None
    unsolved = isinstance(one, Relation) and one.sign != '='
    if unread or (unsolved and isinstance(other, Group)):
      return resolve(a, b)
  return False


def _spelt(answer: Answer) -> str:
  """The text of a scalar, or of a ratio without units; '' for others."""
  if isinstance(answer, Scalar):
    return answer.text
  ratio = isinstance(answer, Group) and answer.kind == 'ratio'
  texts = list(map(_spelt, answer.items)) if ratio else []
  return ':'.join(texts) if all(texts) else ''


def _scalars(a: Scalar, b: Scalar, resolve: Resolve, lenient: bool) -> Truth:
  if (a.percent and b.unit) or (b.percent and a.unit):
    return False
  if units.differ(a.unit, b.unit):
    return False
  if a.text == b.text:
    return bool(a.text)
  truth = _expressions(a, b, resolve)
  if lenient and not truth and (_as_float(a, b) or _as_float(b, a)):
    return True
  if lenient and not truth and (a.scale == 1) != (b.scale == 1):
    bare = [Scalar('', x.tree.args[0]) if x.scale != 1 else x for x in (a, b)]
    return either(truth, lambda: _expressions(*bare, resolve))
  if lenient and not truth and (_is_measured(a, b) or _is_measured(b, a)):
    return True
  if lenient and a.percent != b.percent and not truth:
    shared = [
      Scalar(x.text, Node('divide', (x.tree, _HUNDRED)))
      if x.percent and x.tree
      else x
      for x in (a, b)
    ]
    return either(truth, lambda: _expressions(*shared, resolve))
  return truth


def _is_measured(measured: Scalar, number: Scalar) -> bool:
  """Whether one is a number with letters of a unit, the other that number."""
  bare = units.bare(measured.text)
  if not bare or number.tree is None:
    return False
  forms = [exact_form(x) for x in (number.tree, expression.parse(bare).tree)]
  return all(forms) and forms[0].terms == forms[1].terms


def _as_float(decimal: Scalar, fraction: Scalar) -> bool:
  """Whether a decimal is what computers print for a fraction.

  It has 16 or 17 digits, and no other fraction as short is so near to it.
  """
  match = _DECIMAL.fullmatch(decimal.text)
  digits = match[1].replace('.', '').lstrip('0') if match else ''
  if len(digits.rstrip('0')) not in _FLOAT_DIGITS or fraction.tree is None:
    return False
  form = exact_form(fraction.tree)
  exact_value = form and form.rational
  if not exact_value:
    return False
  written = Fraction(decimal.text)
  places = len(decimal.text.partition('.')[2])
  if 2 * exact_value.denominator**2 >= 10**places:
    return False
  nearest = 2 * abs(written - exact_value) <= Fraction(1, 10**places)
  return nearest or float(written) == float(exact_value)


def either(first: Truth, second: Callable[[], Truth]) -> Truth:
  """`first or second()`, where None is not known."""
  if first:
    return True
  other = second()
  return other if first is False or other else None


def _expressions(a: Scalar, b: Scalar, resolve: Resolve) -> Truth:
  if a.tree is None or b.tree is None:
    related = [len(split(x.text, _SIGNS)) > 1 for x in (a, b)]
    return resolve(a, b) if related[0] == related[1] else False
  ends = infinite(a.tree), infinite(b.tree)
  if any(ends):
    return ends[0] == ends[1]
  forms = exact_form(a.tree), exact_form(b.tree)
  if all(forms):
    if forms[0].terms == forms[1].terms:
      return True
    if forms[0].exact and forms[1].exact:
      return False
  if _OF_WHOLE.search(a.text) or _OF_WHOLE.search(b.text):
    whole = whole_points.same(a.tree, b.tree)
    if whole is not None:
      return whole
  if numeric.apart(a.tree, b.tree) or (all(forms) and exact.apart(*forms)):
    return False
  truth = modular.same(a.tree, b.tree)
  return resolve(a, b) if truth is None else truth


@functools.lru_cache(maxsize=20_000)
def exact_form(tree: Node) -> Form | None:
  """The exact form of a tree, or None if it has none."""
  try:
    return exact.form(tree)
  except NoFormError:
    return None


def infinite(tree: Node) -> int:
  """1 for infinity, -1 for its negative, else 0."""
  if tree == Node('constant', ('infinity',)):
    return 1
  return -infinite(tree.args[0]) if tree.op == 'negate' else 0


def _equation(named: Named) -> Relation | None:
  name = Scalar(named.name, Node('symbol', (named.name,)))
  if len(named.name) > 1 or not isinstance(named.value, Scalar):
    return None
  return Relation('=', name, named.value)


def _relations(
  a: Relation | None, b: Relation | None, resolve: Resolve
) -> Truth:
  """Whether equations or inequalities differ by a factor only."""
  if a is None or b is None or a.sign != b.sign:
    return False
  differences = [_difference(a), _difference(b)]
  if not all(differences):
    text = (a.left.text, a.right.text) == (b.left.text, b.right.text)
    return text or resolve(a, b)
  positive = a.sign in ('<', '<=')
  forms = [exact_form(difference) for difference in differences]
  if not all(forms):
    return resolve(a, b)
  scaled = [exact.scaled(part, positive) for part in forms]
  if not all(scaled):
    return resolve(a, b)
  if scaled[0].terms == scaled[1].terms:
    return True
  return False if all(part.exact for part in forms) else resolve(a, b)


def _difference(relation: Relation) -> Node | None:
  left, right = relation.left.tree, relation.right.tree
  if left is None or right is None:
    return None
  return Node('add', (left, Node('negate', (right,))))


def _coordinates(group: Group) -> Group:
  """The tuple that x = 1, y = 2 gives; other groups as they are."""
  names = [item.name for item in group.items if isinstance(item, Named)]
  if (
    group.kind != 'list'
    or len(set(names)) != len(group.items)
    or max(map(len, names), default=2) > 1
  ):
    return group
  values = sorted(group.items, key=lambda item: item.name)
  return Group('tuple', tuple(item.value for item in values), '()')


def _points(group: Group) -> Group:
  """The pairs that x = 1, y = 2 or x = 3, y = 4 gives; others as they are."""
  names = [item.name for item in group.items if isinstance(item, Named)]
  size, count = len(set(names)), len(group.items)
  if len(names) < count or size < 2 or count == size or count % size:
    return group
  pairs = [
    _coordinates(Group('list', group.items[at : at + size]))
    for at in range(0, count, size)
  ]
  whole = all(pair.kind == 'tuple' for pair in pairs)
  return Group('list', tuple(pairs)) if whole else group


def _groups(a: Group, b: Group, resolve: Resolve, lenient: bool) -> Truth:
  if lenient and {a.kind, b.kind} == {'list', 'tuple'}:
    a, b = _coordinates(a), _coordinates(b)
  if lenient and a.kind == b.kind == 'list' and len(a.items) != len(b.items):
    a, b = _points(a), _points(b)
  if lenient and {a.kind, b.kind} == {'list', 'union'}:  # (1,2) or (3,4)
    a, b = (Group('list', group.items) for group in (a, b))
  if (a.kind, a.form, len(a.items)) != (b.kind, b.form, len(b.items)):
    return False
  if len(a.items) > _MAX_ITEMS:
    return _long(a, b)

  def item(x: Answer, y: Answer) -> Truth:
    return same(x, y, resolve, lenient)

  if a.kind in UNORDERED:
    return _matched(a.items, b.items, item)
  unknown = False
  for x, y in zip(a.items, b.items, strict=True):
    truth = item(x, y)
    if truth is False:
      return False
    unknown |= truth is None
  return None if unknown else True


def _long(a: Group, b: Group) -> bool:
  """Long groups are compared as text, not in every pair of items."""
  texts = [[repr(item) for item in group.items] for group in (a, b)]
  if a.kind in UNORDERED:
    texts = [sorted(text) for text in texts]
  return texts[0] == texts[1]


def _matched(
  xs: Sequence[Answer], ys: Sequence[Answer], item: Callable[..., Truth]
) -> Truth:
  """Whether each of xs is the same as one of ys of its own."""
  table = [[item(x, y) for y in ys] for x in xs]
  if _perfect([[truth is True for truth in row] for row in table]):
    return True
  if _perfect([[truth is not False for truth in row] for row in table]):
    return None
  return False


def _perfect(table: list[list[bool]]) -> bool:
  """Whether a bipartite graph has a perfect matching (Kuhn's algorithm)."""
  partner: dict[int, int] = {}

  def assign(row: int, seen: set[int]) -> bool:
    for column, joined in enumerate(table[row]):
      if joined and column not in seen:
        seen.add(column)
        if column not in partner or assign(partner[column], seen):
          partner[column] = row
          return True
    return False

  return all(assign(row, set()) for row in range(len(table)))
