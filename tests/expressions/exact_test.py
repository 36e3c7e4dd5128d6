"""Tests of the parser, exact forms and floats on random expressions."""

from fractions import Fraction
import math
import random

import pytest

from ttc.expressions import exact, numeric
from ttc.expressions.exact import form
from ttc.expressions.expression import MAX_DEPTH, NotAnExpressionError, parse
from ttc.expressions.form import NoFormError
from ttc.expressions.latex import clean


def _tree(text):
  return parse(clean(text)).tree


def _expression(rng, depth):
  """A random expression: its text and its value at x = 3/7, i.e. exactly."""
  if depth == 0:
    if rng.random() < 0.3:
      return 'x', Fraction(3, 7)
    n = rng.randrange(1, 30)
    return str(n), Fraction(n)
  (a, x), (b, y) = (_expression(rng, rng.randrange(depth)) for _ in 'ab')
  match rng.randrange(6):
    case 0:
      return f'({a} + {b})', x + y
    case 1 if x != y:  # floats are unsure of sums that cancel
      return f'({a} - {b})', x - y
    case 2:
      return f'{{{a}}} \\cdot {{{b}}}', x * y
    case 3:
      return f'({a})({b})', x * y
    case 4 if y:
      return f'\\frac{{{a}}}{{{b}}}', x / y
    case _:
      return f'({a})^{{2}}', x * x


@pytest.mark.parametrize('seed', range(60))
def test_random_expressions_have_their_value(seed):
  text, value = _expression(random.Random(seed), 4)
  tree = _tree(text)
  at = {'x': Fraction(3, 7)}
  assert math.isclose(
    numeric.evaluate(tree, at, numeric.Floats()), value, rel_tol=1e-6
  )
  assert form(_tree(text.replace('x', r'\frac{3}{7}'))).rational == value


@pytest.mark.parametrize('seed', range(30))
def test_forms_are_equal_exactly_when_expressions_are(seed):
  rng = random.Random(seed)
  roots = [rng.randrange(1, 9) for _ in range(4)]
  product = ''.join(f'(x-{root})' for root in roots)
  shuffled = ''.join(f'({root}-x)' for root in rng.sample(roots, 4))
  other = product.replace(f'-{roots[0]})', f'-{roots[0] + 9})')
  assert form(_tree(product)).terms == form(_tree(shuffled)).terms
  assert form(_tree(product)).terms != form(_tree(other)).terms
  assert numeric.apart(_tree(product), _tree(other))
  assert not numeric.apart(_tree(product), _tree(shuffled))


@pytest.mark.parametrize('n', [2, 12, 45, 98, 1001])
def test_square_roots_multiply(n):
  root = form(_tree(rf'\sqrt{{{n}}}'))
  assert form(_tree(rf'\sqrt{{{n}}}\sqrt{{{n}}}')).rational == n
  assert form(_tree(rf'\frac{{{n}}}{{\sqrt{{{n}}}}}')).terms == root.terms
  assert root.exact


@pytest.mark.parametrize(
  'text',
  [
    '9^{9^{9^9}}',
    '20000000!',
    '(x+y)^{900}',
    r'\frac{1}{0}',
    '((((a+b)^8)^8)^8)^8',
    '7^{7000}!',
    r'\infty',
    '('
    + ''.join(rf'(1+\sqrt{{{p}}})' for p in (2, 3, 5, 7, 11, 13))
    + ')^{64}',
    '+'.join(rf'\frac{{1}}{{{n}^{{1500}}+1}}' for n in range(2, 90)),
    '((x^{10^{3000}})^{10^{3000}})^{10^{3000}}',
    r'(1+i)^{64}' * 60,
  ],
)
def test_what_grows_without_bound_has_no_form(text):
  with pytest.raises(NoFormError):
    form(_tree(text))


@pytest.mark.parametrize(
  ('text', 'value'),
  [
    (r'\log_2{2^{3000}}', 3000),
    (r'\log_2(\frac{1}{2^{3000}})', -3000),
    (r'\log_{10^{400}}{10^{-2000}}', -5),
    (r'\log_{\frac32}{\frac{8}{27}}', -3),
    (r'\log_{\frac32}{\frac{27}{8}}', 3),
    (r'\log_2(\frac{1}{10^{400}})', None),
    (r'\log_{10^{400}} 2', None),
    (r'\log_{1.00000000000000000000001} 2', None),
    (r'\log_{1.00000000000000000000001}{1.00000000000000000000001^9}', 9),
  ],
)
def test_logarithms_are_whole_exactly_when_a_power_says_so(text, value):
  logarithm = form(_tree(text))
  assert logarithm.rational == value
  assert logarithm.exact == (value is not None)


def test_keys_stay_short_however_deep_the_nesting():
  text = 'x'
  for _ in range(MAX_DEPTH // 2 - 2):
    text = rf'\frac1{{(1+{text})^2+1}}'
  assert len(form(_tree(text)).key) < 2000


@pytest.mark.parametrize(
  'text',
  [
    '',
    '+',
    '(1',
    '1)',
    '5 7',
    r'\frac{1}',
    r'\sqrt',
    r'\sum_{k=1}^3 k',
    r'\begin{pmatrix}1\end{pmatrix}',
    'x^',
    '|x',
    '1..2',
    '(' * (MAX_DEPTH + 1) + '1' + ')' * (MAX_DEPTH + 1),
    '9' * 2001,
    'x' + '!' * 500,
    '2' + '^2' * 500,
    r'\frac' * 350,
    r'\sqrt' * 350 + '2',
    r'\log_' * 250 + '2',
    '5' + '!' * 100,
    '\\frac\u13692',
  ],
)
def test_other_text_is_not_an_expression(text):
  with pytest.raises(NotAnExpressionError):
    parse(text)


def test_equations_are_scaled_by_numbers_and_monomials():
  def scaled(text, positive=False):
    return exact.scaled(form(_tree(text)), positive)

  assert scaled('2x+4y').terms == scaled('x+2y').terms
  assert scaled(r'x\sqrt3-y').terms == scaled(r'x-y/\sqrt3').terms
  assert scaled('xy-1').terms == scaled('y-1/x').terms
  assert scaled('x-y').terms == scaled('y-x').terms
  assert scaled('x-y', True).terms != scaled('y-x', True).terms
  assert scaled('2x-2y', True).terms == scaled('x-y', True).terms
  assert scaled(r'(1+\sqrt2)x') is None
  large = scaled('3^{5900}x + 3^{-5900}y')
  assert large.terms == scaled('3^{11800}x + y').terms
  assert scaled('3^{11800}x - y', True).terms == (
    scaled('2 * 3^{11800}x - 2y', True).terms
  )
  assert scaled('3^{11800}x', True) is None  # a residue has no sign
