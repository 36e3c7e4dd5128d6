import collections
import dataclasses
from fractions import Fraction
import hashlib
import json

import numpy as np
import pytest

from ttc.data.countdown import true_lines
from ttc.data.problems import Grade, Problem
from ttc.data.worksheet import read_question, SPLITS, Worksheet

SMALL = Worksheet(num_pretrain=3_000, num_finetune=500, num_test=200)
MIXED = dataclasses.replace(SMALL, mixed=True)
PROBLEM = Problem(0, '13: 7 2 1 17: 5 4 3')
RIGHT = '13: 7*2=14 14-1=13\n17: 5*4=20 20-3=17'


def goals_of(problem):
  return [
    (*numbers, target) for numbers, target in read_question(problem.question)
  ]


@pytest.mark.parametrize('task', [SMALL, MIXED])
def test_no_set_of_goals_is_asked_in_two_splits(task):
  problems = {split: task.problems(split) for split in SPLITS}
  assert [len(problems[split]) for split in SPLITS] == [200, 500, 3_000]
  assert len({p.id for split in SPLITS for p in problems[split]}) == 3_700
  asked = {
    split: {tuple(sorted(goals_of(p))) for p in problems[split]}
    for split in SPLITS
  }
  assert not asked['test'] & asked['finetune']
  assert not asked['test'] & asked['pretrain']
  assert not asked['finetune'] & asked['pretrain']
  assert [len(asked[split]) for split in SPLITS[:2]] == [200, 500]
  assert len({p.question for p in problems['pretrain']}) == 3_000


def test_goals_come_back_in_other_splits():
  goals = {
    split: {goal for p in SMALL.problems(split) for goal in goals_of(p)}
    for split in ('test', 'pretrain')
  }
  assert len(goals['test'] & goals['pretrain']) > 0.9 * len(goals['test'])


def test_levels_are_even_and_take_their_own_goals():
  problems = [p for split in SPLITS for p in SMALL.problems(split)]
  for split, number in zip(SPLITS, (40, 100, 600), strict=True):
    levels = [p.level for p in SMALL.problems(split)]
    assert np.bincount(levels).tolist() == [0] + [number] * 5
  goals = [set() for _ in range(6)]
  for problem in problems:
    goals[problem.level].update(goals_of(problem))
  assert not set.intersection(*goals[1:])
  assert sum(map(len, goals)) == len(set.union(*goals)) == 451
  solutions = [
    np.mean([solutions_of(*goal) for goal in level]) for level in goals[1:]
  ]
  assert solutions == sorted(solutions, reverse=True)
  assert [len(level) for level in goals[1:]] == [27, 54, 90, 122, 158]


@pytest.mark.parametrize('split', SPLITS)
def test_each_goal_may_draw_a_level_of_its_own(split):
  task = dataclasses.replace(MIXED, num_finetune=2_000, num_test=2_000)
  goals = task.questions(split)
  levels = task.goal_levels(goals)
  for i in range(3):
    share = np.bincount(levels[:, i], minlength=6)[1:] / len(goals)
    assert np.abs(share - 0.2).max() < 0.04
  # Goals of one question know nothing of each other's level ...
  pairs = collections.Counter(map(tuple, levels[:, :2].tolist()))
  assert len(pairs) == 25
  assert max(abs(n / len(goals) - 0.04) for n in pairs.values()) < 0.02
  # ... and all goals of a level are drawn.
  drawn = [len(np.unique(goals[levels == level])) for level in range(1, 6)]
  assert drawn == [27, 54, 90, 122, 158]


@pytest.mark.parametrize('sizes', [(3,), (2, 4)])
def test_a_level_is_the_mean_of_the_goals(sizes):
  task = dataclasses.replace(MIXED, goals=sizes)
  seen = collections.Counter()
  for problem, goals in zip(
    task.problems('test'), task.questions('test').tolist(), strict=True
  ):
    own = [int(task.goal_levels(goal)) for goal in goals if goal >= 0]
    assert len(own) in sizes
    assert problem.level == int(np.floor(np.mean(own) + 0.5))
    seen[problem.level] += 1
  assert set(seen) >= {2, 3, 4}


