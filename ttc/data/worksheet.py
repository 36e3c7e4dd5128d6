"""The embedded task: worksheets of several countdown goals.

A question asks for goals, `7 2 1:13;5 4 3:17`; the prompt adds `?`. A solution
answers them in order, one line a goal, every line a step:

    7*2=14 14-1=13
    5*3=15 15+4=19

A newline ends each step but the last, which the end token ends. The second
line here is true and misses its target, so this solution is wrong.
"""

import dataclasses
import functools

import numpy as np

from ttc.data import countdown
from ttc.data.problems import Grade, Problem
from ttc.data.vocabulary import WordVocabulary

SYMBOLS = ('+', '-', '*', '/', '=', ':', ';', '?', '\n')


@dataclasses.dataclass(frozen=True)
class Worksheet:
  """Questions of several goals, split by question and never by goal.

  No set of goals is asked twice, in any order, over all splits; single goals
  come back. Holding out goals instead would let a model learn its own goals by
  heart, and labels made on its training questions would say nothing of others.
  The splits are random parts of one draw, so they are alike.

  Attributes:
    goals: how many goals a question may have; each is as likely.
    max_number: goals use numbers from 1 to this.
    max_value: results of equations go from 1 to this.
    min_target: the least target.
    max_solutions: the most lines that may hit a goal; None for no limit. Few
      make right answers repeat, which is what majority needs.
    uniform: whether every goal is as likely; otherwise it is as likely as the
      number of lines that hit it.
    num_pretrain: questions of the split 'pretrain'.
    num_finetune: questions of the split 'finetune'.
    num_test: questions of the split 'test'.
    seed: of the questions.
  """

  goals: tuple[int, ...] = (2, 3, 4)
  max_number: int = 9
  max_value: int = 20
  min_target: int = 10
  max_solutions: int | None = None
  uniform: bool = False
  num_pretrain: int = 20_000
  num_finetune: int = 4_000
  num_test: int = 500
  seed: int = 0

  delimiter = '\n'

  def __post_init__(self):
    if not self.goals or min(self.goals) < 1:
      raise ValueError(
          f'Worksheet.goals={self.goals}; give one or more positive counts.')
    if not 1 <= self.max_number <= self.max_value <= 999:
      raise ValueError(
          f'Worksheet.max_number={self.max_number} and max_value='
          f'{self.max_value}; they must rise from 1 to at most 999.')
    for name in ('num_pretrain', 'num_finetune', 'num_test'):
      if getattr(self, name) < 0:
        raise ValueError(
            f'Worksheet.{name}={getattr(self, name)}; give 0 or more.')
    if not len(self.table.target):
      raise ValueError(
          f'Worksheet.min_target={self.min_target} leaves no goal with '
          f'max_value={self.max_value} and max_solutions={self.max_solutions};'
          ' lower min_target or raise the others.')

  @functools.cached_property
  def table(self) -> countdown.GoalTable:
    return countdown.goal_table(
        self.max_number, self.max_value, self.min_target, self.max_solutions)

  @functools.cached_property
  def vocabulary(self) -> WordVocabulary:
    numbers = (str(n) for n in range(1, self.max_value + 1))
    return WordVocabulary((*numbers, *SYMBOLS))

  @functools.cached_property
  def goal_texts(self) -> tuple[str, ...]:
    """Each goal of `table` as it stands in a question."""
    numbers, target = self.table.numbers.tolist(), self.table.target.tolist()
    return tuple(
        '{} {} {}:{}'.format(*goal, result)
        for goal, result in zip(numbers, target, strict=True))

  @functools.cached_property
  def goal_tokens(self) -> np.ndarray:
    """Each goal of `table` and the `;` after it: int32 [G, 6]."""
    return np.array([
        self.vocabulary.encode(f'{text};') for text in self.goal_texts
    ], dtype=np.int32)

  @functools.cached_property
  def line_tokens(self) -> np.ndarray:
    """Each line of `table` and the newline after it: int32 [D, 11]."""
    return np.array([
        self.vocabulary.encode(f'{line}\n') for line in self.table.lines
    ], dtype=np.int32)

  def problems(self, split: str) -> list[Problem]:
    """Problems of one split; their level is the number of goals.

    Raises:
      ValueError: for an unknown split or more questions than there are.
    """
    rows = self.questions(split).tolist()
    problems = []
    for id, row in enumerate(rows, start=self.first_id(split)):
      goals = [self.goal_texts[goal] for goal in row if goal >= 0]
      problems.append(Problem(id, ';'.join(goals), level=len(goals)))
    return problems

  def prompt(self, problem: Problem) -> str:
    return problem.question + '?'

  def grade(self, problem: Problem, text: str) -> Grade:
    """Exact judgement of one solution.

    The answer is the canonical form of all lines, see `countdown.canonical`;
    None unless there are as many well-formed lines as goals.
    """
    goals = read_question(problem.question)
    if len(text) > len(goals) * countdown.LINE_CHARACTERS + len(goals) - 1:
      return Grade(None, False)
    lines = [countdown.read_line(line) for line in text.split('\n')]
    if len(lines) != len(goals) or None in lines:
      return Grade(None, False)
    correct = all(
        countdown.is_solution(line, *goal)
        for line, goal in zip(lines, goals, strict=True))
    return Grade('\n'.join(map(countdown.canonical, lines)), correct)

  def questions(self, split: str) -> np.ndarray:
    """Goals of each question, as rows of `table`: int [Q, max(goals)].

    Questions of fewer goals are filled up with -1.
    """
    begin = self.first_id(split)
    return self._all_questions[begin:begin + getattr(self, f'num_{split}')]

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
    wanted = self.num_test + self.num_finetune + self.num_pretrain
    drawn = wanted + 1_000
    while True:
      rows = self._draw(drawn)
      key = np.sort(rows, axis=1)
      _, first = np.unique(key, axis=0, return_index=True)
      if len(first) >= wanted:
        order = np.random.default_rng((self.seed, 1)).permutation(wanted)
        return rows[np.sort(first)[order]]
      if drawn > 32 * (wanted + 1_000):
        raise ValueError(
            f'Worksheet asks for {wanted} questions over its splits, but only '
            f'{len(first)} different ones turned up in {drawn} draws; ask for '
            f'fewer, or for more goals than {self.goals}.')
      drawn *= 2

  def _draw(self, count: int) -> np.ndarray:
    """Questions as drawn, repetitions included: int [count, max(goals)]."""
    rng = np.random.default_rng(self.seed)
    uniform = rng.random((count, 1 + max(self.goals)))
    hit = self.table.hit
    weight = np.ones(len(hit)) if self.uniform else hit[:, 1] - hit[:, 0]
    edge = np.cumsum(weight)
    goals = np.searchsorted(edge, uniform[:, 1:] * edge[-1], side='right')
    size = np.array(self.goals)[(uniform[:, 0] * len(self.goals)).astype(int)]
    return np.where(np.arange(max(self.goals)) < size[:, None], goals, -1)


def read_question(question: str) -> list[tuple[tuple[int, ...], int]]:
  """Numbers and target of each goal of `7 2 1:13;5 4 3:17`."""
  goals = []
  for goal in question.split(';'):
    numbers, _, target = goal.partition(':')
    goals.append((tuple(map(int, numbers.split())), int(target)))
  return goals
