"""Tests that time grows no faster than the text, whatever a model writes.

Each pattern of ttc.grading, and the path from text to verdict, runs on attacks
ten times as long at each step. Quadratic rules would take 100 times as long.
"""

import ast
import collections
import functools
import gc
import heapq
import importlib
import itertools
import pathlib
import pkgutil
import re
import time

import pytest

from ttc import expressions, grading
from ttc.expressions import latex, parser
from ttc.grading import comparison
from ttc.grading.grader import Grader, Limits

# The first is for exponential rules, which would not come back from the second.
_LENGTHS = (22, 100, 1000, 10_000, 100_000)
_LONGEST_READ = 10_000  # five times the default limit
_SLOWEST = 12  # attacks on a pattern that run at the last length
_GROWTH = 12  # 10, and 2 for noise
_FLOOR_S = 0.002  # what is faster counts as this
_RUNS = 5
_STARTS = (
  *('', '5', '1 ', '# answer', '\\boxed', '\\frac{', '_{', '^', '(A,'),
  *('⟦is⟧', 'x_', '\\begin{'),
)
_PIECES = (
  *('a', ' ', '\n', '1', ',', '#', '\\', '{', '}', '(', '⟦', '⟧', '$', "'"),
  *('A1', '1 ', '1,', ', ', '123,', ' 123', ',a', '\\(', '\\[', '* ', '_ '),
  *('⟦cm⟧^2 ', '⟦is⟧', 'cm^2 ', '/⟦s⟧', '\\begin{matrix}', '\\end{array}'),
  *('answer ', 'answer is ', '\nA', 'I hope it is correct ', '\\text', '\\,'),
  *('\\frac', '-', "a'", '{,}', '\\boxed{', '\\pm'),
)
_ENDS = ('', '7!')
_WHOLE = (
  *(
    ('\\boxed{\\text{', 'a', '7}}'),
    ('5', 'cm^2 ', '+'),
    ('# answer', ' ', ''),
  ),
  *(('', '\\text{a}', ''), ('', '\\text{', ''), ('(', '1,234', ')')),
  *(('', '(1,234),', '5'), ('', '⟦', ''), ('', 'a\u0301\u0327', '')),
  *(('', '\u0301\u0327', ''), ('', '\\(', '\\)'), ('', 'answer is \\(', '')),
  *(('', '\\begin{pmatrix}', '\\end{pmatrix}'), ('', '1&', '')),
  *(
    ('2' * 50 + '\\begin{pmatrix}', '1&', '1\\end{pmatrix}'),
    ('', '\\pm 1', ''),
  ),
  *(('x=', 'y=', '5'), ('x', '<x', ''), ('', '1:', '2'), ('', '1\\cup ', '')),
  *(
    ('', '\\frac', '12'),
    ('', '\\log_', '2'),
    ('', '\\sin ', 'x'),
    ('', '-', '5'),
  ),
  *(
    ('x', '^x', ''),
    ('x', '!', ''),
    ('', '1+', '1'),
    ('', 'x', ''),
    ('', '5!', ''),
  ),
  *(('', '\\sqrt2+', '1'), ('', '(1+i)', ''), ('0.', '3', ''), ('', '９', '')),
  *(
    ('', '½', ''),
    ('', 'ﷺ', ''),
    ('', '\ud800', ''),
    ('', '1 ', ''),
    ('', '~', ''),
  ),
  *(('', 'x\\approx ', '1'), ('', '\\{', ''), ('', '|', ''), ('', '**', '5')),
)


def _patterns():
  """Each pattern with its module, name, and the methods called on it."""
  paths = [*expressions.__path__, *grading.__path__]
  for info in pkgutil.iter_modules(paths):
    room = pathlib.Path(info.module_finder.path).name
    module = importlib.import_module(f'ttc.{room}.{info.name}')
    methods = _methods(pathlib.Path(module.__file__))
    for name, value in vars(module).items():
      if isinstance(value, re.Pattern):
        yield info.name, name, value, sorted(methods[name])


