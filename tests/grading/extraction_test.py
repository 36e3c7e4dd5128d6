"""Tests of where the answer stands in a text."""

import time

import pytest

from ttc.grading.extraction import extract, unwrap


@pytest.mark.parametrize(
  ('text', 'answer', 'how'),
  [
    (r'so \boxed{1} and \boxed{2}', '2', 'boxed'),
    (r'\boxed{\frac{3}{2}}.\]', r'\frac{3}{2}', 'boxed'),
    (r'\boxed{\{1, 2\}}', r'\{1, 2\}', 'boxed'),
    (r'\boxed{\left\{x\right\}} }', r'\left\{x\right\}', 'boxed'),
    (r'\boxed 5', '5', 'boxed'),
    (r'\fbox{7}', '7', 'boxed'),
    (r'\boxed{\boxed{5}}', '5', 'boxed'),
    (r'\boxed{3} #### 4', '3', 'boxed'),
    ('16 - 3 = 13\n#### 13', '13', 'marked'),
    ('#### 1\n#### 2', '2', 'marked'),
    ('Right.\n\n# Answer\n\n42', '42', 'marked'),
    ('First 10, so the answer is 42.', '42', 'said'),
    (r'The answer is $\frac{1}{2}$.', r'\frac{1}{2}', 'said'),
    ('**Answer:** 42', '42', 'said'),
    ('The final answer is: $5$. I hope it is correct.', '5', 'said'),
    ('The answer is\n$$5$$', '5', 'said'),
    ('She has 5.\nA: 26', '26', 'said'),
    ('The answer is 3.5 dollars. Good.', '3.5 dollars', 'said'),
    ('so x = -3', '-3', 'number'),
    ('in all 5 - 3 then 1,234.50 left', '1,234.50', 'number'),
    (r'which makes \frac{3}{4}', r'\frac{3}{4}', 'number'),
    ('that is 3/4 of it', '3/4', 'number'),
    ('No idea.', None, ''),
    ('', None, ''),
    (r'\boxed{}', None, 'boxed'),
    (r'<think>\boxed{6}</think> the result is 5', '5', 'number'),
    (r'<think>\boxed{6}</think> The answer is 5.', '5', 'said'),
    (r'<think>\boxed{6}</think> a </think> \boxed{5}', '5', 'boxed'),
    (r'<think>\boxed{6}</think> No answer.', None, ''),
    ('<think>\\boxed{6}</think>\n', '6', 'boxed'),
    (r'<think>\boxed{6} and more', '6', 'boxed'),
  ],
)
def test_finds_the_answer(text, answer, how):
  found = extract(text)
  assert (found.answer, found.how) == (answer, how)


def test_a_box_that_never_closes_is_cut_and_no_earlier_one_stands():
  assert extract(r'The answer is \boxed{12').answer is None
  assert extract(r'The answer is \boxed{12').cut
  for end in (
    r'\boxed{9',
    r'\boxed{',
    r'\boxed',
    r'\boxed{\frac{9}{2}',
    r'\fbox{x',
  ):
    for read in (extract, unwrap):
      found = read(rf'\boxed{{8}} or rather {end}')
      assert (found.answer, found.cut) == (None, True), end
  assert not extract(r'\boxed{8}').cut


def test_bare_answers_are_taken_whole_unless_boxed_or_marked():
  assert unwrap(' x = 5 or 6 ').answer == 'x = 5 or 6'
  assert unwrap(r'$\boxed{7}$').answer == '7'
  assert unwrap('2 + 3 = 5\n#### 5').answer == '5'
  assert unwrap('  ').answer is None
  assert unwrap(r'<think>\boxed{7} or 6</think> x = 5').answer == 'x = 5'


@pytest.mark.parametrize(
  'piece',
  [
    r'\boxed{',
    r'\boxed ',
    '{',
    '}',
    '\\',
    'answer is ',
    '</think>',
    'answer' + 50 * ' ',
    'A:\n',
    '\n',
    ' ',
    '#',
    '1',
    '1,',
    '-.',
    '$',
    'a',
  ],
)
def test_a_megabyte_takes_no_longer_than_reading_it(piece):
  text = piece * (2**20 // len(piece))
  start = time.process_time()
  extract(text)
  unwrap(text)
  # Reading takes 0.2 s; a quadratic rule would take hours.
  assert time.process_time() - start < 20
