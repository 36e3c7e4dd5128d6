"""Formulas of quantities: which symbols may be negative, letters and units.

The reports are those of a reviewer; the other cases are of the same kinds.
"""

import itertools

import pytest

from ttc.expressions import precise
from ttc.expressions.expression import parse
from ttc.expressions.latex import clean
from ttc.grading.grader import Grader


@pytest.fixture(scope='module')
def grader():
  with Grader(workers=2) as grader:
    yield grader


def _checked(grader, gold, pred, expected):
  assert grader.grade(gold, pred).correct is expected
  assert grader.grade(pred, gold).correct is expected


@pytest.mark.parametrize(
  ('gold', 'pred'),
  [
    (r'\sqrt{a/b}', r'\sqrt{ab}/b'),
    (r'\sqrt{2E/m}', r'\sqrt{2mE}/m'),
    (r'\sqrt{3V/(\pi h)}', r'\frac{\sqrt{3\pi hV}}{\pi h}'),
    (r'\sqrt{1-v^2/c^2}', r'\sqrt{c^2-v^2}/c'),
    (r'\sqrt{(a^2+b^2)/a^2}', r'\sqrt{a^2+b^2}/a'),
    (r'\sqrt{2gh/(1+k/(mr^2))}', r'\sqrt{2ghmr^2/(mr^2+k)}'),
    (r'\sqrt{x^3y}', r'x\sqrt{xy}'),
    (r'a\sqrt{b/a}', r'\sqrt{ab}'),
    (r'(a/b)^{3/2}', r'\frac{a\sqrt{ab}}{b^2}'),
    (r'\sqrt[4]{\frac ab}', r'\frac{\sqrt[4]{ab^3}}{b}'),
    (r'2\pi\sqrt{\frac{r^3}{GM}}', r'\frac{2\pi r\sqrt{rGM}}{GM}'),
    (r'\sqrt{\frac{L}{g}}', r'\frac{\sqrt{Lg}}{g}'),
    (r'\sqrt{(x+50)^2y}', r'|x+50|\sqrt y'),
    (r'\sqrt{-x}\sqrt{-y}', r'\sqrt{xy}'),
    (
      r'\frac{-b+\sqrt{b^2-4ac}}{2a}',
      r'-\frac{b}{2a}+\sqrt{\frac{b^2-4ac}{4a^2}}',
    ),
    (r'\sqrt{x^2}', '|x|'),
  ],
)
def test_rationalised_roots_of_quantities_are_the_same(grader, gold, pred):
  _checked(grader, gold, pred, expected=True)
  assert grader.classes([gold, pred]) == [0, 0]


@pytest.mark.parametrize(
  ('gold', 'pred'),
  [
    (r'\sqrt{x^2}', 'x'),
    (r'\sqrt{1/x^2}', '1/x'),
    (r'\sqrt{(1+x^2)/x^2}', r'\sqrt{1+x^2}/x'),
    (r'\frac{\sqrt{x^2}}{x}', '1'),
    (r'\sqrt{a^2b^2}', 'ab'),
    (r'\sqrt{x^2y}', r'x\sqrt{y}'),
    (r'\sqrt{x^4y^2}', 'x^2y'),
    (r'\sqrt{x^2/y^2}', 'x/y'),
    (r'\frac{a\sqrt{b^2}}{b}', 'a'),
    (r'\sqrt{(a+b)^2}', 'a+b'),
    (r'\sqrt{(a+b)^2c}', r'(a+b)\sqrt c'),
    (r'\sqrt{(x+50)^2y}', r'(x+50)\sqrt y'),
    (r'\sqrt{y^2x^2/(1+y^2)}', r'\frac{xy}{\sqrt{1+y^2}}'),
    (r'\sqrt{a/b}', r'\sqrt{ab}/a'),
    (r'\sqrt{1-v^2/c^2}', r'\sqrt{c^2-v^2}/v'),
  ],
)
def test_roots_of_squares_of_variables_keep_their_sign(grader, gold, pred):
  _checked(grader, gold, pred, expected=False)
  assert grader.classes([gold, pred]) == [0, 1]


_RATIOS = list(itertools.product(('a', 'b', 'a^2', 'b^2', 'ab'), repeat=2))


def _positive_root(over, under):
  """The root of a ratio, rationalised for positive symbols."""
  return rf'\frac{{\sqrt{{({over})({under})}}}}{{{under}}}'


