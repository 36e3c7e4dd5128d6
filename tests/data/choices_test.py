"""Questions with choices: shuffled by a seed, and graded by their letters."""

import collections
import json

import pytest

from tests.data import toys
from ttc.data.choices import ChoiceRows
from ttc.data.jsonl import Rows
from ttc.data.problems import Grade
from ttc.data.questions import Questions
from ttc.data.templates import Template
from ttc.data.tokenizer import Tokenizer

FIELDS = dict(
  question='Question',
  correct='Correct Answer',
  wrong=('Incorrect Answer 1', 'Incorrect Answer 2', 'Incorrect Answer 3'),
)


def line(number, **changes):
  return {
    'Question': f'  How many are {number}?\n',
    'Correct Answer': f'right {number} ',
    'Incorrect Answer 1': 'one',
    'Incorrect Answer 2': 'two',
    'Incorrect Answer 3': 3,
  } | changes


def write(path, lines):
  path.write_text(''.join(f'{json.dumps(line)}\n' for line in lines))
  return str(path)


@pytest.fixture
def rows(tmp_path):
  def rows(lines, **changes):
    path = write(tmp_path / 'a.jsonl', lines)
    return ChoiceRows(path, **FIELDS | changes).read()

  return rows


def choices(row):
  """The choices of a question by their letters, as they are written."""
  asked, *listed, _ = row.question.split('\n\n')
  pairs = [text.split(') ', 1) for text in '\n'.join(listed).split('\n')]
  return asked, {letter.strip('('): text for letter, text in pairs}


def test_each_question_has_its_choices_and_the_letter_of_the_right_one(rows):
  lines = [line(number) for number in range(50)]
  for number, row in enumerate(rows(lines)):
    asked, by_letter = choices(row)
    assert asked == f'How many are {number}?'
    assert ''.join(by_letter) == 'ABCD'
    assert sorted(by_letter.values()) == ['3', 'one', f'right {number}', 'two']
    assert by_letter[row.answer] == f'right {number}'
    assert row.shuffled
    assert row.question.endswith('\n\nAnswer with the letter of one choice.')


def test_the_order_depends_on_seed_and_question_alone(rows):
  lines = [line(number) for number in range(30)]
  whole = rows(lines)
  assert rows(lines) == whole
  backwards = {row.question: row.answer for row in rows(lines[::-1])}
  assert backwards == {row.question: row.answer for row in whole}
  # Where a choice stands in the file decides nothing either.
  others = ('Incorrect Answer 3', 'Incorrect Answer 1', 'Incorrect Answer 2')
  assert rows(lines, wrong=others) == whole
  again = rows(lines, seed=1)
  differ = [a.question != b.question for a, b in zip(whole, again, strict=True)]
  assert sum(differ) > 10


def test_the_right_choice_is_each_letter_as_often(rows):
  counts = collections.Counter(
    row.answer for row in rows(map(line, range(2000)))
  )
  # Four standard deviations of a share of a quarter.
  assert all(abs(counts[letter] - 500) < 78 for letter in 'ABCD')


def test_a_right_choice_that_is_also_wrong_has_no_letter(rows):
  lines = [line(0), line(1, **{'Incorrect Answer 2': 'right 1'})]
  assert [bool(row.answer) for row in rows(lines)] == [True, False]


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    (
      {'Correct Answer': ' '},
      "line 1: field 'Correct Answer': expected a text",
    ),
    ({'Question': None}, "line 1: field 'Question': expected a text, got null"),
    (
      {'Incorrect Answer 1': ['a']},
      "field 'Incorrect Answer 1': expected text",
    ),
  ],
)
def test_a_line_without_a_choice(rows, changes, message):
  with pytest.raises(ValueError, match=message):
    rows([line(0, **changes)])


def test_a_field_that_is_not_there(rows):
  with pytest.raises(ValueError, match=r"has 'Question', .* of ChoiceRows\."):
    rows([line(0)], correct='Answer')


@pytest.mark.parametrize('wrong', [(), 'Incorrect Answer 1', ('a',) * 26, (1,)])
def test_wrong_choices_are_names_of_fields(wrong):
  with pytest.raises(ValueError, match=r'ChoiceRows\.wrong'):
    ChoiceRows('a.jsonl', wrong=wrong)


@pytest.fixture
def task(tmp_path):
  folder = toys.qwen(tmp_path / 'qwen')
  lines = [*map(line, range(8)), line(9, **{'Incorrect Answer 2': 'right 9'})]

  def task(**changes):
    test = ChoiceRows(write(tmp_path / 'test.jsonl', lines), **FIELDS)
    given = dict(
      vocabulary=Tokenizer(str(folder), '<|quad_end|>'),
      template=Template(),
      finetune=None,
      test=test,
      workers=0,
      choices='ABCD',
    )
    return Questions(**given | changes)

  return task


def test_letters_are_graded_exactly(task):
  questions = task()
  assert questions.problems('finetune') == questions.problems('pretrain') == []
  assert questions.left_out('test') == {'no reference answer': 1}
  for problem in questions.problems('test'):
    assert problem.shuffled
    wrong = 'ABCD'.replace(problem.answer, '')[0]
    texts = [
      rf'\boxed{{{problem.answer}}}',
      f'Answer: ({problem.answer})',
      rf'\boxed{{{wrong}}}',
      # What the right choice says is no letter.
      rf'\boxed{{right {problem.id}}}',
      rf'\boxed{{{problem.answer} or {wrong}}}',
      '',
    ]
    right, none = Grade(problem.answer, True), Grade(None, False)
    grades = [right, right, Grade(wrong, False), none, none, none]
    assert questions.grade_all(problem, texts) == grades
    assert [questions.grade(problem, text) for text in texts] == grades
    assert questions.prompt(problem).count(problem.question) == 1


def test_files_that_hold_letters_themselves(task, tmp_path):
  lines = [
    {'question': f'Which? (A) 1 (B) {answer}', 'answer': answer}
    for answer in ('A', '(B)', r'\boxed{B}', 'C', '2', 'A or B')
  ]
  test = Rows(write(tmp_path / 'letters.jsonl', lines))
  questions = task(test=test, choices='AB')
  assert questions.left_out('test') == {
    'a reference answer that is none of AB': 3
  }
  grades = [
    questions.grade(problem, r'\boxed{B}').correct
    for problem in questions.problems('test')
  ]
  assert grades == [False, True, True]


@pytest.mark.parametrize('choices', ['', 'ABC', 'abcd', 'AABCD', 'A-D'])
def test_letters_that_do_not_fit_the_choices(task, choices):
  with pytest.raises(ValueError, match=r"write .*'ABCD'"):
    task(choices=choices)


def test_shots_end_in_a_letter(task):
  shots = (('Which?', 'It is 5, so (B).\n#### B'),)
  assert task(template=Template(shots=shots)).problems('test')
  shots = (('Which?', r'It is \boxed{5}.'),)
  with pytest.raises(ValueError, match='shot 1 ends in an answer that would'):
    task(template=Template(shots=shots))