@pytest.mark.parametrize(
  ('task', 'sha256'),
  [
    (SMALL, 'a536b38fbc412a62'),
    (
      Worksheet((2, 4), num_pretrain=300, num_finetune=50, num_test=50, seed=3),
      '1b2f5152ca461908',
    ),
  ],
)
def test_questions_of_one_level_are_those_of_earlier_revisions(task, sha256):
  # Digests were taken at revision 363a090.
  asked = [
    [p.id, p.question, p.level]
    for split in SPLITS
    for p in task.problems(split)
  ]
  digest = hashlib.sha256(json.dumps(asked).encode()).hexdigest()
  assert digest.startswith(sha256)


def solutions_of(*goal):
  return list(true_lines(goal[:3], 20).values()).count(goal[3])


def test_goals_keep_their_limits():
  task = Worksheet(
    (2, 4),
    (0.0, 0.5, 1.0),
    max_number=7,
    max_value=15,
    min_target=9,
    num_pretrain=300,
    num_finetune=10,
    num_test=10,
  )
  for problem in task.problems('pretrain'):
    goals = read_question(problem.question)
    assert len(goals) in (2, 4)
    assert problem.level in (1, 2)
    assert len({target for _, target in goals}) == len(goals)
    for numbers, target in goals:
      assert len(numbers) == 3
      assert 9 <= target <= 15
      assert 1 <= min(numbers) <= max(numbers) <= 7
      assert numbers == sorted(numbers, reverse=True)


def test_prompts_and_solutions_encode_exactly():
  for problem in SMALL.problems('test'):
    for text in (SMALL.prompt(problem), problem.question):
      tokens = SMALL.vocabulary.encode(text)
      assert SMALL.vocabulary.decode(tokens) == text
    assert len(SMALL.vocabulary.encode(SMALL.prompt(problem))) == (4 * 3 + 1)


def test_questions_depend_on_the_seed_alone():
  again = Worksheet(num_pretrain=3_000, num_finetune=500, num_test=200)
  other = dataclasses.replace(SMALL, seed=1)
  assert SMALL.problems('test') == again.problems('test')
  assert SMALL.problems('test') != other.problems('test')


def test_every_line_of_the_table_solves_its_goal():
  rng = np.random.default_rng(0)
  table = SMALL.table
  for problem, goals in zip(
    SMALL.problems('test'), SMALL.questions('test'), strict=True
  ):
    uniform = rng.random(len(goals))
    targets = table.target[goals]
    hits = [
      f'{target}: {table.lines[i]}'
      for target, i in zip(targets, table.draw_hit(goals, uniform), strict=True)
    ]
    misses = [
      f'{target}: {table.lines[i]}'
      for target, i in zip(
        targets, table.draw_miss(goals, uniform), strict=True
      )
    ]
    assert SMALL.grade(problem, '\n'.join(hits)) == Grade('\n'.join(hits), True)
    for i in range(len(hits)):
      text = '\n'.join([*hits[:i], misses[i], *hits[i + 1 :]])
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
  words, lines = question.split(), text.split('\n')
  goals = [words[i : i + 4] for i in range(0, len(words), 4)]
  if len(lines) != len(goals):
    return False
  return all(map(judge_line, lines, goals))


def judge_line(line, goal):
  label, *numbers = goal
  pool = [Fraction(n) for n in numbers]
  first, *equations = line.split(' ')
  if first != label or len(equations) != 2:
    return False
  for equation in equations:
    left, *right = equation.split('=')
    operation = next((o for o in '+-*/' if o in left), '?')
    operands = left.split(operation)
    if (
      len(right) != 1
      or len(operands) != 2
      or not all(x.isdecimal() for x in (*operands, *right))
    ):
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
  return pool == [Fraction(label[:-1])]


