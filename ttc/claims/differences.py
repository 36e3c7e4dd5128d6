"""How far curves are ahead of each other, question by question.

Curves of the same questions rise and fall together, so whether one is ahead is
seen in their difference, and not in whether their bands overlap. The intervals
are those that `compare.better` judges by: 95 %, with the same draws of
questions and seeds on both sides, and choices made again in every draw.
"""

from collections.abc import Mapping, Sequence
import itertools
from typing import NamedTuple

from ttc.analysis import bootstrap
from ttc.analysis.bootstrap import Drawn, Measurement
from ttc.claims import compare


class Difference(NamedTuple):
  """How far one curve is ahead of another.

  Attributes:
    name, over: names of the curves.
    x: budgets that both have.
    y: points by which the first is ahead.
    low, high: ends of the 95 % interval; None where it is unknown.
  """

  name: str
  over: str
  x: tuple[float, ...]
  y: tuple[float, ...]
  low: tuple[float | None, ...]
  high: tuple[float | None, ...]


def pairs(
  curves: Mapping[str, Sequence[Mapping[int, Measurement]]],
) -> tuple[Difference, ...]:
  """The difference of every two curves that share a budget.

  Args:
    curves: accuracy of each question by budget, one per seed, by name.
  """
  drawn = {name: _drawn(own) for name, own in curves.items()}
  found = []
  for (over, first), (name, second) in itertools.combinations(drawn.items(), 2):
    budgets = compare.shared([first, second])
    if budgets:
      points = [
        _ahead(
          second[n],
          first[n],
          compare.questions_between(
            compare.at(curves[name], n), compare.at(curves[over], n)
          ),
        )
        for n in budgets
      ]
      found.append(
        Difference(name, over, tuple(budgets), *zip(*points, strict=True))
      )
  return tuple(found)


def _drawn(curves: Sequence[Mapping[int, Measurement]]) -> dict[int, Drawn]:
  """The mean accuracy at each budget that every seed has."""
  budgets = compare.shared(curves)
  if not budgets:
    return {}
  rows = [[curve[n] for n in budgets] for curve in curves]
  return dict(zip(budgets, bootstrap.each(rows), strict=True))


def _ahead(a: Drawn, b: Drawn, count: int):
  """Points by which a is ahead of b, and their interval."""
  # Where a choice is made again there are fewer draws, the first of the others.
  draws = min(len(a.draws), len(b.draws))
  apart = Drawn(a.estimate - b.estimate, a.draws[:draws] - b.draws[:draws])
  points = apart.estimate, *apart.bounds(bootstrap.LEVEL, count)
  return tuple(None if p is None else 100 * p for p in points)