def _methods(path):
  """The methods that a module calls, by the name of what has them."""
  methods = collections.defaultdict(set)
  for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
      methods[node.value.id].add(node.attr)
    elif isinstance(node, ast.Call):
      for arg in node.args:
        if isinstance(arg, ast.Name):  # another function has it as an argument
          methods[arg.id].add('finditer')
  return methods


def _call(pattern, method, text):
  match method:
    case 'finditer':
      for _ in pattern.finditer(text):
        pass
    case 'sub':
      pattern.sub('', text)
    case _:
      getattr(pattern, method)(text)


def _text(attack, length):
  start, piece, end = attack
  return start + piece * (length // len(piece)) + end


def _seconds(work, text, runs=1):
  """The least processor time of some runs."""
  least = float('inf')
  gc.disable()  # its time grows with all that the tests hold
  for _ in range(runs):
    start = time.process_time()
    work(text)
    least = min(least, time.process_time() - start)
  gc.enable()
  return least


def _check_growth(work, attack, lengths):
  """Returns the time for the longest; fails where a step costs too much."""
  before, shorter = _FLOOR_S, ''
  for length in lengths:
    text = _text(attack, length)
    seconds = _seconds(work, text)
    if seconds > _GROWTH * before:  # or the machine is busy: again, and more
      before = max(_seconds(work, shorter, _RUNS), _FLOOR_S)
      seconds = _seconds(work, text, _RUNS)
    assert seconds <= _GROWTH * before, (
      f'{attack} of {len(text)} characters: {seconds:.4f} s, and a tenth of it '
      f'{before:.4f} s'
    )
    before, shorter = max(seconds, _FLOOR_S), text
  return seconds


@pytest.mark.parametrize(
  ('pattern', 'methods'),
  [
    pytest.param(pattern, methods, id=f'{module}.{name}')
    for module, name, pattern, methods in _patterns()
  ],
)
def test_patterns_are_linear(pattern, methods):
  assert methods
  seconds = {}
  for method in methods:
    work = functools.partial(_call, pattern, method)
    for attack in itertools.product(_STARTS, _PIECES, _ENDS):
      seconds[method, attack] = _check_growth(work, attack, _LENGTHS[:-1])
  for method, attack in heapq.nlargest(_SLOWEST, seconds, seconds.get):
    _check_growth(functools.partial(_call, pattern, method), attack, _LENGTHS)


def test_all_patterns_are_compiled_where_the_test_above_finds_them():
  for info in pkgutil.iter_modules(grading.__path__):
    path = pathlib.Path(grading.__path__[0]) / f'{info.name}.py'
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
      if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        assert node.value.id != 're' or node.attr not in (
          *('match', 'fullmatch', 'search', 'sub', 'split', 'findall'),
          'finditer',
        ), f'{path.name}, line {node.lineno}: re.{node.attr}'


def _verdict(text, kind, limits):
  for cached in (latex.clean, parser.read, comparison.exact_form):
    cached.cache_clear()
  grader = Grader(0, limits)
  grader.grade('5', text, kind)
  grader.classes(['5', text])


@pytest.mark.parametrize('kind', ['answer', 'response'])
@pytest.mark.parametrize('attack', _WHOLE, ids=lambda attack: attack[1])
def test_verdicts_take_linear_time(attack, kind):
  work = functools.partial(_verdict, kind=kind, limits=Limits())
  _check_growth(work, attack, _LENGTHS)


@pytest.mark.parametrize('attack', _WHOLE, ids=lambda attack: attack[1])
def test_reading_takes_linear_time_also_beyond_the_limit(attack):
  limits = Limits(characters=10**6)
  work = functools.partial(_verdict, kind='answer', limits=limits)
  _check_growth(work, attack, [n for n in _LENGTHS if n <= _LONGEST_READ])