@pytest.mark.parametrize(('over', 'under'), _RATIOS)
def test_a_root_over_a_root_is_rationalised_by_what_is_below(over, under):
  over = f'c{over}'
  tree = _tree(rf'\sqrt{{\frac{{{over}}}{{{under}}}}}')
  assert precise.same(tree, _tree(_positive_root(over, under)))
  wrong = _tree(rf'2{_positive_root(over, under)}')
  assert precise.same(tree, wrong) is False


def _tree(text):
  return parse(clean(text)).tree


@pytest.mark.parametrize(
  ('gold', 'pred'),
  [
    ('GM/R', 'MG/R'),
    ('F = MG', 'GM'),
    ('-CM', '-MC'),
    (r'\frac{mg}{k}', r'\frac{gm}{k}'),
    ('mg', 'gm'),
    ('2mg', '2gm'),
    (r'\frac{1}{2}mg', r'\frac{mg}{2}'),
    (r'\frac{3mg}{2}', r'\frac32 gm'),
    (r'mg\sin\theta', r'gm\sin\theta'),
    (r'\mu mg', r'mg\mu'),
    (r'\sqrt{abcd}', r'\sqrt{dcba}'),
    ('2ghmr', '2rghm'),
    ('wxyz', 'zyxw'),
  ],
)
def test_products_of_letters_commute(grader, gold, pred):
  _checked(grader, gold, pred, expected=True)


@pytest.mark.parametrize(
  ('gold', 'pred'),
  [
    ('HHTT', 'HTHT'),
    ('rhythm', 'myhthr'),
    ('dada', 'adad n'),
    ('mg', 'mG'),
    ('2mg', '3gm'),
  ],
)
def test_words_and_other_letters_do_not(grader, gold, pred):
  _checked(grader, gold, pred, expected=False)


@pytest.mark.parametrize(
  ('gold', 'pred'),
  [
    (r'10\text{ m/s}', '10'),
    (r'9.8\ \mathrm{m/s^2}', '9.8'),
    (r'5 \text{ kg}\cdot\text{m}', '5'),
    (r'9.8 \mathrm{~m} / \mathrm{s}^{2}', '9.8'),
    (r'10\,\text{m}', '10'),
    (r'60 \frac{\text{miles}}{\text{hour}}', '60'),
    (r'10\ \frac{\text{m}}{\text{s}}', '10'),
    (r'5\ \mathrm{kg\cdot m^2\,s^{-2}}', '5'),
    (r'2\text{ N}\cdot\text{m}', '2'),
    (r'5\text{ J/(kg K)}', '5'),
    (r'r\text{ m/s}', 'r'),
    (r'3.0\times 10^8\ \text{m/s}', '300000000'),
    ('60 km/hr', '60'),
    ('30 kg m/s', '30'),
    ('5 sq cm', '5'),
    ('5cm', '5'),
    (r'36\pi cm^2', r'36\pi'),
    (r'\frac{1}{2} cm', '1/2'),
    ('500 mg', '500'),
    ('500mg', '500'),
    ('10 m/s', '10.0'),
    ('9.8 m/s^2', '9.8'),
    ('50 sqft', '50'),
    ('5 cms', '5'),
    ('60 miles per hour', '60 mph'),
    ('100 km/h', '100 kph'),
    ('9AM', '9 a.m.'),
    (r'8:00 \text{ AM}', '8:00 a.m.'),
  ],
)
def test_units_after_a_number_are_dropped(grader, gold, pred):
  _checked(grader, gold, pred, expected=True)


@pytest.mark.parametrize(
  ('gold', 'pred'),
  [
    (r'10\text{ m/s}', r'10\text{ km/h}'),
    ('60 mph', '60 km/h'),
    (r'10\text{ m/s}', '11'),
    (r'\frac{\text{m}}{\text{s}}', '1'),
    ('9 AM', '9 PM'),
    ('2mg', '3'),
    ('2m/n', '2'),
    ('PM', '1'),
  ],
)
def test_other_units_and_numbers_are_different(grader, gold, pred):
  _checked(grader, gold, pred, expected=False)


@pytest.mark.parametrize(
  ('gold', 'pred'),
  [
    ('1e5x', '100000x'),
    ('2.5e3y+1', '1+2500y'),
    ('10**-5', '1e-5'),
    ('x**2 + 1', 'x^2+1'),
    ('x ** 2', 'x^2'),
    ('2**(1/2)', r'\sqrt2'),
    ('**5**', '5'),
    ('x in [2, 3]', '[2, 3]'),
  ],
)
def test_spellings_of_programs_are_read(grader, gold, pred):
  _checked(grader, gold, pred, expected=True)


