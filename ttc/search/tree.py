"""A question's search tree: arrays over its nodes, no objects, no recursion.

    node      0   1   2   3   4   5       0 is the root: the question itself
    parent   -1   0   0   0   2   2
    visits    5   1   3   1   1   1       values found at a node and below it
    total    2.4 .3  1.7 .4  .6  .5       their sum
    open      1   1   1   0   1   0       a leaf below it may still be expanded

The root has no value of its own, every other node has one. Nodes are numbered
as they come, so that a parent's number is smaller than its children's.
"""

from collections.abc import Iterator, Sequence

import numpy as np

ROOT = 0
_DIGITS = 6  # scores that differ by less are equal


class Tree:
  """See the module; all arrays are [M] and in use up to `size`."""

  def __init__(self, most: int):
    """A root that is an open leaf.

    Args:
      most: nodes that there will ever be (M).
    """
    self.size = 1
    self.parent = np.full(most, -1)
    self.visits = np.zeros(most, np.int64)
    self.total = np.zeros(most)
    self.open = np.zeros(most, bool)
    self.open[ROOT] = True
    self._tie = np.zeros(most, np.uint32)

  def children(self, node: int) -> np.ndarray:
    """Their numbers, rising."""
    return np.flatnonzero(self.parent[: self.size] == node)

  def leaves(self) -> np.ndarray:
    """Nodes without children, rising."""
    return np.setdiff1d(np.arange(self.size), self.parent[: self.size])

  def select(self, explore: float) -> int | None:
    """The leaf to expand next, or None where none is open.

    From the root on, the open child with the largest

        total / visits + explore * sqrt(parent's visits) / (C * (1 + visits))

    is taken: PUCT, where each of the C children has the prior 1 / C, because
    children are samples and the likely ones come often.

    Args:
      explore: how much a node gains by being little visited.
    """
    if not self.open[ROOT]:
      return None
    node = ROOT
    while len(children := self.children(node)):
      visits = self.visits[children]
      bonus = np.sqrt(self.visits[node]) / (len(children) * (1 + visits))
      score = self.total[children] / visits + explore * bonus
      score = np.where(self.open[children], np.round(score, _DIGITS), -np.inf)
      node = int(children[np.lexsort((self._tie[children], -score))[0]])
    return node

  def claim(self, node: int) -> None:
    """Begins an expansion, a visit of value 0 until its children are there.

    This virtual loss sends the next `select` elsewhere.
    """
    self.open[node] = False
    for above in self._upwards(node):
      self.visits[above] += 1
      self._reopen(above)

  def expand(
    self,
    node: int,
    values: Sequence[float],
    open_: Sequence[bool],
    ties: Sequence[int],
  ) -> None:
    """Ends an expansion: adds children, and their values all the way up.

    Args:
      node: claimed before.
      values: of each child.
      open_: whether a child may be expanded in its turn.
      ties: the smallest goes first among children of equal score.
    """
    new = slice(self.size, self.size + len(values))
    self.size = new.stop
    self.parent[new] = node
    self.visits[new], self.total[new] = 1, values
    self.open[new], self._tie[new] = open_, ties
    gained = float(np.sum(values))
    for above in self._upwards(node):
      self.visits[above] += len(values) - 1
      self.total[above] += gained
      self._reopen(above)

  def _upwards(self, node: int) -> Iterator[int]:
    while node >= 0:
      yield node
      node = int(self.parent[node])

  def _reopen(self, node: int) -> None:
    children = self.children(node)
    if len(children):
      self.open[node] = self.open[children].any()
