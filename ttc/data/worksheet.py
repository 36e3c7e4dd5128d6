"""The embedded task: worksheets of several countdown goals.

A question asks for goals, `13: 7 2 1 17: 5 4 3`; the prompt adds `?`. A
solution answers them in order, one line a goal, every line a step:

    13: 7*2=14 14-1=13
    17: 5*3=15 15+4=19

A newline ends each step but the last, which the end token ends. The second
line is true and misses its target, so this solution is wrong. A line names its
target, and no two targets of a question are equal: a tiny model then finds the
goal that a line answers without counting lines, and the miss without a look at
the question.
"""

from collections.abc import Iterator, Sequence
import dataclasses
import functools
import re

import numpy as np

from ttc.data import countdown
from ttc.data.problems import Grade, Problem
from ttc.data.vocabulary import WordVocabulary

SPLITS = ('test', 'finetune', 'pretrain')
SYMBOLS = ('+', '-', '*', '/', '=', '?', '\n')
GOAL = re.compile(r'([0-9]+): ([0-9]+) ([0-9]+) ([0-9]+)')
LABEL = re.compile(f'{countdown.NUMBER}: ')


@dataclasses.dataclass(frozen=True)
class Worksheet:
  """Questions of several goals, split by question and never by goal.

  No set of goals is asked in two splits, in any order, nor twice outside
  pretraining; single goals come back. Holding out goals instead would let a
  model learn its own goals by heart, and labels made on its training questions
  would say nothing of others.

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
    if not self.goals or min(self.goals) < 1:
      raise ValueError(
        f'Worksheet.goals={self.goals}; give one or more positive counts.'
      )
    if not 1 <= self.max_number <= self.max_value <= 999:
      raise ValueError(
        f'Worksheet.max_number={self.max_number} and max_value='
        f'{self.max_value}; they must rise from 1 to at most 999.'
      )
    if not 1 <= self.min_target <= self.max_value:
      raise ValueError(
        f'Worksheet.min_target={self.min_target} is not between 1 and '
        f'max_value={self.max_value}.'
      )
    for name in ('num_pretrain', 'num_finetune', 'num_test'):
      if getattr(self, name) < 0:
        raise ValueError(
          f'Worksheet.{name}={getattr(self, name)}; give 0 or more.'
        )
    if (
      len(self.levels) < 2
      or self.levels[0] < 0
      or self.levels[-1] > 1
      or min(np.diff(self.level_edges)) < 1
    ):
      raise ValueError(
        f'Worksheet.levels={self.levels} part the {len(self.table.target)} '
        f'goals at {self.level_edges.tolist()}; give shares that rise from 0 '
        'to 1 and leave each level a goal, or lower min_target.'
      )
    for level, part in enumerate(
      np.split(self.table.target, self.level_edges)[1:-1], start=1
    ):
      targets = len(np.unique(part))
      if targets < max(self.goals):
        raise ValueError(
          f'Worksheet.goals={self.goals}, but level {level} has only '
          f'{targets} targets and no question asks one twice; ask for fewer '
          'goals or widen that level.'
        )

  @functools.cached_property
  def table(self) -> countdown.GoalTable:
    return countdown.goal_table(
      self.max_number, self.max_value, self.min_target
    )

  @functools.cached_property
  def level_edges(self) -> np.ndarray:
    """The goal of `table` at which each level begins, and the end: [L + 1]."""
    return np.round(np.array(self.levels) * len(self.table.target)).astype(int)

  @functools.cached_property
  def goal_texts(self) -> tuple[str, ...]:
    """Each goal of `table` as it stands in a question."""
    numbers, targets = self.table.numbers.tolist(), self.table.target.tolist()
    return tuple(
      '{}: {} {} {}'.format(target, *goal)
      for goal, target in zip(numbers, targets, strict=True)
    )

  @functools.cached_property
  def vocabulary(self) -> WordVocabulary:
    numbers = range(1, self.max_value + 1)
    return WordVocabulary(
      (
        *map(str, numbers),
        *(f'{n}:' for n in numbers[self.min_target - 1 :]),
        *SYMBOLS,
      )
    )

  def problems(self, split: str) -> list[Problem]:
    """Problems of one split.

    Raises:
      ValueError: for an unknown split or more questions than there are.
    """
    rows = self.questions(split)
    levels = self.goal_levels(rows[:, 0])
    problems = []
    for id, (row, level) in enumerate(
      zip(rows.tolist(), levels.tolist(), strict=True), self.first_id(split)
    ):
      goals = [self.goal_texts[goal] for goal in row if goal >= 0]
      problems.append(Problem(id, ' '.join(goals), level=level))
    return problems

  def left_out(self, split: str) -> dict[str, int]:
    """Nothing: every question can be asked and graded."""
    del split
    return {}

  def prompt(self, problem: Problem) -> str:
    return problem.question + '?'

  def prompt_tokens(self, problem: Problem) -> list[int]:
    return self.vocabulary.encode(self.prompt(problem))

  def grade(self, problem: Problem, text: str) -> Grade:
    """Exact judgement of one solution.

    The answer is the canonical form of all lines, see `countdown.canonical`;
    None unless there are as many well-formed lines as goals.
    """
    goals = read_question(problem.question)
    wrong = Grade(None, False)
    if len(text) > len(goals) * (countdown.LINE_CHARACTERS + 6):
      return wrong
    texts = text.split('\n')
    if len(texts) != len(goals):
      return wrong
    correct, answer = True, []
    for line, (numbers, target) in zip(texts, goals, strict=True):
      label = LABEL.match(line)
      equations = label and countdown.read_line(line[label.end() :])
      if equations is None:
        return wrong
      correct &= int(label[1]) == target and countdown.is_solution(
        equations, numbers, target
      )
      answer.append(label[0] + countdown.canonical(equations))
    return Grade('\n'.join(answer), correct)

  def grade_all(self, problem: Problem, texts: Sequence[str]) -> list[Grade]:
    return [self.grade(problem, text) for text in texts]

  def questions(self, split: str) -> np.ndarray:
    """Goals of each question, as rows of `table`: int [Q, max(goals)].

    Questions of fewer goals are filled up with -1.
    """
    return self._rows[_known(split)]

  def goal_levels(self, goals: np.ndarray) -> np.ndarray:
    """The level, from 1, of each goal of `table` [...]."""
    return np.searchsorted(self.level_edges, goals, side='right')

  def first_id(self, split: str) -> int:
    """The id of a split's first problem; the others follow one by one."""
    return sum(map(self._size, SPLITS[: SPLITS.index(_known(split))]))

  def _size(self, split: str) -> int:
    return getattr(self, f'num_{split}')

  @functools.cached_property
  def _rows(self) -> dict[str, np.ndarray]:
    levels = [self._draw(level) for level in range(len(self.levels) - 1)]
    rows = {}
    for i, split in enumerate(SPLITS):
      mixed = np.concatenate([level[split] for level in levels])
      rng = np.random.default_rng((self.seed, 1, i))
      rows[split] = rng.permutation(mixed)[: self._size(split)]
    return rows

  def _draw(self, level: int) -> dict[str, np.ndarray]:
    """As many questions of one level for every split: int [n, max(goals)]."""
    candidates, taken, drawn = self._candidates(level), set(), {}
    for split in SPLITS:
      wanted = -(-self._size(split) // (len(self.levels) - 1))
      rows, tried = {}, 0
      while len(rows) < wanted:
        row = next(candidates)
        goals = tuple(sorted(row))
        if goals not in taken:
          rows[row] = None
        if split != 'pretrain':
          taken.add(goals)
        tried += 1
        if tried > 100 * (wanted + 100):
          raise ValueError(
            f'Worksheet.num_{split}={self._size(split)} needs {wanted} '
            f'questions of level {level + 1}, but only {len(rows)} turned up '
            f'in {tried} draws; ask for fewer questions in all, for other '
            f'numbers of goals than {self.goals}, or widen that level.'
          )
      drawn[split] = np.array(list(rows), int).reshape(-1, max(self.goals))
    return drawn

  def _candidates(self, level: int) -> Iterator[tuple[int, ...]]:
    """Random questions of one level without end, none with a target twice."""
    begin, end = self.level_edges[level : level + 2]
    slots, counts = np.arange(max(self.goals)), np.array(self.goals)
    rng = np.random.default_rng((self.seed, 0, level))
    while True:
      goals = rng.integers(begin, end, (4096, len(slots)))
      used = slots < rng.choice(counts, (len(goals), 1))
      targets = np.sort(np.where(used, self.table.target[goals], -slots))
      clear = (np.diff(targets) > 0).all(axis=1)
      yield from map(tuple, np.where(used, goals, -1)[clear].tolist())


def read_question(question: str) -> list[tuple[list[int], int]]:
  """Numbers and target of each goal of `13: 7 2 1 17: 5 4 3`."""
  goals = [tuple(map(int, goal)) for goal in GOAL.findall(question)]
  if not goals:
    raise ValueError(
      f"{question[:80]!r} is no worksheet; one looks like '13: 7 2 1'."
    )
  return [(numbers, target) for target, *numbers in goals]


def _known(split: str) -> str:
  if split not in SPLITS:
    raise ValueError(f'{split!r} is no split; choose one of {SPLITS}.')
  return split
