import dataclasses
from fractions import Fraction

import numpy as np
import pytest

from ttc.data.countdown import true_lines
from ttc.data.problems import Grade, Problem
from ttc.data.worksheet import read_question, Worksheet

SMALL = Worksheet(num_pretrain=3_000, num_finetune=500, num_test=200)
PROBLEM = Problem(0, 'A 7 2 1:13 B 5 4 3:17')
RIGHT = 'A 7*2=14 14-1=13\nB 5*4=20 20-3=17'


def test_no_set_of_goals_is_asked_twice():
  problems = [p for split in ('test', 'finetune', 'pretrain')
              for p in SMALL.problems(split)]
  assert len(problems) == 3_700
  assert len({p.id for p in problems}) == 3_700
  asked = {tuple(sorted(read_question(p.question))) for p in problems}
  assert len(asked) == 3_700


def test_goals_come_back_in_other_splits():
  goals = {split: {goal for p in SMALL.problems(split)
                   for goal in read_question(p.question)}
           for split in ('test', 'pretrain')}
  assert len(goals['test'] & goals['pretrain']) > 0.9 * len(goals['test'])


def test_splits_are_alike():
  task = dataclasses.replace(
      SMALL, num_test=3_000, num_finetune=3_000, num_pretrain=3_000)
  levels = [np.mean([p.level for p in task.problems(split)])
            for split in ('test', 'finetune', 'pretrain')]
  # 3,000 levels of SD 1.4: a standard error of .036 for a difference.
  assert np.ptp(levels) < 0.15


def test_levels_are_even_and_take_their_own_goals():
  problems = [p for split in ('test', 'finetune', 'pretrain')
              for p in SMALL.problems(split)]
  assert np.bincount([p.level for p in problems]).tolist() == [0] + [740] * 5
  goals = [set() for _ in range(6)]
  for problem in problems:
    goals[problem.level].update(
        (*numbers, target) for numbers, target in read_question(
            problem.question))
  assert not set.intersection(*goals[1:])
  assert sum(map(len, goals)) == len(set.union(*goals)) == 451
  solutions = [
      np.mean([solutions_of(*goal) for goal in level]) for level in goals[1:]]
  assert solutions == sorted(solutions, reverse=True)
  assert [len(level) for level in goals[1:]] == [27, 54, 90, 122, 158]


def solutions_of(*goal):
  return list(true_lines(goal[:3], 20).values()).count(goal[3])


def test_goals_keep_their_limits():
  task = Worksheet((2, 4), (0.0, 0.5, 1.0), max_number=7, max_value=15,
                   min_target=9, num_pretrain=300, num_finetune=10, num_test=10)
  for problem in task.problems('pretrain'):
    goals = read_question(problem.question)
    assert len(goals) in (2, 4)
    assert problem.level in (1, 2)
    for numbers, target in goals:
      assert len(numbers) == 3
      assert 9 <= target <= 15
      assert 1 <= min(numbers) <= max(numbers) <= 7
      assert list(numbers) == sorted(numbers, reverse=True)


def test_prompts_and_solutions_encode_exactly():
  for problem in SMALL.problems('test'):
    for text in (SMALL.prompt(problem), problem.question):
      tokens = SMALL.vocabulary.encode(text)
      assert SMALL.vocabulary.decode(tokens) == text
    assert len(SMALL.vocabulary.encode(SMALL.prompt(problem))) == (
        6 * 3 + 1)


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
    uniform = rng.random(len(goals))
    hits = [f'{letter} {table.lines[i]}' for letter, i in zip(
        'ABC', table.draw_hit(goals, uniform), strict=True)]
    misses = [f'{letter} {table.lines[i]}' for letter, i in zip(
        'ABC', table.draw_miss(goals, uniform), strict=True)]
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
  words, lines = question.replace(':', ' ').split(), text.split('\n')
  goals = [words[i:i + 5] for i in range(0, len(words), 5)]
  if len(lines) != len(goals):
    return False
  return all(map(judge_line, lines, goals))


