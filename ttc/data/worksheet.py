"""The embedded task: worksheets of several countdown goals.

A question asks for goals, `A 7 2 1:13 B 5 4 3:17`; the prompt adds `?`. A
solution answers them in order, one line a goal, every line a step:

    A 7*2=14 14-1=13
    B 5*3=15 15+4=19

A newline ends each step but the last, which the end token ends. Line B is true
and misses its target, so this solution is wrong. The letters let a tiny model
find the goal that a line answers; without them it spends its few parameters on
counting lines.
"""

import dataclasses
import functools
import re
import string

import numpy as np

from ttc.data import countdown
from ttc.data.problems import Grade, Problem
from ttc.data.vocabulary import WordVocabulary

SYMBOLS = ('+', '-', '*', '/', '=', ':', '?', '\n')
LETTERS = string.ascii_uppercase
GOAL = re.compile(r'[A-Z] ([0-9]+) ([0-9]+) ([0-9]+):([0-9]+)')


@dataclasses.dataclass(frozen=True)
class Worksheet:
  """Questions of several goals, split by question and never by goal.

  No set of goals is asked twice, in any order, over all splits; single goals
  come back. Holding out goals instead would let a model learn its own goals by
  heart, and labels made on its training questions would say nothing of others.
  The splits are random parts of one draw, so they are alike.

  A question has a level, from 1, and takes its goals from that level's part of
  all goals. Easy levels have few goals, which many lines hit and which come
  back often; hard ones have many goals, which are rare and have one solution.

  Attributes:
    goals: how many goals a question may have; each is as likely.
    levels: where each level begins and ends, as shares of the goals sorted by
      how many lines hit them, the many first. All levels are as likely.
    max_number: goals use numbers from 1 to this.
    max_value: results of equations go from 1 to this.
    min_target: the least target.
    num_pretrain: questions of the split 'pretrain'.
    num_finetune: questions of the split 'finetune'.
    num_test: questions of the split 'test'.
    seed: of the questions; goals and their levels are the same for all seeds.
  """

  goals: tuple[int, ...] = (3,)
  levels: tuple[float, ...] = (0.0, 0.06, 0.18, 0.38, 0.65, 1.0)
  max_number: int = 9
  max_value: int = 20
  min_target: int = 10
  num_pretrain: int = 10_000
  num_finetune: int = 4_000
  num_test: int = 500
  seed: int = 0

  delimiter = '\n'

  def __post_init__(self):
    if not self.goals or not 1 <= min(self.goals) <= max(self.goals) <= 26:
      raise ValueError(
          f'Worksheet.goals={self.goals}; give one or more counts from 1 to 26,'
          ' as many as there are letters.')
    if not 1 <= self.max_number <= self.max_value <= 999:
      raise ValueError(
          f'Worksheet.max_number={self.max_number} and max_value='
          f'{self.max_value}; they must rise from 1 to at most 999.')
    for name in ('num_pretrain', 'num_finetune', 'num_test'):
      if getattr(self, name) < 0:
        raise ValueError(
            f'Worksheet.{name}={getattr(self, name)}; give 0 or more.')
    if (len(self.levels) < 2 or self.levels[0] < 0 or self.levels[-1] > 1
        or min(np.diff(self.level_edges)) < 1):
      raise ValueError(
          f'Worksheet.levels={self.levels} part the {len(self.table.target)} '
          f'goals at {self.level_edges.tolist()}; give shares that rise from 0 '
          'to 1 and leave each level a goal, or lower min_target.')

  @functools.cached_property
  def table(self) -> countdown.GoalTable:
    return countdown.goal_table(
        self.max_number, self.max_value, self.min_target)

  @functools.cached_property
  def level_edges(self) -> np.ndarray:
    """The goal of `table` at which each level begins, and the end: [L + 1]."""
    return np.round(np.array(self.levels) * len(self.table.target)).astype(int)

  @functools.cached_property
  def goal_texts(self) -> tuple[str, ...]:
    """Each goal of `table` as it follows its letter."""
    numbers, targets = self.table.numbers.tolist(), self.table.target.tolist()
    return tuple(
        '{} {} {}:{}'.format(*goal, target)
        for goal, target in zip(numbers, targets, strict=True))

  @functools.cached_property
  def vocabulary(self) -> WordVocabulary:
    numbers = (str(n) for n in range(1, self.max_value + 1))
    return WordVocabulary((*numbers, *LETTERS[:max(self.goals)], *SYMBOLS))

  def problems(self, split: str) -> list[Problem]:
    """Problems of one split.

    Raises:
      ValueError: for an unknown split or more questions than there are.
    """
    rows = self.questions(split)
    levels = self.goal_levels(rows[:, 0])
    problems = []
    for id, (row, level) in enumerate(
        zip(rows.tolist(), levels.tolist(), strict=True), self.first_id(split)):
      goals = [
          f'{letter} {self.goal_texts[goal]}'
          for letter, goal in zip(LETTERS, row, strict=False) if goal >= 0]
      problems.append(Problem(id, ' '.join(goals), level=level))
    return problems

  def prompt(self, problem: Problem) -> str:
    return problem.question + '?'

  def grade(self, problem: Problem, text: str) -> Grade:
    """Exact judgement of one solution.

    The answer is the canonical form of all lines, see `countdown.canonical`;
    None unless there are as many well-formed lines as goals.
    """
    goals = read_question(problem.question)
    wrong = Grade(None, False)
    if len(text) > len(goals) * (countdown.LINE_CHARACTERS + 3):
      return wrong
    texts = text.split('\n')
    if len(texts) != len(goals):
      return wrong
    correct, answer = True, []
    for letter, line, goal in zip(LETTERS, texts, goals, strict=False):
      equations = countdown.read_line(line[2:])
      if not re.match('[A-Z] ', line) or equations is None:
        return wrong
      correct &= line[0] == letter and countdown.is_solution(equations, *goal)
      answer.append(line[:2] + countdown.canonical(equations))
    return Grade('\n'.join(answer), correct)

  def questions(self, split: str) -> np.ndarray:
    """Goals of each question, as rows of `table`: int [Q, max(goals)].

    Questions of fewer goals are filled up with -1.
    """
    begin = self.first_id(split)
    return self._all_questions[begin:begin + getattr(self, f'num_{split}')]

  def goal_levels(self, goals: np.ndarray) -> np.ndarray:
    """The level, from 1, of each goal of `table` [...]."""
    return np.searchsorted(self.level_edges, goals, side='right')

  def first_id(self, split: str) -> int:
    """The id of a split's first problem; the others follow one by one."""
    begins = {
        'test': 0,
        'finetune': self.num_test,
        'pretrain': self.num_test + self.num_finetune,
    }
    if split not in begins:
      raise ValueError(
          f'{split!r} is no split; choose one of {", ".join(sorted(begins))}.')
    return begins[split]

  @functools.cached_property
  def _all_questions(self) -> np.ndarray:
    levels = len(self.levels) - 1
    wanted = self.num_test + self.num_finetune + self.num_pretrain
    rows = [self._distinct(level, -(-wanted // levels))
            for level in range(levels)]
    rng = np.random.default_rng(self.seed)
    return rng.permutation(np.concatenate(rows))[:wanted]

  def _distinct(self, level: int, wanted: int) -> np.ndarray:
    """Questions of one level with different sets of goals: int [wanted, K]."""
    begin, end = self.level_edges[level:level + 2]
    slots, counts = np.arange(max(self.goals)), np.array(self.goals)
    rng = np.random.default_rng((self.seed, level + 1))
    rows, seen = np.empty((0, len(slots)), int), 0
    while seen < 32 * (wanted + 100):
      new = rng.integers(begin, end, (wanted + 100, len(slots)))
      size = rng.choice(counts, (len(new), 1))
      rows = np.concatenate([rows, np.where(slots < size, new, -1)])
      _, first = np.unique(np.sort(rows, axis=1), axis=0, return_index=True)
      rows, seen = rows[np.sort(first)], seen + len(new)
      if len(rows) >= wanted:
        return rows[:wanted]
    raise ValueError(
        f'Worksheet needs {wanted} questions of level {level + 1} for its '
        f'splits, but its {end - begin} goals gave only {len(rows)} different '
        f'ones in {seen} draws; ask for fewer questions, or for more than '
        f'{max(self.goals)} goals, or widen that level.')


def read_question(question: str) -> list[tuple[tuple[int, ...], int]]:
  """Numbers and target of each goal of `A 7 2 1:13 B 5 4 3:17`."""
  goals = [tuple(map(int, goal)) for goal in GOAL.findall(question)]
  if not goals:
    raise ValueError(
        f"{question[:80]!r} is no worksheet; one looks like 'A 7 2 1:13'.")
  return [(goal[:3], goal[3]) for goal in goals]