@pytest.mark.parametrize(
  ('gold', 'pred'),
  [
    (r'\lceil n/2\rceil', r'\lfloor (n+1)/2\rfloor'),
    (r'\lfloor\frac{n^2}{4}\rfloor', r'\lfloor n/2\rfloor\lceil n/2\rceil'),
    (r'\lfloor\frac n2\rfloor+\lfloor\frac{n+1}{2}\rfloor', 'n'),
    (r'\lfloor n/3\rfloor', r'\lceil (n-2)/3\rceil'),
    (r'\lceil\log_2(n+1)\rceil', r'\lfloor\log_2 n\rfloor+1'),
    (r'\lceil\sqrt n\rceil', r'\lfloor\sqrt{n-1}\rfloor+1'),
    (r'\lfloor n\pi\rfloor', r'\lfloor \pi n\rfloor'),
    (r'm\lfloor n/2\rfloor', r'\lfloor n/2\rfloor m'),
    ('(-1)^{2n}', '1'),
    (r'\frac{1+(-1)^n}{2}', r'\frac{1-(-1)^{n+1}}{2}'),
  ],
)
def test_expressions_that_round_are_the_same_at_whole_numbers(
  grader, gold, pred
):
  _checked(grader, gold, pred, expected=True)
  assert grader.classes([gold, pred]) == [0, 0]


@pytest.mark.parametrize(
  ('gold', 'pred'),
  [
    (r'\lceil n/2\rceil', r'\lfloor n/2\rfloor+1'),  # not for even n
    (r'\lceil\sqrt n\rceil', r'\lfloor\sqrt n\rfloor+1'),
    (r'\lfloor x\rfloor', r'\lceil x\rceil-1'),
    (r'\lfloor x\rfloor', 'x'),  # of a real x
    (r'\lceil x/2\rceil', r'\lfloor (x+1)/2\rfloor'),
    (r'\lfloor\frac{n^2}{4}\rfloor', r'\frac{n^2}{4}'),
    (r'\lfloor n/3\rfloor', r'\lceil (n-1)/3\rceil'),
    (r'\lfloor n\pi\rfloor', '3n'),
    # The same at the first points.
    (r'\lfloor n/100\rfloor', '0'),
    (r'\lfloor n/10^6\rfloor+n', 'n'),
    (r'\lfloor n/(5\cdot 5\cdot 5)\rfloor', '0'),
    (r'\lfloor (n+50)/100\rfloor', r'\lfloor (n+49)/100\rfloor'),
    (r'\lfloor m/80\rfloor\lfloor n/2\rfloor', '0'),
    (r'2^n+\lfloor n/9999\rfloor', '2^n'),
    (r'\lfloor x/1000\rfloor', '0'),
    (r'\lfloor n/99999\rfloor', '0'),
    ('(-1)^n', '1'),
    ('(-1)^{n(n+1)/2}', '(-1)^n'),
    # of which math-verify makes numbers
    (r'\frac{\partial f}{\partial x}', r'\frac{\partial f}{\partial y}'),
    (r'\frac{\partial f}{\partial x}', '0'),
    (r'\frac{dp}{dt}', r'\lim_{x\to 0} px'),
    (r'\nabla f', r'\nabla\times F'),
    (r'\gcd(a,b)', r'\gcd(a,c)'),
    (r'\gcd(a,b)', '1'),
    (r'\dot{x}', r'\bar{x}'),
    ('5!!', '120!'),
    ('(2n)!!', '((2n)!)!'),
  ],
)
def test_what_is_alike_where_one_looks_is_not_the_same(grader, gold, pred):
  assert grader.grade(gold, pred).reason == 'different'
  assert grader.grade(pred, gold).reason == 'different'
  assert grader.classes([gold, pred]) == [0, 1]


@pytest.mark.parametrize(
  ('gold', 'pred'),
  [
    (r'\frac{\partial f}{\partial x}', r'\frac{\partial f}{\partial x}'),
    (r'\gcd(12,18)', '6'),
    (r'\sum_{i=1}^n i', r'\frac{n(n+1)}{2}'),
    (r'\sum_{i=1}^3 i^2', '14'),
    ('5!!', '15'),
    (r'\frac{6!!}{2}', '24'),
    (r'2^{\gcd(m,n)}-1', r'2^{\gcd(n,m)}-1'),
    (r'0.1\dot6', r'\frac16'),
    (r'0.\dot{3}', r'\frac13'),
  ],
)
def test_what_is_the_same_stays_so(grader, gold, pred):
  assert grader.grade(gold, pred).correct


def test_a_share_is_no_sum_of_money(grader):
  _checked(grader, r'5\%', '5 dollars', False)
  _checked(grader, r'5\%', '5', True)
  _checked(grader, r'5\%', '5 percent', True)