def judge_line(line, goal):
  letter, *numbers, target = goal
  pool = [Fraction(n) for n in numbers]
  first, *equations = line.split(' ')
  if first != letter or len(equations) != 2:
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
  return pool == [Fraction(target)]


@pytest.mark.parametrize('text', [
    '', '\n', '\n' * 10**6, '7' * 10**6, 'x' * 10**6, '9' * 5_000, RIGHT + '\n',
    '\n' + RIGHT, RIGHT + '\n' + RIGHT, RIGHT.replace('\n', '\r\n'),
    RIGHT.replace('\n', '\u2028'), RIGHT.replace('7', '７'),
    RIGHT.replace('2', '²'), RIGHT.replace('7', '٧'), RIGHT + '\0', RIGHT + ' ',
    RIGHT.replace('-', '−'), RIGHT.replace('A', 'a'), RIGHT.replace('A ', ''),
    RIGHT.replace('A', 'Ａ'), RIGHT.replace('A ', 'A  '), '\ud800',
    '__import__("os")', 'A 9**9**9=1 1+1=2\n',
    'A 7*2=14 14-1=13\n' * 10**5])
def test_grade_is_total_on_hostile_text(text):
  assert SMALL.grade(PROBLEM, text) == Grade(None, False)


def test_division_by_zero_is_wrong_and_no_error():
  text = 'A 7/0=7 7/0=7\nB 0/0=0 0/0=17'
  assert SMALL.grade(PROBLEM, text) == Grade(text, False)


def test_the_longest_line_is_not_cut_off():
  text = 'A 999*999=999 999+999=999\nB 999*999=999 999+999=999'
  assert SMALL.grade(PROBLEM, text).answer == text


def test_answers_vote_together_under_commutation():
  turned = 'A 2*7=14 14-1=13\nB 4*5=20 20-3=17'
  grade = SMALL.grade(PROBLEM, RIGHT)
  assert grade.correct
  assert SMALL.grade(PROBLEM, turned) == grade


def test_a_line_answers_the_goal_of_its_letter_in_its_place():
  first, second = RIGHT.split('\n')
  for text in (f'{second}\n{first}', f'{first}\n{first}',
               f'{first}\nA{second[1:]}', f'{first}\nC{second[1:]}'):
    assert SMALL.grade(PROBLEM, text) == Grade(text, False)


def test_many_questions_are_drawn_at_once():
  task = Worksheet((3, 4), num_pretrain=30_000)
  assert len(task.problems('pretrain')) == 30_000


@pytest.mark.parametrize(('fields', 'message'), [
    ({'goals': ()}, 'goals'),
    ({'goals': (0, 2)}, 'goals'),
    ({'goals': (3, 27)}, 'goals'),
    ({'levels': (0.0,)}, 'levels'),
    ({'levels': (0.0, 0.001, 1.0)}, 'levels'),
    ({'levels': (0.0, 0.6, 0.4, 1.0)}, 'levels'),
    ({'levels': (-0.5, 1.0)}, 'levels'),
    ({'levels': (0.0, 1.5)}, 'levels'),
    ({'max_value': 8}, 'max_value'),
    ({'max_value': 1_000}, 'max_value'),
    ({'min_target': 21}, 'min_target'),
    ({'num_test': -1}, 'num_test')])
def test_nonsense_is_refused(fields, message):
  with pytest.raises(ValueError, match=message):
    Worksheet(**fields)


def test_more_questions_than_there_are_is_an_error():
  task = Worksheet((1,), (0.0, 1.0), num_pretrain=1_000)
  with pytest.raises(ValueError, match=r'5500 questions .* 451 goals gave '):
    task.problems('pretrain')


def test_an_unknown_split_is_refused():
  with pytest.raises(ValueError, match="'train' is no split"):
    SMALL.problems('train')


def test_a_question_of_another_task_is_refused():
  with pytest.raises(ValueError, match='no worksheet'):
    SMALL.grade(Problem(0, 'What is 1+1?'), RIGHT)
