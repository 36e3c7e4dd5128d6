"""Monte-Carlo tree search over steps (paper §5.2; the paper ran none).

A generation is one path from the question to the end of a solution, charged
once, wherever it leaves the paths before it. A budget of N generations gives N
attempts and never samples more than N whole answers.

    valued by the verifier           valued by K rollouts of a child
    a leaf is a generation that      a child is a step and K generations
    has paused after a step          that go on from it
    C children cost C - 1: the       C children cost C * K; one that is
    leaf's own goes on in one        finished costs 1, being an attempt
    at last all leaves run on        rollouts are the attempts
"""

from collections.abc import Sequence
import dataclasses
import math
from typing import ClassVar, Literal

import numpy as np

from ttc.inference import keys
from ttc.inference.requests import Extend, Plan, Prefill, Question
from ttc.inference.rows import fold_keys, Row
from ttc.search.strategies import at_least_one
from ttc.search.tree import ROOT, Tree


@dataclasses.dataclass(frozen=True)
class Mcts:
  """Expands the most promising leaves until the budget is spent.

  Where no leaf is left to expand, the root gets more children.

  Attributes:
    width: children of an expanded leaf, or 'sqrt' for the root of N; with a
      fixed one a large budget exhausts the tree of a short solution.
    explore: see `Tree.select`.
    rollouts: a child's value is the mean of the final values of so many
      rollouts (K); 0 takes the verifier's value of its step instead.
    leaves: expanded at once, with virtual losses. Few follow the values more
      closely, many wait less often.
    distinct: only the first of several identical prefixes may be expanded.
  """

  verified: ClassVar[bool] = True
  width: int | Literal['sqrt'] = 'sqrt'
  explore: float = 1.0
  rollouts: int = 0
  leaves: int = 4
  distinct: bool = True

  def __post_init__(self):
    if self.width != 'sqrt' and not (
      isinstance(self.width, int) and self.width >= 2
    ):
      raise ValueError(
        f"{self!r}: width must be at least 2, or 'sqrt'; with a single "
        'child there is nothing to choose.'
      )
    if self.rollouts < 0 or self.leaves < 1:
      raise ValueError(
        f'{self!r}: rollouts must be at least 0 and leaves at least 1.'
      )
    if not 0 <= self.explore < math.inf:
      raise ValueError(f'{self!r}: explore must be at least 0 and finite.')

  def rows(self, budget: int) -> int:
    return at_least_one(self, budget)

  def slots(self, budget: int) -> int:
    if self.rollouts:  # unfinished nodes, and the root or a rollout
      return -(-budget // self.rollouts) + 1
    return budget  # leaves; the last of them come when the root has gone

  def plan(self, question: Question, budget: int) -> Plan:
    root = question.root()
    yield Prefill([root])
    tree = Tree(2 * self.rows(budget) + 1)
    rows, attempts, seen, left = [root], [], set(), budget
    while left:
      claims = self._claim(tree, left, budget)
      children = self._branch(tree, rows, claims)
      if not self.rollouts:
        left -= sum(count - _own(node) for node, count in claims)
        if not left:
          root.leave()
      yield Extend(children, steps=1)
      values = [child.value for child in children]
      if self.rollouts:
        runs = self._runs(children, left)
        ends = [row for run in runs for row in run]
        attempts += ends
        left -= len(ends)
        if not left:
          for row in rows + children:
            row.leave()
        yield Extend(ends)
        values = [float(np.mean([row.value for row in run])) for run in runs]
      self._expand(tree, claims, children, values, seen)
      rows += children
    if not self.rollouts:
      attempts = [rows[node] for node in tree.leaves()]
      yield Extend(attempts)
    return attempts

  def _claim(self, tree: Tree, left: int, budget: int) -> list[tuple[int, int]]:
    """Leaves to expand at once, and how many children each can pay for."""
    width = max(2, math.isqrt(budget)) if self.width == 'sqrt' else self.width
    price = self.rollouts or 1
    claims = []
    while left > 0 and len(claims) < self.leaves:
      node = tree.select(self.explore)
      if node is None:
        if claims:
          break
        node = ROOT
      free = 0 if self.rollouts else _own(node)
      count = min(width, free + -(-left // price))
      left -= (count - free) * price
      tree.claim(node)
      claims.append((node, count))
    return claims

  def _branch(
    self, tree: Tree, rows: Sequence[Row], claims: Sequence[tuple[int, int]]
  ) -> list[Row]:
    """The next children; what they come from goes, but for the root."""
    fold_keys(rows[node] for node, _ in claims)
    children = []
    for node, count in claims:
      first = self.rollouts + len(tree.children(node))  # ordinals after theirs
      children += [rows[node].child(first + i) for i in range(count)]
      if node != ROOT:
        rows[node].leave()
    return children

  def _runs(self, children: Sequence[Row], left: int) -> list[list[Row]]:
    """The rollouts of each child, as far as they can be paid for."""
    fold_keys(children)
    runs = []
    for child in children:
      count = 1 if child.done else min(self.rollouts, left)
      runs.append(
        [child]
        if child.done
        else [child.child(ordinal) for ordinal in range(count)]
      )
      left -= count
    return runs

  def _expand(
    self,
    tree: Tree,
    claims: Sequence[tuple[int, int]],
    children: Sequence[Row],
    values: Sequence[float],
    seen: set[tuple[int, ...]],
  ) -> None:
    """Puts children into the tree.

    Args:
      seen: prefixes that are in the tree; equal ones are siblings.
    """
    fold_keys(children)
    ties = keys.fold(
      np.stack([child.key for child in children]), [keys.ASIDE] * len(children)
    )[:, 0]
    open_ = []
    for child in children:
      known = self.distinct and tuple(child.tokens) in seen
      open_.append(not (child.done or known))
      seen.add(tuple(child.tokens))
    at = 0
    for node, count in claims:
      part = slice(at, at + count)
      tree.expand(node, values[part], open_[part], ties[part])
      at += count


def _own(node: int) -> int:
  """Generations that a node brings to its expansion."""
  return int(node != ROOT)
