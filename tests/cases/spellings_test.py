"""Ways to write answers that an adversary found misread, and what is near."""

import pytest

from ttc.expressions import matrix, numerals
from ttc.grading import choice
from ttc.grading.grader import Grader


@pytest.fixture(scope='module')
def grader():
  with Grader(workers=1) as grader:
    yield grader


@pytest.mark.parametrize(
  ('gold', 'pred'),
  [
    (r'33\frac{1}{3}\%', r'\frac{100}{3}\%'),
    (r'22\frac12^\circ', '22.5'),
    (r'\sin 22\frac12^\circ', r'\sin\frac{\pi}{8}'),
    ('2.5 million', '2500000'),
    (r'2.5\text{ million dollars}', '2.5'),
    ('3 dozen', '36'),
    ('2 thirds', r'\frac23'),
    ('3 hundredths', '0.03'),
    ('0.333...', r'\frac13'),
    (r'0.1666\ldots', r'\frac16'),
    ('0.142857142857...', r'\frac17'),
    (r'342_{\text{five}}', '342_5'),
    ('9th', '9'),
    (r'3^{\text{rd}}', '3'),
    ('21^{st}', '21'),
    ('2 to 3', '2:3'),
    (r'\text{The answer is } 7', '7'),
    (r'5\text{ hours and }30\text{ minutes}', '5 hours and 30 minutes'),
    (r'\{x : x \ge 2\}', r'[2,\infty)'),
    (r'\{x \mid -1<x<1\}', '(-1,1)'),
    (r'\{x\in\mathbb{R} \mid x\ne 3\}', r'(-\infty,3)\cup(3,\infty)'),
    ('[[1,2],[3,4]]', r'\begin{pmatrix}1&2\\3&4\end{pmatrix}'),
    ('x = 1, y = 2', '(1, 2)'),
    ('y = 2, x = 1', '(1, 2)'),
    (r'a=1,\ b=2,\ c=3', '(1,2,3)'),
    (r'\frac12 mg', r'\frac{mg}{2}'),
    (r'5.0\ \Omega', '5'),
    (r'2 {\rm cm}', '2'),
    ('50¢', '50'),
    ('`42`', '42'),
    ('"42"', '42'),
    ('1 out of 3', '1/3'),
    ('twenty', '20'),
    (r'10:30\text{ a.m.}', '10:30'),
    (r'x_{1,2}=1\pm\sqrt2', r'1+\sqrt2, 1-\sqrt2'),
    (r'\mathbb{R}\setminus\{0\}', r'(-\infty,0)\cup(0,\infty)'),
    (r'\begin{cases} x=1 \\ y=2 \end{cases}', '(1, 2)'),
    (r'\frac{\pi}{4}+k\pi, k\in\mathbb{Z}', r'\frac{\pi}{4}+k\pi'),
    ('B)', 'B'),
    (r'\textbf{(C)}\ 5', 'C'),
    ('5', '(C) 5'),
    ('(C) 5', 'C. 5'),
    (r'\text{(D) red}', 'D'),
    ('E: it grows', 'E'),  # NeMo Gym#1844
    (r'\omega_0=\sqrt{\frac{k}{m}}', r'\sqrt{k/m}'),
    (r'\{1,3\}\cup\{2,3\}', r'\{1,2,3\}'),
    (r'\mathbb{R}\backslash\{0\}', r'x\ne 0'),
    (r'\mathbb{R}-\{0,1\}', r'(-\infty,0)\cup(0,1)\cup(1,\infty)'),
    (r'3\text{ to }4', '3:4'),
    (r'1\text{ out of }3', r'\frac13'),
    ('3 x 10^8', '3e8'),
    ('3e8 m/s', r'3\times 10^8\text{ m/s}'),
    (r'3 \times 10^8 m/s', '300000000'),
    ('50 Hz', r'50\ \mathrm{Hz}'),
    ('[2,5[', '[2,5)'),
    (']2,5[', '(2,5)'),
    (r'x\ge 1\text{ and }x\le 2', '[1,2]'),
    ('x < 2 and x > 1', '1 < x < 2'),
    (r'\mathbb R', r'(-\infty,\infty)'),
    ('\u20113', '-3'),  # a hyphen that does not break
    (r'f^{-1}(x)=\frac{x-1}{2}', r'\frac{x-1}{2}'),
    # tests of Math-Verify from NuminaMath and OpenThoughts
    ('(11,7)or(7,11)', '(7,11), (11,7)'),
    ('S_{MBCN}:S=7:32', '7:32'),
    (r'\frac{NO}{BO}=\frac{1}{\sqrt6}', r'\frac{1}{\sqrt6}'),
    ('V_{1}:V_{2}=11:21', '11:21'),
    ('A:B=1', '1'),
    ('p=5,q=2;p=7,q=2', '(5,2),(7,2)'),
    (r'x=1, y=2\text{ or }y=4, x=3', '(1,2),(3,4)'),
    (r'\mathbb{R}^+', r'(0,\infty)'),
    (r'\mathbb{R}_{>0}', 'x > 0'),
    ('9 (apples)', '9'),  # ASDiv
    ('5 (gallons of gas)', '5'),
    ('12:30 (pm)', '12:30'),
    ('2 (ab)', '2ab'),
  ],
)
def test_the_same(grader, gold, pred):
  assert grader.grade(gold, pred).correct
  assert grader.grade(pred, gold).correct