@pytest.mark.parametrize(
  'text',
  [
    '',
    '\n',
    '\n' * 10**6,
    '7' * 10**6,
    'x' * 10**6,
    '9' * 5_000,
    RIGHT + '\n',
    '\n' + RIGHT,
    RIGHT + '\n' + RIGHT,
    RIGHT.replace('\n', '\r\n'),
    RIGHT.replace('\n', '\u2028'),
    RIGHT.replace('7', '７'),
    RIGHT.replace('2', '²'),
    RIGHT.replace('7', '٧'),
    RIGHT + '\0',
    RIGHT + ' ',
    RIGHT.replace('-', '−'),
    RIGHT.replace(':', ''),
    RIGHT.replace('13: ', ''),
    RIGHT.replace(': ', ':  '),
    RIGHT.replace(': ', ':'),
    RIGHT.replace('13: ', '9999: '),
    RIGHT.replace('13: ', '013: '),
    '\ud800',
    '__import__("os")',
    '13: 9**9**9=1 1+1=2\n',
    '13: 7*2=14 14-1=13\n' * 10**5,
  ],
)
def test_grade_is_total_on_hostile_text(text):
  assert SMALL.grade(PROBLEM, text) == Grade(None, False)


def test_division_by_zero_is_wrong_and_no_error():
  text = '13: 7/0=7 7/0=7\n17: 0/0=0 0/0=17'
  assert SMALL.grade(PROBLEM, text) == Grade(text, False)


def test_the_longest_line_is_not_cut_off():
  text = '999: 999*999=999 999+999=999\n999: 999*999=999 999+999=999'
  assert SMALL.grade(PROBLEM, text).answer == text


def test_answers_vote_together_under_commutation():
  turned = '13: 2*7=14 14-1=13\n17: 4*5=20 20-3=17'
  grade = SMALL.grade(PROBLEM, RIGHT)
  assert grade.correct
  assert SMALL.grade(PROBLEM, turned) == grade


def test_a_line_answers_the_goal_of_its_label_in_its_place():
  first, second = RIGHT.split('\n')
  for text in (
    f'{second}\n{first}',
    f'{first}\n{first}',
    f'{first}\n13{second[2:]}',
    f'{first}\n9{second[2:]}',
  ):
    assert SMALL.grade(PROBLEM, text) == Grade(text, False)


def test_many_questions_are_drawn_at_once():
  task = Worksheet((4,), num_pretrain=30_000)
  assert len(task.problems('pretrain')) == 30_000


@pytest.mark.parametrize(
  ('fields', 'message'),
  [
    ({'goals': ()}, 'goals'),
    ({'goals': (0, 2)}, 'goals'),
    ({'goals': (3, 12)}, 'goals'),
    ({'levels': (0.0,)}, 'levels'),
    ({'levels': (0.0, 0.001, 1.0)}, 'levels'),
    ({'levels': (0.0, 0.6, 0.4, 1.0)}, 'levels'),
    ({'levels': (-0.5, 1.0)}, 'levels'),
    ({'levels': (0.0, 1.5)}, 'levels'),
    ({'max_value': 8}, 'max_value'),
    ({'max_value': 1_000}, 'max_value'),
    ({'min_target': 21}, 'min_target'),
    ({'min_target': 0}, 'min_target'),
    ({'goals': (3, 10)}, 'level 1 has only 9 targets'),
    ({'num_test': -1}, 'num_test'),
  ],
)
def test_nonsense_is_refused(fields, message):
  with pytest.raises(ValueError, match=message):
    Worksheet(**fields)


def test_more_questions_than_there_are_is_an_error():
  task = Worksheet(
    (1,), (0.0, 1.0), num_pretrain=10, num_finetune=400, num_test=100
  )
  with pytest.raises(ValueError, match=r'num_finetune=400 needs 400 .* only 3'):
    task.problems('pretrain')
  mixed = dataclasses.replace(task, mixed=True)
  with pytest.raises(ValueError, match='needs 400 questions of mixed levels'):
    mixed.problems('pretrain')
  assert (
    len(
      Worksheet(
        (1,), (0.0, 1.0), num_test=451, num_finetune=0, num_pretrain=0
      ).problems('test')
    )
    == 451
  )


@pytest.mark.parametrize('task', [SMALL, MIXED])
def test_a_larger_later_split_leaves_the_earlier_ones_as_they_are(task):
  more = dataclasses.replace(task, num_pretrain=6_000)
  for split in ('test', 'finetune'):
    assert more.problems(split) == task.problems(split)


def test_an_unknown_split_is_refused():
  with pytest.raises(ValueError, match="'train' is no split"):
    SMALL.problems('train')


def test_a_question_of_another_task_is_refused():
  with pytest.raises(ValueError, match='no worksheet'):
    SMALL.grade(Problem(0, 'What is 1+1?'), RIGHT)
