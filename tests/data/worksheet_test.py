import dataclasses
from fractions import Fraction

import numpy as np
import pytest

from ttc.data.problems import Grade, Problem
from ttc.data.worksheet import Worksheet, read_question

SMALL = Worksheet(num_pretrain=3_000, num_finetune=500, num_test=200)
PROBLEM = Problem(0, '7 2 1:13;5 4 3:17')
RIGHT = '7*2=14 14-1=13\n5*4=20 20-3=17'


def test_no_set_of_goals_is_asked_twice():
  problems = [p for split in ('test', 'finetune', 'pretrain')
              for p in SMALL.problems(split)]
  assert len(problems) == 3_700
  assert len({p.id for p in problems}) == 3_700
  asked = {tuple(sorted(p.question.split(';'))) for p in problems}
  assert len(asked) == 3_700


def test_goals_come_back_in_other_splits():
  goals = {split: {goal for p in SMALL.problems(split)
                   for goal in p.question.split(';')}
           for split in ('test', 'pretrain')}
  assert len(goals['test'] & goals['pretrain']) > 0.9 * len(goals['test'])


@pytest.mark.parametrize('uniform', [False, True])
def test_splits_are_alike(uniform):
  task = dataclasses.replace(
      SMALL, uniform=uniform, num_test=3_000, num_finetune=3_000)
  levels = [np.mean([p.level for p in task.problems(split)])
            for split in ('test', 'finetune', 'pretrain')]
  # 3,000 levels of SD .82: a standard error of .021 for a difference.
  assert np.ptp(levels) < 0.08


def test_goals_keep_their_limits():
  task = Worksheet((1, 3), max_number=7, max_value=15, min_target=9,
                   num_pretrain=300, num_finetune=10, num_test=10)
  for problem in task.problems('pretrain'):
    goals = read_question(problem.question)
    assert len(goals) == problem.level
    assert problem.level in (1, 3)
    for numbers, target in goals:
      assert len(numbers) == 3
      assert 9 <= target <= 15
      assert 1 <= min(numbers) <= max(numbers) <= 7
      assert list(numbers) == sorted(numbers, reverse=True)


def test_goals_are_as_likely_as_their_lines_or_all_alike():
  for uniform, expected in [(False, None), (True, 1.0)]:
    task = Worksheet((4,), uniform=uniform, num_pretrain=40_000)
    count = np.bincount(task.questions('pretrain').ravel())
    lines = task.table.hit[:, 1] - task.table.hit[:, 0]
    weight = np.ones(len(lines)) if expected else lines
    mean = weight / weight.sum() * count.sum()
    assert np.abs((count - mean) / np.sqrt(mean)).max() < 6


def test_prompts_and_solutions_encode_exactly():
  for problem in SMALL.problems('test'):
    for text in (SMALL.prompt(problem), problem.question):
      tokens = SMALL.vocabulary.encode(text)
      assert SMALL.vocabulary.decode(tokens) == text
    assert len(SMALL.vocabulary.encode(SMALL.prompt(problem))) == (
        6 * problem.level)


def test_questions_depend_on_the_seed_alone():
  again = Worksheet(num_pretrain=3_000, num_finetune=500, num_test=200)
  other = dataclasses.replace(SMALL, seed=1)
  assert SMALL.problems('test') == again.problems('test')
  assert SMALL.problems('test') != other.problems('test')


def test_every_line_of_the_table_solves_its_goal():
  rng = np.random.default_rng(0)
  table = SMALL.table
  for problem, goals in zip(
      SMALL.problems('test'), SMALL.questions('test'), strict=True):
    goals = goals[goals >= 0]
    uniform = rng.random(len(goals))
    hits = [table.lines[i] for i in table.draw_hit(goals, uniform)]
    misses = [table.lines[i] for i in table.draw_miss(goals, uniform)]
    assert SMALL.grade(problem, '\n'.join(hits)) == Grade(
        '\n'.join(hits), True)
    for i in range(len(hits)):
      text = '\n'.join([*hits[:i], misses[i], *hits[i + 1:]])
      assert SMALL.grade(problem, text) == Grade(text, False)


