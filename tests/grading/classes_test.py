"""Tests of voting classes against components found by brute force."""

import itertools
import random

import pytest

from ttc.expressions.parser import read
from ttc.grading.classes import classes
from ttc.grading.grader import Grader

# Symbols under a sine have no complete form, integers have.
_ANSWERS = [*(rf'\sin {c}' for c in 'abcdefg'), *map(str, range(4))]


def _components(count, edges):
  """The component of each of some nodes, numbered by first appearance."""
  numbers = list(range(count))
  for _ in range(count):
    for i, j in edges:
      numbers[i] = numbers[j] = min(numbers[i], numbers[j])
  order = {}
  return [order.setdefault(number, len(order)) for number in numbers]


@pytest.mark.parametrize('seed', range(40))
def test_classes_are_components_of_what_is_asked_in_rounds(seed):
  rng = random.Random(seed)
  answers = rng.sample(_ANSWERS, rng.randrange(1, len(_ANSWERS)))
  pairs = list(itertools.combinations(range(len(answers)), 2))
  unsettled = [
    (i, j)
    for i, j in pairs
    if not answers[i].isdigit() or not answers[j].isdigit()
  ]
  edges = {pair for pair in unsettled if rng.random() < 0.15}
  asked = []

  def same(round_):
    assert round_
    assert len(set(itertools.chain(*round_))) == 2 * len(round_)
    asked.extend(map(tuple, map(sorted, round_)))
    return [tuple(sorted(pair)) in edges for pair in round_]

  numbers = classes([read(answer) for answer in answers], same)
  assert numbers == _components(len(answers), edges)
  assert len(asked) == len(set(asked))
  assert set(asked) <= set(unsettled)
  apart = {(i, j) for i, j in unsettled if numbers[i] != numbers[j]}
  assert apart <= set(asked)


def test_classes_do_not_depend_on_the_number_of_workers():
  sums = [
    rf'\sum_{{k=1}}^{{{n}}} k + {extra}'
    for n in range(2, 5)
    for extra in range(3)
  ]
  hostile = [rf'\prod_{{k=1}}^{{{10**6 + n}}} (x+k)' for n in range(3)]
  answers = [*sums, *hostile, '7', '1000']
  found = []
  for workers in (1, 3):
    with Grader(workers) as grader:
      found.append(grader.classes(answers))
      assert grader.classes(answers) == found[-1]
  assert found[0] == found[1]
  values = [n * (n + 1) // 2 + extra for n in range(2, 5) for extra in range(3)]
  order = {}
  expected = [order.setdefault(value, len(order)) for value in values]
  assert found[0][: len(sums)] == expected
