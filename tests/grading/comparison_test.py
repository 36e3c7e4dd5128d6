"""Tests of the conventions: what is the same, and what is not."""

import pytest

from ttc.expressions.parser import read
from ttc.grading.comparison import same

_SAME = [
  # numbers
  ('0.1', '.1'),
  ('5', '5.0'),
  ('1/2', r'\frac12'),
  (r'\frac{a}{b}', r'\frac ab'),
  (r'\frac{5}{9}', r'{5\over9}'),
  (r'6\frac15', '31/5'),
  ('6 1/5', '6.2'),
  (r'\frac{1}{9}', r'0.\overline{1}'),
  (r'3\times 10^4', '30000'),
  (r'10,\!080', '10080'),
  ('25{,}000', '25,000'),
  ('1 234 567', '1,234,567'),
  ('111, \\! 111', '111111'),
  ('6!', '720'),
  (r'\binom{6}{4}', '15'),
  (r'\log_{10} 100', '2'),
  ('2^{-99}', r'\frac{1}{2^{99}}'),
  (r'\text{four}', '4'),
  # roots and complex numbers
  (r'3\sqrt{13}', r'\sqrt{117}'),
  (r'\sqrt[3]{54}', r'3\sqrt[3]{2}'),
  (r'\frac{1}{\sqrt2+1}', r'\sqrt2-1'),
  (r'\frac15+\frac35i', r'\frac{1+3i}{5}'),
  (r'\sqrt[3]{-8}', '-2'),
  # symbols
  ('(r+5)^2', 'r^2+10r+25'),
  ('ax+b', 'b+ax'),
  ('x^2', 'x²'),
  (r'\frac{1}{x}+C', r'C+x^{-1}'),
  # units
  (r'15\mbox{ cm}^2', '15'),
  (r'15\text{ feet}', '15 ft'),
  (r'\$42{,}409', '42409 dollars'),
  (r'80\%', r'80\text{ percent}'),
  (r'71^\circ', '71°'),
  (r'17\text{ any text}', '17'),
  # lists, pairs, intervals
  ('10, 4, -2', '4, 10, -2'),
  (r'\{4,6\}', r'4\text{ and }6'),
  (r'\pm 9', '9,-9'),
  (r'\{1\pm\sqrt{5},-2\}', r'\{-2, 1-\sqrt5, 1+\sqrt5\}'),
  (r'(1, \pm 2)', '(1,2), (1,-2)'),
  ('1:2', r'\frac{3}{6}'),
  ('1, 2, 3', '1 2 3'),
  ('(1,5),(2,6)', '(2,6),(1,5)'),
  ('(x,y)=(3,-1)', '(3,-1)'),
  ('[2,5)', '2≤x<5'),
  ('[2,5)', '5>x\\ge2'),
  ('x > 0', r'(0,\infty)'),
  (r'x\ne 3', r'(-\infty,3)\cup(3,\infty)'),
  (r'[-5,1]\cup[3,9]', r'-5\le x\le 1\text{ or }3\le x\le 9'),
  (r'\mathbb{R}', 'all real numbers'),
  (r'x \in [-2,7]', '[-2,7]'),
  # equations
  ('10', 't=10'),
  ('y=3x-2', '3x-y-2=0'),
  ('y=1/x', 'xy=1'),
  (r'x\le 2', r'2\ge x'),
  ('2x+4y=6', 'x+2y=3'),
  (r'\text{Area} = 5', '5'),
  # matrices
  (
    r'\begin{pmatrix}1&2\\3&4\end{pmatrix}',
    r'\begin{bmatrix}1&2\\3&4\end{bmatrix}',
  ),
  (
    r'\frac12\begin{pmatrix}1&2\\3&4\end{pmatrix}',
    r'\begin{pmatrix}1/2&1\\3/2&2\end{pmatrix}',
  ),
  (r'\begin{pmatrix}1\\2\end{pmatrix}', '(1,2)'),
  # text
  (r'\text{Sunday}', 'sunday'),
  (r'\text{(B)}', 'B'),
  ('204_5', '204_{5}'),
  (r'\text{A5}_{11}', 'A5_{11}'),
  ('24_{10}', '24'),
  ('2^{4950}', str(2**4950)),
  (r'\frac{\sqrt{3}}{3}', r'\frac{\sqrt{3}}{3} \approx 0.577'),
]