@pytest.mark.parametrize(
  ('gold', 'pred'),
  [
    (r'33\frac{1}{3}\%', r'33\%'),
    (r'22\frac12^\circ', '11'),
    ('2 million', '2 billion'),
    ('2 million', '2000'),
    ('3 dozen', '12'),
    ('2 thirds', '2 fifths'),
    ('2nd + x', 'x + 2'),
    ('e', '2.718281828...'),
    (r'\frac{2718281828-271828}{999900000}', '2.718281828...'),
    (r'\sqrt2', '1.414...'),
    (r'342_{\text{five}}', '342_6'),
    ('n^{th}', '1'),
    ('3 to 2', '2:3'),
    (r'\text{The answer is } 7', '8'),
    (r'\{x : x \ge 2\}', r'(2,\infty)'),
    (r'\{x : x \in (1,2)\}', '[1,2]'),
    ('[[1,2],[3,4]]', r'\begin{pmatrix}1&3\\2&4\end{pmatrix}'),
    ('[[1,2],[3]]', '[[1,2],[3,4]]'),
    ('x = 1, y = 2', '(2, 1)'),
    ('x = 1, x = 2', '(1, 2)'),
    ('x = 1, y = 2', '[1, 2]'),
    (r'10:30\text{ a.m.}', '10:31'),
    (r'\mathbb{R}\setminus\{0\}', r'\mathbb{R}'),
    (r'\mathbb{R}\setminus\{0\}', r'(-\infty,1)\cup(1,\infty)'),
    (r'\begin{cases} x=1 \\ y=2 \end{cases}', '(2, 1)'),
    (r'\frac{\pi}{4}+k\pi, k\in\mathbb{Z}', r'\frac{\pi}{4}+2k\pi'),
    ('1 out of 3', '1/4'),
    ('B)', 'C'),
    ('(C) 5', '(B) 5'),
    ('(C) 5', '(C) 6'),
    ('C', '(B) C'),
    ('5', '(A) 6'),
    ('E: it grows', 'D'),
    ('E', 'E: F'),
    (r'\omega_0=\sqrt{k}', r'\sqrt{k/m}'),
    (r'\{1,3\}\cup\{2,3\}', r'\{1,2\}'),
    (r'\mathbb{R}-\{0\}', r'x\ne 1'),
    ('3e8 m/s', '3e7'),
    ('50 Hz', '51'),
    ('5m', '5'),
    ('3 x 10^8', '3 x 10^7'),
    ('[2,5[', '(2,5]'),
    (']2,5[', '[2,5]'),
    ('x > 1 and y < 2', '1 < x < 2'),
    ('x > 1 or x < 2', '1 < x < 2'),
    ('x < 1 and x > 2', '(1,2)'),
    ('x > 1 and x < 2', '[1,2)'),
    ('1 and 2', '(1,2)'),
    ('(11,7)or(7,11)', '(7,11), (11,8)'),
    ('(1,2) or (3,4)', '(1,2), [3,4)'),
    ('V_{1}:V_{2}=11:21', '21:11'),
    ('x:y=2', 'y:x=2'),
    ('p=5,q=2;p=7,q=2', '(5,2),(2,7)'),
    ('p=5,q=2,p=7', '(5,2),(7,2)'),
    (r'\mathbb{R}^+', r'[0,\infty)'),
    (r'\mathbb{R}^3', r'(0,\infty)'),
    ('9 (apples)', '8'),
    ('2 (cm)', '2 m'),
    ('2 (ab)', '2'),
    ('3 (sin x)', '3'),
    ('3 (sqrt x)', '3'),
    ('3 (x + y)', '3'),
  ],
)
def test_near_but_different(grader, gold, pred):
  assert grader.grade(gold, pred).reason == 'different'
  assert grader.grade(pred, gold).reason == 'different'


def test_in_voting_a_million_is_its_number(grader):
  answers = ['2 million', '2000000', '2', '2 billion']
  assert grader.classes(answers) == [0, 0, 1, 2]


@pytest.mark.parametrize(
  ('text', 'found'),
  [
    ('(C) 5', ('C', '5')),
    ('C)', ('C', '')),
    (r'\textbf{(B)}', ('B', '')),
    ('C. a cat', ('C', 'a cat')),
    ('C', None),
    ('(C)x', None),
    ('(x) 5', None),
    ('C.5', None),
  ],
)
def test_choices(text, found):
  assert choice.read(text) == found


def test_rows_are_those_of_a_matrix_if_they_are_as_long():
  assert matrix.read('[[1, 2],[3,4]]').rows == [['1', ' 2'], ['3', '4']]
  for text in ('[[1,2]]', '[[1,2],[3]]', '[[1,2],3]', '[[1],[2]', '[1,2]'):
    assert matrix.read(text) is None


@pytest.mark.parametrize(
  ('digits', 'period'),
  [
    ('333', '3'),
    ('1666', '6'),
    ('121212', '12'),
    ('142857142857', '142857'),
    ('718281828', ''),
    ('33', ''),
    ('414', ''),
  ],
)
def test_periods_are_seen_often_enough(digits, period):
  assert numerals.period(digits) == period
