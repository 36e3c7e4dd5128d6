"""The built-in synthetic task: worksheets of several countdown goals.

A question lists goals, `13: 7 2 1 17: 5 4 3`, and the prompt appends `?`. A
solution answers them in order, with one line per goal. Every line is a step:

    13: 7*2=14 14-1=13
    17: 5*3=15 15+4=19

A newline ends every step but the last, which the end token ends. The second
line is true but misses its target, so that this solution is incorrect. A line
begins with its target, and the targets of a question differ: a tiny model can
then match lines to goals without counting, and see a miss in the line itself.
"""

from collections.abc import Iterator, Sequence
import dataclasses
import functools
import re

import numpy as np

from ttc.data import countdown
from ttc.data.problems import Grade, Problem
from ttc.data.vocabulary import WordVocabulary
from ttc.runtime import limits

SPLITS = ('test', 'finetune', 'pretrain')
SYMBOLS = ('+', '-', '*', '/', '=', '?', '\n')
GOAL = re.compile(r'([0-9]+): ([0-9]+) ([0-9]+) ([0-9]+)')
LABEL = re.compile(f'{countdown.NUMBER}: ')


@dataclasses.dataclass(frozen=True)
class Worksheet:
  """Questions of several goals, split by question and not by goal.

  Implements `problems.Task`. No set of goals, in any order, is asked in two
  splits, nor twice outside of pretraining; single goals recur. If goals were
  held out instead, a model could memorize the goals of its training questions,
  and labels computed on these would not transfer to other questions.

  Goals have levels from 1 up. An easy level has few goals, which many lines hit
  and which recur often. A hard level has many goals, which are rare and have
  one solution. All goals of a question are drawn from one level, so that a
  model solves most of some levels and nothing of others; or each goal draws a
  level of its own, so that difficulty is a spectrum. A problem's level is the
  mean of its goals' levels, rounded to the nearest, halves up.

  Attributes:
    goals: possible numbers of goals per question, all equally likely.
    levels: boundaries of the levels, as shares of the goals sorted by the
      number of lines that hit them, largest first. All levels are equally
      likely.
    max_number: numbers of a goal are in 1..max_number.
    max_value: results of equations are in 1..max_value.
    min_target: smallest target.
    num_pretrain: number of questions in the split 'pretrain'.
    num_finetune: number of questions in the split 'finetune'.
    num_test: number of questions in the split 'test'.
    seed: seed of the questions. Goals and levels do not depend on it.
    mixed: whether each goal of a question draws a level of its own.

  Raises:
    ValueError: a field is out of its range, or a level has fewer targets than a
      question has goals.
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
  mixed: bool = dataclasses.field(
    default=False, metadata={'recorded': 'changed'}
  )

  delimiter = '\n'

  def __post_init__(self):
    limits.wholes(self, 'goals')
    limits.whole(self, 'max_number', 'max_value', 'min_target')
    if not 1 <= self.max_number <= self.max_value <= 999:
      raise ValueError(
        f'Worksheet.max_number={self.max_number} and max_value='
        f'{self.max_value}; they must increase from 1 to at most 999.'
      )
    if not 1 <= self.min_target <= self.max_value:
      raise ValueError(
        f'Worksheet.min_target={self.min_target} is not between 1 and '
        f'max_value={self.max_value}.'
      )
    limits.whole(self, 'num_pretrain', 'num_finetune', 'num_test', least=0)
    limits.whole(self, 'seed', least=0, most=limits.LARGEST_SEED)
    if (
      len(self.levels) < 2
      or self.levels[0] < 0
      or self.levels[-1] > 1
      or min(np.diff(self.level_edges)) < 1
    ):
      raise ValueError(
        f'Worksheet.levels={self.levels} split the {len(self.table.target)} '
        f'goals at {self.level_edges.tolist()}; give shares that increase from '
        '0 to 1 and leave each level a goal, or lower min_target.'
      )
    for level, part in enumerate(
      np.split(self.table.target, self.level_edges)[1:-1], start=1
    ):
      targets = len(np.unique(part))
      # `_candidates` might search for distinct targets without end.
      if targets < max(self.goals):
        raise ValueError(
          f'Worksheet.goals={self.goals}, but level {level} has only '
          f'{targets} targets and no question asks one twice; ask for fewer '
          'goals or widen that level.'
        )

  @functools.cached_property
  def table(self) -> countdown.GoalTable:
    """All goals and true lines."""
    return countdown.goal_table(
      self.max_number, self.max_value, self.min_target
    )

  @functools.cached_property
  def level_edges(self) -> np.ndarray:
    """Index in `table` of each level's first goal, and the end, int [L + 1]."""
    return np.round(np.array(self.levels) * len(self.table.target)).astype(int)

  @functools.cached_property
  def goal_texts(self) -> tuple[str, ...]:
    """Text of each goal of `table` in a question."""
    numbers, targets = self.table.numbers.tolist(), self.table.target.tolist()
    return tuple(
      '{}: {} {} {}'.format(target, *goal)
      for goal, target in zip(numbers, targets, strict=True)
    )

  @functools.cached_property
  def vocabulary(self) -> WordVocabulary:
    """Numbers, targets such as `13:`, and symbols, one token each."""
    numbers = range(1, self.max_value + 1)
    return WordVocabulary(
      (
        *map(str, numbers),
        *(f'{n}:' for n in numbers[self.min_target - 1 :]),
        *SYMBOLS,
      )
    )

  def problems(self, split: str) -> list[Problem]:
    """Returns the problems of a split.

    Raises:
      ValueError: the split is unknown, or has more questions than exist.
    """
    rows = self.questions(split)
    # Unused goals are at level 0 and add nothing to the sum.
    total, count = self.goal_levels(rows).sum(axis=1), (rows >= 0).sum(axis=1)
    levels = (2 * total + count) // (2 * count)
    problems = []
    for id, (row, level) in enumerate(
      zip(rows.tolist(), levels.tolist(), strict=True), self.first_id(split)
    ):
      goals = [self.goal_texts[goal] for goal in row if goal >= 0]
      problems.append(Problem(id, ' '.join(goals), level=level))
    return problems

  def left_out(self, split: str) -> dict[str, int]:
    """Returns an empty mapping: every question can be asked and graded."""
    del split
    return {}

  def prompt(self, problem: Problem) -> str:
    return problem.question + '?'

  def prompt_tokens(self, problem: Problem) -> list[int]:
    return self.vocabulary.encode(self.prompt(problem))

  def grade(self, problem: Problem, text: str) -> Grade:
    """Grades one solution exactly.

    Its answer is the canonical form of all lines (`countdown.canonical`), or
    None unless there is exactly one well-formed line per goal.
    """
    goals = read_question(problem.question)
    wrong = Grade(None, False)
    # Bounds the work on long texts: a line has a label and a newline besides.
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

  def first_error(self, problem: Problem, text: str) -> int | None:
    """Index of the first line that misses its goal; -1 where none does.

    None for a text without an answer, whose lines answer no goals.
    """
    if self.grade(problem, text).answer is None:
      return None
    goals = read_question(problem.question)
    lines = enumerate(zip(text.split('\n'), goals, strict=True))
    for index, (line, (numbers, target)) in lines:
      label = LABEL.match(line)
      equations = countdown.read_line(line[label.end() :])
      hit = countdown.is_solution(equations, numbers, target)
      if int(label[1]) != target or not hit:
        return index
    return -1

  def questions(self, split: str) -> np.ndarray:
    """Returns the goals of each question, int [Q, max(goals)].

    Goals are indices in `table`, followed by -1 in questions with fewer goals.
    """
    return self._rows[_known(split)]

  def goal_levels(self, goals: np.ndarray) -> np.ndarray:
    """Returns the level, from 1, of each goal [...]; 0 of unused goals, -1."""
    return np.searchsorted(self.level_edges, goals, side='right')

  def first_id(self, split: str) -> int:
    """Returns the id of a split's first problem; ids are consecutive."""
    return sum(map(self._size, SPLITS[: SPLITS.index(_known(split))]))

  def _size(self, split: str) -> int:
    return getattr(self, f'num_{split}')

  @functools.cached_property
  def _rows(self) -> dict[str, np.ndarray]:
    """Goals of the questions of each split, in random order."""
    strata = (None,) if self.mixed else range(len(self.levels) - 1)
    drawn = [self._draw(level, len(strata)) for level in strata]
    rows = {}
    for i, split in enumerate(SPLITS):
      # Every level has ceil(size / L) questions; the surplus is cut off after
      # the permutation, so that it is taken from all levels.
      shuffled = np.concatenate([stratum[split] for stratum in drawn])
      rng = np.random.default_rng((self.seed, 1, i))
      rows[split] = rng.permutation(shuffled)[: self._size(split)]
    return rows

  def _draw(self, level: int | None, strata: int) -> dict[str, np.ndarray]:
    """Draws an equal share of every split's questions for one level.

    SPLITS begins with the test: a larger later split leaves the questions of
    the earlier ones as they are.

    Args:
      level: level of all goals, from 0; None for a level for each goal.
      strata: the number of shares.

    Returns:
      For each split its goals, int [n, max(goals)].
    """
    candidates, taken, drawn = self._candidates(level), set(), {}
    for split in SPLITS:
      wanted = -(-self._size(split) // strata)
      rows, tried = {}, 0
      while len(rows) < wanted:
        row = next(candidates)
        goals = tuple(sorted(row))
        if goals not in taken:
          rows[row] = None  # a set that keeps its order
        # Pretraining may repeat a set of goals in another order.
        if split != 'pretrain':
          taken.add(goals)
        # Few questions may be left: give up instead of drawing for ever.
        tried += 1
        if tried > 100 * (wanted + 100):
          which = 'mixed levels' if level is None else f'level {level + 1}'
          raise ValueError(
            f'Worksheet.num_{split}={self._size(split)} needs {wanted} '
            f'questions of {which}, but only {len(rows)} turned up in {tried} '
            'draws; ask for fewer questions in all, for other numbers of '
            f'goals than {self.goals}, or widen the levels.'
          )
      drawn[split] = np.array(list(rows), int).reshape(-1, max(self.goals))
    return drawn

  def _candidates(self, level: int | None) -> Iterator[tuple[int, ...]]:
    """Yields random questions endlessly, with distinct targets.

    Args:
      level: as in `_draw`.
    """
    edges, L = self.level_edges, len(self.levels) - 1
    slots, counts = np.arange(max(self.goals)), np.array(self.goals)
    # Drawn in blocks, because one call per question is slow.
    shape = (4096, len(slots))
    # Streams 0 to L - 1 are those of the levels.
    rng = np.random.default_rng((self.seed, 0, L if level is None else level))
    while True:
      own = rng.integers(L, size=shape) if level is None else level
      goals = rng.integers(edges[own], edges[own + 1], shape)
      used = slots < rng.choice(counts, (len(goals), 1))
      # Unused goals get distinct values that are no targets.
      targets = np.sort(np.where(used, self.table.target[goals], -slots))
      clear = (np.diff(targets) > 0).all(axis=1)
      yield from map(tuple, np.where(used, goals, -1)[clear].tolist())


def read_question(question: str) -> list[tuple[list[int], int]]:
  """Parses `13: 7 2 1 17: 5 4 3` into (numbers, target) per goal.

  Raises:
    ValueError: the text has no goal.
  """
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