def test_grade_agrees_with_rationals_on_damaged_solutions():
  rng = np.random.default_rng(1)
  right = unparsed = 0
  for _ in range(5_000):
    tokens = SMALL.vocabulary.encode(RIGHT)
    for _ in range(rng.integers(1, 3)):
      tokens[rng.integers(len(tokens))] = rng.choice(tokens)
    text = SMALL.vocabulary.decode(tokens)
    grade = SMALL.grade(PROBLEM, text)
    assert grade.correct == judge(PROBLEM.question, text), text
    right += grade.correct
    unparsed += grade.answer is None
  assert right > 50
  assert 500 < unparsed < 4_500


def judge(question, text):
  """An independent judge that reads with split and computes in Fractions."""
  lines, goals = text.split('\n'), question.split(';')
  if len(lines) != len(goals):
    return False
  return all(map(judge_line, lines, goals))


def judge_line(line, goal):
  numbers, target = goal.split(':')
  results, pool = [], [Fraction(n) for n in numbers.split()]
  equations = line.split(' ')
  if len(equations) != 2:
    return False
  for equation in equations:
    left, *right = equation.split('=')
    operation = next((o for o in '+-*/' if o in left), '?')
    operands = left.split(operation)
    if len(right) != 1 or len(operands) != 2 or not all(
        x.isdecimal() for x in (*operands, *right)):
      return False
    a, b, c = map(Fraction, (*operands, *right))
    for operand in (a, b):
      if operand not in pool:
        return False
      pool.remove(operand)
    value = {'+': a + b, '-': a - b, '*': a * b, '/': b and a / b}[operation]
    if value != c:
      return False
    pool.append(c)
    results.append(c)
  # The second equation must join the first's result, or three numbers would
  # not come together in one.
  return pool == [Fraction(target)]


@pytest.mark.parametrize('text', [
    '', '\n', '\n' * 10**6, '7' * 10**6, 'x' * 10**6, '9' * 5_000, RIGHT + '\n',
    '\n' + RIGHT, RIGHT + '\n' + RIGHT, RIGHT.replace('\n', '\r\n'),
    RIGHT.replace('\n', '\u2028'), RIGHT.replace('7', '７'),
    RIGHT.replace('2', '²'), RIGHT.replace('7', '٧'), RIGHT + '\0', RIGHT + ' ',
    RIGHT.replace('-', '−'), '\ud800', '__import__("os")', '9**9**9=1 1+1=2\n',
    '7*2=14 14-1=13\n' * 10**5])
def test_grade_is_total_on_hostile_text(text):
  assert SMALL.grade(PROBLEM, text) == Grade(None, False)


def test_division_by_zero_is_wrong_and_no_error():
  text = '7/0=7 7/0=7\n0/0=0 0/0=17'
  assert SMALL.grade(PROBLEM, text) == Grade(text, False)


def test_the_longest_line_is_not_cut_off():
  text = '999*999=999 999+999=999\n999*999=999 999+999=999'
  assert SMALL.grade(PROBLEM, text).answer == text


def test_answers_vote_together_under_commutation():
  turned = '2*7=14 14-1=13\n4*5=20 20-3=17'
  grade = SMALL.grade(PROBLEM, RIGHT)
  assert grade.correct
  assert SMALL.grade(PROBLEM, turned) == grade
  swapped = '\n'.join(reversed(RIGHT.split('\n')))
  assert SMALL.grade(PROBLEM, swapped).answer != grade.answer


def test_many_questions_are_drawn_at_once():
  assert len(Worksheet(num_pretrain=100_000).problems('pretrain')) == 100_000


@pytest.mark.parametrize(('fields', 'message'), [
    ({'goals': ()}, 'goals'),
    ({'goals': (0, 2)}, 'goals'),
    ({'max_value': 8}, 'max_value'),
    ({'max_value': 1_000}, 'max_value'),
    ({'min_target': 21}, 'min_target'),
    ({'num_test': -1}, 'num_test')])
def test_nonsense_is_refused(fields, message):
  with pytest.raises(ValueError, match=message):
    Worksheet(**fields)


def test_more_questions_than_there_are_is_an_error():
  task = Worksheet(goals=(1,), num_pretrain=1_000, num_finetune=0, num_test=0)
  with pytest.raises(ValueError, match=r'1000 questions.* only 451 '):
    task.problems('pretrain')


def test_an_unknown_split_is_refused():
  with pytest.raises(ValueError, match="'train' is no split"):
    SMALL.problems('train')
