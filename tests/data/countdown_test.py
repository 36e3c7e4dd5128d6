from fractions import Fraction
import itertools
import operator
import re

import numpy as np
import pytest

from ttc.data import countdown

OPERATIONS = {
  '+': operator.add,
  '-': operator.sub,
  '*': operator.mul,
  '/': operator.truediv,
}


def brute_force(numbers, max_value):
  """Lines an author may write, by trying all orders and all operations."""
  lines = {}
  for a, b, c in itertools.permutations(map(Fraction, numbers)):
    for f, g in itertools.product(OPERATIONS, repeat=2):
      if b == 1 and f in '*/':
        continue
      first = OPERATIONS[f](a, b)
      for p, q in [(first, c), (c, first)]:
        if a < b or p < q or q <= 0 or (q == 1 and g in '*/'):
          continue
        second = OPERATIONS[g](p, q)
        if all(
          v.denominator == 1 and 1 <= v <= max_value for v in (first, second)
        ):
          lines[f'{a}{f}{b}={first} {p}{g}{q}={second}'] = int(second)
  return lines


def judge(text, numbers, target):
  """An independent judge, over rationals."""
  found = re.fullmatch(r'(\d+)(.)(\d+)=(\d+) (\d+)(.)(\d+)=(\d+)', text)
  a, f, b, c, d, g, e, h = found.groups()
  a, b, c, d, e, h = (Fraction(int(x)) for x in (a, b, c, d, e, h))
  if (f == '/' and b == 0) or (g == '/' and e == 0):
    return False
  left = [e] * (d == c) + [d] * (e == c)
  return (
    OPERATIONS[f](a, b) == c
    and OPERATIONS[g](d, e) == h == target
    and any(sorted((a, b, x)) == sorted(numbers) for x in left)
  )


def test_true_lines_are_what_brute_force_finds():
  for numbers in itertools.combinations_with_replacement(range(9, 0, -1), 3):
    assert countdown.true_lines(numbers, 20) == brute_force(numbers, 20)


def test_table_holds_every_goal_with_all_its_lines():
  table = countdown.goal_table(5, 15, 8)
  asked = {}
  for numbers, target, (begin, end), (first, last) in zip(
    table.numbers.tolist(),
    table.target.tolist(),
    table.hit,
    table.same,
    strict=True,
  ):
    found = brute_force(numbers, 15)
    assert set(table.lines[first:last]) == set(found)
    hits = {line for line, result in found.items() if result == target}
    assert set(table.lines[begin:end]) == hits
    asked[(*numbers, target)] = hits
  expected = set()
  for numbers in itertools.combinations_with_replacement(range(5, 0, -1), 3):
    results = list(brute_force(numbers, 15).values())
    expected |= {
      (*numbers, target)
      for target in set(results)
      if target >= 8 and results.count(target) < len(results)
    }
  assert set(asked) == expected
  assert len(asked) == len(table.target)


def test_goals_come_in_order_of_their_solutions():
  table = countdown.goal_table(9, 20, 10)
  hits = table.hit[:, 1] - table.hit[:, 0]
  assert (np.diff(hits) <= 0).all()
  # Among goals of one solution, place says nothing of what is asked.
  alone = np.flatnonzero(hits == 1)
  for column in (table.target, table.numbers[:, 0]):
    assert abs(np.corrcoef(alone, column[alone])[0, 1]) < 0.2


def test_draws_cover_hits_and_misses_evenly():
  table = countdown.goal_table(9, 20, 10)
  uniform = (np.arange(5_040) + 0.5) / 5_040
  for goal in range(0, len(table.target), 25):
    (begin, end), (first, last) = table.hit[goal], table.same[goal]
    hits = table.draw_hit(np.full(5_040, goal), uniform)
    misses = table.draw_miss(np.full(5_040, goal), uniform)
    lines, counts = np.unique(hits, return_counts=True)
    assert lines.tolist() == list(range(begin, end))
    assert np.ptp(counts) <= 1
    lines, counts = np.unique(misses, return_counts=True)
    assert lines.tolist() == [*range(first, begin), *range(end, last)]
    assert np.ptp(counts) <= 1