_DIFFERENT = [
  ('2^{-99}', '2^{-98}'),
  ('1011_2', '1011_3'),
  ('(1,2)', r'\{1,2\}'),
  ('7', 'a+b=7'),
  ('1', 'x+z=1'),
  ('6', 'xy=6'),
  ('4', 'x^2=4'),
  (r'2\sqrt{10}', r'2\sqrt{1}0'),
  (r'\frac{5}{9}', '0.5556'),
  ('5', '5.001'),
  ('10080', '10.08'),
  ('62', '6 2'),
  ('1, 234', '1,234'),
  (r'36\pi', '36'),
  (r'\sqrt2', '1.41421356237309504880168872420969807857'),
  (r'-\infty', r'\infty'),
  ('[0,3)', '[0,3]'),
  ('(0,5)', '(0,5,0)'),
  ('(3,-1)', '(-1,3)'),
  (r'x\le 2', 'x<2'),
  ('x=3', 'y=3'),
  ('y=3x-2', 'y=3x+2'),
  ('x<y', 'y<x'),
  ('x<2y', '2x<y'),
  (r'\text{odd}', r'\text{oddd}'),
  (r'\text{listen}', r'\text{silent}'),
  (r'\text{Sunday}', r'\text{Monday}'),
  ('E', r'\mathrm{E}*2'),
  ('15 feet', '15 inches'),
  ('9 a.m.', '9 p.m.'),
  ('8:34 p.m.', '4:17 p.m.'),
  ('1,2', '1,2,2'),
  (r'\sqrt{67},-\sqrt{85}', r'\sqrt{67}'),
  (r'\begin{pmatrix}1&2\end{pmatrix}', '(1,2)'),
  ('4', ''),
  ('3', 'eval("3")'),
  ('3', r'\frac{2}{0}'),
  ('3', '9^{9^{9^9}}'),
  ('3', '20000000!'),
  ('3', '(x+y)^{900}'),
  ('10^{100}', '10^{100}+1'),
]


@pytest.mark.parametrize(('a', 'b'), _SAME)
def test_same(a, b):
  assert same(read(a), read(b)) is True
  assert same(read(b), read(a)) is True


@pytest.mark.parametrize(('a', 'b'), _DIFFERENT)
def test_different(a, b):
  assert same(read(a), read(b)) is False
  assert same(read(b), read(a)) is False


def test_percent_is_a_hundredth_only_when_one_grades():
  assert same(read('80\\%'), read('0.8'), lenient=True) is True
  assert same(read('80\\%'), read('80'), lenient=True) is True
  assert same(read('80\\%'), read('0.08'), lenient=True) is False
  assert same(read('80'), read('0.8'), lenient=True) is False
  assert same(read('80\\%'), read('0.8')) is False


def test_what_is_not_known_is_said_so():
  for a, b in [
    (r'\cos 2x', r'2\cos^2 x-1'),
    ('6', r'\sum_{k=1}^{3} k'),
    (r'\sqrt{x^2}', '|x|'),
  ]:
    assert same(read(a), read(b)) is None
    assert same(read(a), read(b), lambda x, y: True) is True


def test_lists_are_matched_one_to_one():
  def knows(x, y):
    return True  # of what is open: all is the same

  assert same(read(r'\sin 1, \sum 1'), read(r'\sum 2, \sin 1')) is None
  assert same(read(r'\sin 1, \sum 1'), read(r'\sum 2, \sin 1'), knows) is True
  assert same(read(r'1, \sum 1'), read(r'\sum 2, 2')) is None
  assert same(read(r'1, 3, \sum 1'), read(r'\sum 2, 2, 4'), knows) is False
