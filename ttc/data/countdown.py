"""One goal of a worksheet: make a target from three numbers.

A line answers a goal with two equations, `7*2=14 14-1=13`: the first joins two
of the numbers, the second its result and the number left. Finding a line is
hard, checking it is easy, which is what makes verifiers worth training.
"""

import dataclasses
import itertools
import re

import numpy as np

NUMBER = r'(0|[1-9][0-9]{0,2})'
EQUATION = rf'{NUMBER}([-+*/]){NUMBER}={NUMBER}'
LINE = re.compile(f'{EQUATION} {EQUATION}')
LINE_CHARACTERS = 23  # the longest text that LINE matches

Equation = tuple[int, str, int, int]


def read_line(text: str) -> tuple[Equation, Equation] | None:
  """The two equations of a line, true or not; None for any other text."""
  match = LINE.fullmatch(text)
  if match is None:
    return None
  a, f, b, c, d, g, e, h = match.groups()
  return (int(a), f, int(b), int(c)), (int(d), g, int(e), int(h))


def is_true(equation: Equation) -> bool:
  """Whether `a ? b = c` holds over the rationals."""
  a, operation, b, c = equation
  match operation:
    case '+':
      return a + b == c
    case '-':
      return a - b == c
    case '*':
      return a * b == c
    case _:
      return b != 0 and a == b * c


def is_solution(
  line: tuple[Equation, Equation], numbers: tuple[int, ...], target: int
) -> bool:
  """Whether a line is true, uses each number once and ends at the target."""
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
  """The line with the larger operand of every sum and product first.

  Right lines have one canonical form exactly if they are one expression tree
  up to commutation; regrouped sums, (7+2)+1 and (7+1)+2, stay apart. Claimed
  results are kept, so that a false line never votes with a true one.
  """
  equations = []
  for a, operation, b, c in line:
    if operation in '+*' and a < b:
      a, b = b, a
    equations.append(f'{a}{operation}{b}={c}')
  return ' '.join(equations)


def join(a: int, b: int, max_value: int) -> list[Equation]:
  """Equations a question's author would write over two numbers.

  Larger operand first, division exact, nothing multiplied or divided by 1,
  result in 1..max_value.
  """
  a, b = max(a, b), min(a, b)
  found = [(a, '+', b, a + b), (a, '-', b, a - b)]
  if b > 1:
    found.append((a, '*', b, a * b))
    if a % b == 0:
      found.append((a, '/', b, a // b))
  return [e for e in found if 1 <= e[3] <= max_value]


def true_lines(numbers: tuple[int, int, int], max_value: int) -> dict[str, int]:
  """Every line over three numbers, canonical, with the result it ends at."""
  lines = {}
  for i, pair in enumerate(itertools.combinations(numbers, 2)):
    left = numbers[2 - i]
    for first in join(*pair, max_value):
      for second in join(first[3], left, max_value):
        lines[canonical((first, second))] = second[3]
  return lines


@dataclasses.dataclass(frozen=True, eq=False)
class GoalTable:
  """All goals that may be asked and all true lines, as arrays to draw from.

  Goals are sorted by how many lines hit them, the many first; those with as
  many stand in one random order. Lines are sorted by numbers and then by
  result, so those that hit a goal are one range in that of its numbers:

      ... | lines of 7 2 1                        | lines of 7 2 2 ...
            ... | = 12 | hit: = 13 | = 14 | ...

  Attributes:
    lines: [D] texts.
    numbers: int [G, 3], each row falling.
    target: int [G].
    hit: int [G, 2], begin and end of the lines that hit.
    same: int [G, 2], begin and end of the lines over the same numbers.
  """

  lines: tuple[str, ...]
  numbers: np.ndarray
  target: np.ndarray
  hit: np.ndarray
  same: np.ndarray

  def draw_hit(self, goal: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """A line that hits each goal [...], by uniforms [...] in [0, 1)."""
    begin, end = self.hit[goal, 0], self.hit[goal, 1]
    return begin + (uniform * (end - begin)).astype(int)

  def draw_miss(self, goal: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """A true line over each goal's numbers that ends elsewhere."""
    begin, end = self.same[goal, 0], self.same[goal, 1]
    skip = self.hit[goal, 1] - self.hit[goal, 0]
    line = begin + (uniform * (end - begin - skip)).astype(int)
    return np.where(line < self.hit[goal, 0], line, line + skip)


def goal_table(max_number: int, max_value: int, min_target: int) -> GoalTable:
  """Every goal over numbers 1..max_number with a target from min_target up.

  A goal that no true line misses is left out.
  """
  lines, goals = [], []
  for numbers in itertools.combinations_with_replacement(
    range(max_number, 0, -1), 3
  ):
    found = sorted(
      true_lines(numbers, max_value).items(), key=lambda item: item[::-1]
    )
    same = len(lines), len(lines) + len(found)
    begin = len(lines)
    for target, group in itertools.groupby(found, key=lambda item: item[1]):
      hits = [text for text, _ in group]
      lines += hits
      if target >= min_target and len(hits) < len(found):
        goals.append((*numbers, target, begin, len(lines), *same))
      begin = len(lines)
  columns = np.array(goals, dtype=int).reshape(-1, 8)
  columns = np.random.default_rng(0).permutation(columns)
  columns = columns[np.argsort(columns[:, 4] - columns[:, 5], kind='stable')]
  return GoalTable(
    tuple(lines), columns[:, :3], columns[:, 3], columns[:, 4:6], columns[:, 6:]
  )