def test_judgement_agrees_with_rationals_on_every_small_line():
  numbers, target, right = (4, 2, 2), 4, 0
  cells = [
    (a, f, b, c)
    for a in range(5)
    for f in '+-*/'
    for b in range(5)
    for c in range(5)
  ]
  rng = np.random.default_rng(0)
  likely = [cell for cell in cells if judge_true(cell)]
  for _ in range(20_000):
    pool = likely if rng.random() < 0.9 else cells
    first, second = (pool[i] for i in rng.integers(len(pool), size=2))
    text = '{}{}{}={} {}{}{}={}'.format(*first, *second)
    expected = judge(text, numbers, target)
    right += expected
    line = countdown.read_line(text)
    assert line == (first, second)
    assert countdown.is_solution(line, numbers, target) == expected, text
  assert right > 20


def judge_true(cell):
  a, f, b, c = cell
  return (
    not (f == '/' and b == 0) and OPERATIONS[f](Fraction(a), Fraction(b)) == c
  )


@pytest.mark.parametrize(
  ('equation', 'expected'),
  [
    ((7, '/', 2, 3), False),
    ((8, '/', 2, 4), True),
    ((0, '/', 0, 5), False),
    ((3, '-', 5, 2), False),
    ((0, '*', 7, 0), True),
    ((0, '/', 3, 0), True),
  ],
)
def test_equations_hold_over_the_rationals(equation, expected):
  assert countdown.is_true(equation) == expected


@pytest.mark.parametrize(
  'text',
  [
    '',
    ' ',
    '7*2=14',
    '7*2=14 14-1=13 ',
    ' 7*2=14 14-1=13',
    '7*2=14  14-1=13',
    '7*2=14\n14-1=13',
    '7*2=14 14-1=13\n',
    '7*2=14 14-1=',
    '07*2=14 14-1=13',
    '7*2=1400 14-1=13',
    '7**2=49 49-1=48',
    '-7*2=14 14-1=13',
    '7*2=14 14-1=13 13-1=12',
    '７*2=14 14-1=13',
    '7*٢=14 14-1=13',
    '7*2=14 14−1=13',
    '7.0*2=14 14-1=13',
    '9' * 5_000,
    '7^2=14 14-1=13',
  ],
)
def test_other_text_is_no_line(text):
  assert countdown.read_line(text) is None


@pytest.mark.parametrize(
  ('one', 'other', 'same'),
  [
    ('7*2=14 14-1=13', '2*7=14 14-1=13', True),
    ('7+2=9 9+1=10', '2+7=9 1+9=10', True),
    ('7+2=9 9+1=10', '7+1=8 8+2=10', False),
    ('7-2=5 5*3=15', '7-2=5 3*5=15', True),
    ('9-3=6 6-1=5', '9-1=8 8-3=5', False),
    ('8/2=4 4+3=7', '8/2=4 3+4=7', True),
    ('2-7=5 5*3=15', '7-2=5 5*3=15', False),
    ('7*2=13 13-1=12', '7*2=14 14-1=13', False),
  ],
)
def test_canonical_form_commutes_and_does_no_more(one, other, same):
  one, other = (
    countdown.canonical(countdown.read_line(x)) for x in (one, other)
  )
  assert (one == other) == same


def test_canonical_form_tells_right_trees_apart():
  for numbers in [(7, 2, 1), (6, 6, 3), (8, 4, 2), (5, 5, 5)]:
    trees = {}
    for line in spellings(numbers):
      trees.setdefault(tree(line), set()).add(
        countdown.canonical(countdown.read_line(line))
      )
    assert len(trees) >= 5
    assert all(len(forms) == 1 for forms in trees.values())
    assert len(set.union(*trees.values())) == len(trees)


def spellings(numbers):
  """True lines with operands of sums and products in either order."""
  for line in brute_force(numbers, 20):
    first, second = line.split(' ')
    for x, y in itertools.product(turns(first), turns(second)):
      yield f'{x} {y}'


def turns(equation):
  a, operation, b, c = re.fullmatch(r'(\d+)(.)(\d+)=(\d+)', equation).groups()
  if operation in '+*':
    return [equation, f'{b}{operation}{a}={c}']
  return [equation]


def tree(line):
  """The expression as nested sets where order is free, tuples where not.

  Where the result joined equals the number left, which is which is not
  written, and both readings are the same line.
  """
  a, f, b, c, d, g, e, _ = re.fullmatch(
    r'(\d+)(.)(\d+)=(\d+) (\d+)(.)(\d+)=(\d+)', line
  ).groups()
  inner = (f, tuple(sorted((a, b))) if f in '+*' else (a, b))
  left, right = (inner, e) if d == c else (d, inner)
  if g in '+*' or d == e:
    left, right = sorted((left, right), key=repr)
  return g, left, right
