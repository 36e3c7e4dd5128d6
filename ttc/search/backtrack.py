"""Backtracking: resample from before the step where an attempt went wrong.

    attempt    q | step .8 | step .7 | step .2 | step .3
    left       q | step .8 | step .7 |
    new                              | step .6 | step .9

Every attempt leaves a prefix, and the best prefixes that the attempts of a
question have left are continued first. A continuation is an attempt like any
other, but only what follows its prefix is sampled. What a prefix had in caches
is gone, because attempts that end give up their slots: its steps are read once
more, for all of its continuations together.
"""

from collections.abc import Generator, Iterable
import dataclasses
from typing import ClassVar

import numpy as np

from ttc.inference.requests import Extend, Plan, Prefill, Question
from ttc.inference.rows import Mark, Row
from ttc.runtime import limits
from ttc.search.strategies import at_least_one


@dataclasses.dataclass(frozen=True)
class Backtrack:
  """Begins with a few attempts, then goes on from the best prefixes they leave.

  An attempt leaves what is before its first step whose value is below the
  threshold or, where there is none, before the step at which its value falls
  most. Equal prefixes are one. The value of a prefix is the verifier's at its
  last token; that of the question is the mean of first steps.

  Attributes:
    first: attempts to begin with, fewer where N is smaller.
    width: continuations of a prefix before the next best one has its turn. It
      has another turn once all others have had as many.
    batch: prefixes that are continued at once. A small number follows the
      values more closely, a large one leaves fewer lanes idle.
    threshold: a step is bad below this value in [0, 1].

  Raises:
    ValueError: a field is out of its range.
  """

  verified: ClassVar[bool] = True
  first: int = 4
  width: int = 2
  batch: int = 2
  threshold: float = 0.05

  def __post_init__(self):
    limits.whole(self, 'first', 'width', 'batch')
    limits.real(self, 'threshold', least=0, most=1)

  def rows(self, budget: int) -> int:
    return at_least_one(self, budget)

  def slots(self, budget: int) -> int:
    first = min(self.first, budget)
    later = min(self.width * self.batch, budget - first)
    # Rows wait for each other at every step end, each with its caches. The root
    # keeps those of the prompt until the last rows have begun.
    return max(first, later) + (later > 0)

  def plan(self, question: Question, budget: int) -> Plan:
    root = question.root()
    top = _Prefix(root)
    prefixes = {tuple(root.tokens): top}  # in the order in which they were left
    shares = [(top, min(self.first, self.rows(budget)))]
    attempts, starts = [], []
    while shares:
      left = budget - len(attempts) - sum(count for _, count in shares)
      for prefix, row, steps in (yield from _continue(root, shares, not left)):
        if prefix is top:
          starts.append(_value(row, steps[0]))
        kept = _Prefix(row, steps[: self._good(row, steps)])
        prefixes.setdefault(tuple(kept.tokens), kept)
        attempts.append(row)
      top.value = float(np.mean(starts))
      shares = self._share(prefixes.values(), left)
    return attempts

  def _good(self, row: Row, steps: list[Mark]) -> int:
    """Returns the number of steps that an attempt keeps."""
    values = [_value(row, step) for step in steps]
    low = [i for i, value in enumerate(values) if value < self.threshold]
    falls = -np.diff(values)
    if low or not falls.size:
      return min(low, default=0)
    return 1 + int(falls.argmax())

  def _share(
    self, prefixes: Iterable['_Prefix'], left: int
  ) -> list[tuple['_Prefix', int]]:
    """Shares out what is left of the budget, as far as one round goes."""
    ranked = sorted(prefixes, key=lambda prefix: (prefix.turns, -prefix.value))
    shares = []
    for prefix in ranked[: self.batch]:
      if left:
        shares.append((prefix, min(self.width, left)))
        left -= shares[-1][1]
    return shares


class _Prefix:
  """What an attempt has left, or the question itself.

  Attributes:
    row: the first attempt that had it, whose key its continuations descend
      from. It leaves only this one, so that their ordinals are their own.
    steps: where its steps end.
    value: see `Backtrack`.
    turns: times that it was continued.
    born: its continuations so far.
  """

  def __init__(self, row: Row, steps: list[Mark] = ()):
    self.row, self.steps = row, list(steps)
    self.value = _value(row, steps[-1]) if steps else 0.0
    self.turns = self.born = 0

  @property
  def tokens(self) -> list[int]:
    """Those of the prompt included."""
    length = self.steps[-1].length if self.steps else self.row.start
    return self.row.tokens[:length]

  def stem(self, root: Row) -> Row:
    """A row that ends here; behind the prompt it has to be read again."""
    if not self.steps:
      return root
    stem = root.child(0)
    stem.key, stem.ordinal = self.row.key, None
    stem.tokens = self.tokens
    stem.values = self.row.values[: len(stem.tokens) - stem.start]
    stem.logprob = self.steps[-1].logprob
    stem.certainty = self.steps[-1].certainty
    return stem


def _value(row: Row, step: Mark) -> float:
  """The verifier's value where a step of a row ends."""
  return row.values[step.length - row.start - 1]


def _continue(
  root: Row, shares: list[tuple[_Prefix, int]], last: bool
) -> Generator[Prefill | Extend, None, list[tuple[_Prefix, Row, list[Mark]]]]:
  """Goes on from prefixes to the ends of attempts.

  Args:
    root: the row of the question.
    shares: the prefixes, and the number of attempts from each.
    last: whether nothing is continued after these.

  Returns:
    The prefix, row and step ends of every attempt.
  """
  stems = [prefix.stem(root) for prefix, _ in shares]
  yield Prefill(stems)
  grown = []
  for (prefix, count), stem in zip(shares, stems, strict=True):
    grown += [
      (prefix, stem.child(prefix.born + i), list(prefix.steps))
      for i in range(count)
    ]
    prefix.born += count
    prefix.turns += 1
    if stem is not root:
      stem.leave()
  if last:
    root.leave()
  while live := [each for each in grown if not each[1].done]:
    yield Extend([row for _, row, _ in live], steps=1)
    for _, row, steps in live:
      steps.append(row.mark())
  return grown
