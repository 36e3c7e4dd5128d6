"""The letter that answers a question with choices, whatever a model writes."""

import itertools
import string

import numpy as np
import pytest

from ttc.grading import letters

# Ways to write the letter X as an answer.
ALONE = (
  *('X', '(X)', 'X.', 'X)', '[X]', ' X ', '**X**', '*(X)*', '`X`', '$X$'),
  *(r'\(X\)', r'\text{X}', r'\textbf{(X)}', r'\mathrm{X}', r'$\text{(X)}$'),
  *(r'\left(X\right)', r'{X}', r'\mathbf{X}.', '（X）', '"X"'),
)
WITH_TEXT = (
  *('(X) 5 m', 'X. 5 m', 'X) both (A) and (B)', 'X: a rope', r'(X)\ 5'),
  *('(X) a or b', 'option X', 'Choice (X)', 'the correct option: X'),
)
SAID = (
  *('The answer is {}', 'So the correct answer is: {}', 'Answer: {}'),
  *('**Answer:** {}', '**Answer: {}**', 'ANSWER: {}', 'Final answer = {}'),
  *('The answer must be {}', 'The answer is therefore {}'),
  *('The correct option is {}', 'My choice: {}', 'The answer is:\n\n{}'),
  *('Answer: A\nNo.\nAnswer: {}', '<think>Answer: A</think>\nAnswer: {}'),
)
AFTER = ('', '.', '\n', ' because it is.', ', not (A).', '\n\n(A) is wrong.')
# What names no choice, or two.
NONE = (
  *('', ' ', 'I do not know.', 'ABCD', 'Both', 'A force acts.', '5', 'C5'),
  *('A or B', 'A, C', '(A) and (C)', 'A/B', '(A) (B)', 'A & D', 'A and/or B'),
  *('A, B, or C', 'E', '(E)', 'C^2', 'C_2', 'A = 5', 'A + B', 'AB', '-C'),
  *(
    'a dog',
    'none',
    '(AB)',
    r'\frac{A}{B}',
    "A'",
    'neither A nor B',
  ),
)


def answer(text, of='ABCD'):
  return letters.extract(text, of).answer


@pytest.mark.parametrize('form', [*ALONE, *WITH_TEXT])
def test_a_box_and_a_mark_hold_a_letter(form):
  for letter in 'ABCD':
    text = form.replace('X', letter)
    assert letters.read(text, 'ABCD') == letter
    boxed = letters.extract(rf'So \boxed{{{text}}} it is.', 'ABCD')
    assert (boxed.answer, boxed.how) == (letter, 'boxed')
    marked = letters.extract(f'So:\n#### {text}', 'ABCD')
    assert (marked.answer, marked.how) == (letter, 'marked')


@pytest.mark.parametrize('said', SAID)
def test_a_sentence_says_a_letter(said):
  for form, after, letter in itertools.product(ALONE, AFTER, 'BCD'):
    text = said.format(form.replace('X', letter)) + after
    if '**' in form and '**' in said:
      continue  # they would close each other
    found = letters.extract(text, 'ABCD')
    assert found.answer == letter, text
    assert found.how == 'said'


@pytest.mark.parametrize('form', ALONE)
def test_a_last_line_is_a_letter(form):
  for letter in 'ABCD':
    line = form.replace('X', letter)
    assert answer(line) == letter
    assert answer(f'(A) is wrong, and so is B.\n\n{line}\n \n') == letter
    assert answer(f'{line}\nI am not sure, though') is None


@pytest.mark.parametrize('text', NONE)
def test_what_names_no_choice_or_two(text):
  assert letters.read(text, 'ABCD') is None
  assert answer(text) is None
  assert answer(rf'\boxed{{{text}}}') is None
  assert answer(f'The answer is {text}') is None
  assert answer(f'Answer: {text}') is None


def test_the_article_is_no_choice():
  assert answer('The answer is A good one') is None
  assert answer('The answer is A because it is.') == 'A'
  assert answer('The answer is A.') == 'A'
  assert answer('the answer is a matter of taste') is None
  assert answer('answer: a') == 'A'


def test_a_box_comes_before_what_is_said():
  assert answer(r'Answer: A. \boxed{B}. Answer: C') == 'B'
  assert answer(r'\boxed{A}, no, \boxed{B}') == 'B'
  assert answer(r'\boxed{5 m}. Answer: C') == 'C'
  # Cut short: the text was about to say something else.
  assert letters.extract(r'Answer: A. \boxed{B', 'ABCD').cut
  assert answer(r'Answer: A. \boxed{B') is None


def test_only_letters_that_there_are():
  for count in range(1, 27):
    there = string.ascii_uppercase[:count]
    for letter in string.ascii_uppercase:
      expected = letter if letter in there else None
      assert answer(f'Answer: ({letter})', there) == expected
      assert answer(rf'\boxed{{{letter.lower()}}}', there) == expected


@pytest.mark.parametrize(
  'piece',
  [
    *(
      'answer is ',
      'Answer: A or ',
      'Answer: A\n',
      '(A',
      'the the ',
      '\\text{',
    ),
    *(
      '\\boxed{',
      '**',
      '（',
      '\ud800',
      'A ' * 3,
      'e\u0301',
      '# answer\n',
      '\0',
    ),
  ],
)
def test_hostile_texts_are_read_to_their_end(piece):
  text = piece * (200_000 // len(piece))
  assert answer(text) in (None, 'A')
  assert answer(f'{text}\nAnswer: (C)') in ('C', None)
  assert answer(f'{text}</think>Answer: (C)') == 'C'


def test_random_texts_never_raise_and_name_a_letter_or_none():
  rng = np.random.default_rng(0)
  pieces = [
    *('answer', ' is ', ':', 'A', 'B', '(', ')', ' ', '\n', '$', '\\boxed{'),
    *('}', ' or ', ',', '.', '**', '\\text{', 'option ', 'c', 'x', '####'),
  ]
  for _ in range(3000):
    text = ''.join(rng.choice(pieces, rng.integers(1, 14)))
    found = letters.extract(text, 'ABC')
    assert found.answer in (None, 'A', 'B', 'C')
    assert bool(found.how) == (found.answer is not None)
    # Nothing of a letter that the text does not hold.
    assert found.answer is None or found.answer in text.upper()
