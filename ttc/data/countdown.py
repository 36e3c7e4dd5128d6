"""Countdown goals: make a target from three numbers.

A line answers a goal with two equations, `7*2=14 14-1=13`: the first combines
two of the numbers, the second its result and the remaining number. Finding such
a line is hard and checking it is easy, so that a verifier is worth training.
"""

import dataclasses
import itertools
import re

import numpy as np

NUMBER = r'(0|[1-9][0-9]{0,2})'  # no leading zeros: one text per number
EQUATION = rf'{NUMBER}([-+*/]){NUMBER}={NUMBER}'
LINE = re.compile(f'{EQUATION} {EQUATION}')
LINE_CHARACTERS = 23  # the longest text that LINE matches

Equation = tuple[int, str, int, int]  # (a, operation, b, c) for `a ? b = c`


def read_line(text: str) -> tuple[Equation, Equation] | None:
  """Parses a line into two equations, true or not; None for other text."""
  match = LINE.fullmatch(text)
  if match is None:
    return None
  a, f, b, c, d, g, e, h = match.groups()
  return (int(a), f, int(b), int(c)), (int(d), g, int(e), int(h))


def is_true(equation: Equation) -> bool:
  """Returns whether `a ? b = c` holds over the rationals."""
  a, operation, b, c = equation
  match operation:
    case '+':
      return a + b == c
    case '-':
      return a - b == c
    case '*':
      return a * b == c
    case _:
      # Exact division without fractions.
      return b != 0 and a == b * c


def is_solution(
  line: tuple[Equation, Equation], numbers: tuple[int, ...], target: int
) -> bool:
  """Returns whether a line reaches a target.

  Args:
    line: two equations.
    numbers: the three numbers, each of which must be used exactly once.
    target: required result of the second equation. Both must be true.
  """
  (a, _, b, c), (d, _, e, result) = line
  left = list(numbers)
  for number in (a, b):
    if number not in left:
      return False
    left.remove(number)
  return (
    sorted((d, e)) == sorted((c, *left))
    and result == target
    and is_true(line[0])
    and is_true(line[1])
  )


def canonical(line: tuple[Equation, Equation]) -> str:
  """Returns a line with the larger operand of every sum and product first.

  Two correct lines have the same canonical form if and only if they are the
  same expression tree up to commutation; (7+2)+1 and (7+1)+2 differ. Results
  are kept as written, so that a false line never votes with a true one.
  """
  equations = []
  for a, operation, b, c in line:
    if operation in '+*' and a < b:
      a, b = b, a
    equations.append(f'{a}{operation}{b}={c}')
  return ' '.join(equations)


def join(a: int, b: int, max_value: int) -> list[Equation]:
  """Returns the equations that combine two numbers.

  The larger operand comes first, divisions are exact, nothing is multiplied or
  divided by 1, and results are in 1..max_value.
  """
  a, b = max(a, b), min(a, b)
  equations = [(a, '+', b, a + b), (a, '-', b, a - b)]
  if b > 1:
    equations.append((a, '*', b, a * b))
    if a % b == 0:
      equations.append((a, '/', b, a // b))
  return [e for e in equations if 1 <= e[3] <= max_value]


def true_lines(numbers: tuple[int, int, int], max_value: int) -> dict[str, int]:
  """Returns the result of every true line over three numbers, by its text.

  Lines are canonical and consist of equations from `join`.
  """
  lines = {}
  for i, pair in enumerate(itertools.combinations(numbers, 2)):
    left = numbers[2 - i]  # combinations leave out the last number first
    for first in join(*pair, max_value):
      for second in join(first[3], left, max_value):
        lines[canonical((first, second))] = second[3]
  return lines


@dataclasses.dataclass(frozen=True, eq=False)
class GoalTable:
  """All G goals and all D true lines, as arrays to draw from.

  Goals are sorted by the number of lines that hit them, largest first; goals
  with equal numbers are in random order, the same for every seed. Lines are
  sorted by numbers, then by result, so that the lines that hit a goal are one
  range within the range of its numbers:

      ... | lines of 7 2 1                        | lines of 7 2 2 ...
            ... | = 12 | hit: = 13 | = 14 | ...

  Attributes:
    lines: [D], texts.
    numbers: int [G, 3], in falling order within a goal.
    target: int [G].
    hit: int [G, 2], begin and end of the lines that hit the target.
    same: int [G, 2], begin and end of the lines over the same numbers.
  """

  lines: tuple[str, ...]
  numbers: np.ndarray
  target: np.ndarray
  hit: np.ndarray
  same: np.ndarray

  def draw_hit(self, goal: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Draws a line that hits, for each goal [...], by uniforms [...]."""
    begin, end = self.hit[goal, 0], self.hit[goal, 1]
    return begin + (uniform * (end - begin)).astype(int)

  def draw_miss(self, goal: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Draws a true line that misses, for each goal [...], by uniforms [...]."""
    begin, end = self.same[goal, 0], self.same[goal, 1]
    skip = self.hit[goal, 1] - self.hit[goal, 0]
    # An index among the lines that miss, which lie on both sides of the hits.
    line = begin + (uniform * (end - begin - skip)).astype(int)
    return np.where(line < self.hit[goal, 0], line, line + skip)


def goal_table(max_number: int, max_value: int, min_target: int) -> GoalTable:
  """Builds the table of all goals.

  Goals that no true line over their numbers misses are left out.

  Args:
    max_number: numbers of a goal are in 1..max_number.
    max_value: results of equations are in 1..max_value.
    min_target: targets are at least this.
  """
  lines, goals = [], []
  for numbers in itertools.combinations_with_replacement(
    range(max_number, 0, -1), 3
  ):
    by_result = sorted(
      true_lines(numbers, max_value).items(), key=lambda item: item[::-1]
    )
    same = len(lines), len(lines) + len(by_result)
    begin = len(lines)
    for target, group in itertools.groupby(by_result, key=lambda item: item[1]):
      hits = [text for text, _ in group]
      lines += hits
      if target >= min_target and len(hits) < len(by_result):
        goals.append((*numbers, target, begin, len(lines), *same))
      begin = len(lines)
  columns = np.array(goals, dtype=int).reshape(-1, 8)
  # The sort below is stable: the permutation orders goals of equal counts.
  columns = np.random.default_rng(0).permutation(columns)
  columns = columns[np.argsort(columns[:, 4] - columns[:, 5], kind='stable')]
  return GoalTable(
    tuple(lines), columns[:, :3], columns[:, 3], columns[:, 4:6], columns[:, 6:]
  )
