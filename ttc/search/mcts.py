"""Monte-Carlo tree search over steps, with PUCT (Silver et al. 2017).

The paper does not run it; it describes lookahead search as a special case of
it, without exploration (paper §5.2). Nodes are prefixes that stop at a step
end, and a node's value is estimated in one of two ways.

                   verifier (K = 0)             K rollouts
    value          the verifier's at the        the mean of the verifier's at
                   node's last token            the ends of the rollouts
    cost of C      C - 1 (C at the root): one   C * K, but 1 for a child that
    children       child continues the leaf's   is a finished solution
                   own generation
    attempts       the leaves, extended to      the rollouts, and the finished
                   their ends when the budget   children
                   is spent

A generation is one path from the question to the end of a solution. It counts
once, wherever it branches off the paths before it, so that N generations give
exactly N attempts and sample at most the tokens of N whole solutions.
"""

from collections.abc import Sequence
import dataclasses
import math
from typing import ClassVar, Literal

import numpy as np

from ttc.inference import keys
from ttc.inference.requests import Extend, Plan, Prefill, Question
from ttc.inference.rows import fold_keys, Row
from ttc.runtime import limits
from ttc.search.strategies import at_least_one
from ttc.search.tree import ROOT, Tree


@dataclasses.dataclass(frozen=True)
class Mcts:
  """Expands the leaves that PUCT selects until the budget is spent.

  If no leaf can be expanded any more, the root gets further children.

  Attributes:
    width: children per expanded leaf (C), or 'sqrt' for sqrt(N). With a fixed
      number, a large budget exhausts the tree where solutions are short.
    explore: weight of the exploration term; see `Tree.select`.
    rollouts: rollouts per child (K); 0 values a child by the verifier alone.
    leaves: number of leaves expanded at once, kept apart by virtual losses. A
      small number follows the values more closely, a large one leaves fewer
      lanes idle.
    distinct: only the first of several identical prefixes may be expanded.

  Raises:
    ValueError: a field is out of its range.
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
    limits.whole(self, 'rollouts', least=0)
    limits.whole(self, 'leaves')
    limits.real(self, 'explore', least=0)

  def rows(self, budget: int) -> int:
    return at_least_one(self, budget)

  def slots(self, budget: int) -> int:
    if self.rollouts:
      # An unfinished node holds a slot and has cost K generations. One more is
      # for the root or, when the root has left, for a rollout.
      return -(-budget // self.rollouts) + 1
    # Every leaf holds a slot. The root has left before the last of them come.
    return budget

  def plan(self, question: Question, budget: int) -> Plan:
    root = question.root()
    yield Prefill([root])
    # A leaf gets at least two children, of which one is free: at most two nodes
    # per generation.
    tree = Tree(2 * self.rows(budget) + 1)
    rows, attempts, seen, left = [root], [], set(), budget
    while left:
      claims = self._claim(tree, left, budget)
      children = self._branch(tree, rows, claims)
      if not self.rollouts:
        left -= sum(count - _own(node) for node, count in claims)
        if not left:  # the root gets no further child
          root.leave()
      yield Extend(children, steps=1)
      values = [child.value for child in children]
      if self.rollouts:
        runs = self._runs(children, left)
        ends = [row for run in runs for row in run]
        attempts += ends
        left -= len(ends)
        if not left:  # no node is expanded any more, and rollouts need slots
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
    """Claims the leaves to expand at once.

    Args:
      tree: in which they are claimed.
      left: generations that are left of the budget.
      budget: generations of the question (N).

    Returns:
      (node, number of children), as far as the budget pays for them; at least
      one.
    """
    width = max(2, math.isqrt(budget)) if self.width == 'sqrt' else self.width
    price = self.rollouts or 1
    claims = []
    while left > 0 and len(claims) < self.leaves:
      node = tree.select(self.explore)
      if node is None:
        if claims:
          break  # their children may be open
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
    """Returns the children of the claimed nodes, in the order of the claims.

    The nodes give up their slots, because they are expanded once; only the root
    may be expanded again.
    """
    fold_keys(rows[node] for node, _ in claims)
    children = []
    for node, count in claims:
      # Ordinals that the node's rollouts and earlier children have not used: a
      # child with an ordinal of theirs would repeat their samples.
      first = self.rollouts + len(tree.children(node))
      children += [rows[node].child(first + i) for i in range(count)]
      if node != ROOT:
        rows[node].leave()
    return children

  def _runs(self, children: Sequence[Row], left: int) -> list[list[Row]]:
    """Returns the rollouts of each child, as far as the budget pays for them.

    A child that is done is its own rollout: nothing is left to be sampled.
    """
    fold_keys(children)
    runs = []
    for child in children:
      # `_claim` assumed K rollouts per child; the last child may get fewer.
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
    """Adds the children to the tree.

    Args:
      tree: in which the parents are claimed.
      claims: (parent, number of children).
      children: of all claims, in their order.
      values: [number of children], in [0, 1].
      seen: prefixes in the tree; those of the children are added. Equal ones
        are siblings, because only the first of equal parents is expanded.
    """
    fold_keys(children)
    # Random, and from streams that no token is drawn from.
    ties = keys.fold(
      np.stack([child.key for child in children]), [keys.ASIDE] * len(children)
    )[:, 0]
    open_ = []
    for child in children:
      # A duplicate is not expanded; the attempts that come from it still count.
      known = self.distinct and tuple(child.tokens) in seen
      open_.append(not (child.done or known))
      seen.add(tuple(child.tokens))
    at = 0
    for node, count in claims:
      part = slice(at, at + count)
      tree.expand(node, values[part], open_[part], ties[part])
      at += count


def _own(node: int) -> int:
  """Generations that a node has paid for already: its own, but for the root."""
  return int(node != ROOT)
