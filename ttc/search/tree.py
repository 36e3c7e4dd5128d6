"""The search tree of one question: arrays over nodes, no objects, no recursion.

    node      0   1   2   3   4   5       0 is the root: the question itself
    parent   -1   0   0   0   2   2
    visits    5   1   3   1   1   1       number of values in the node's subtree
    total    2.4 .3  1.7 .4  .6  .5       their sum
    open      1   1   1   0   1   0       the subtree has a leaf to be expanded

The root has no value of its own, every other node has one. Nodes are numbered
in the order of their creation, so that a parent's number is smaller than those
of its children.
"""

from collections.abc import Iterator, Sequence

import numpy as np

ROOT = 0
_DIGITS = 6  # of a score; float error in `total` must not break ties


class Tree:
  """A tree for PUCT search (Silver et al. 2017); see the module.

  Attributes:
    size: number of nodes. All arrays are [M], and their first `size` entries
      are in use.
    parent: int [M], -1 for the root.
    visits: int [M], number of values in a node's subtree, virtual losses
      included.
    total: float [M], the sum of these values.
    open: bool [M], whether the subtree has a leaf that may be expanded.
  """

  def __init__(self, most: int):
    """Creates a tree of the root alone, which is an open leaf.

    Args:
      most: maximum number of nodes (M).
    """
    self.size = 1
    self.parent = np.full(most, -1)
    self.visits = np.zeros(most, np.int64)
    self.total = np.zeros(most)
    self.open = np.zeros(most, bool)
    self.open[ROOT] = True
    self._tie = np.zeros(most, np.uint32)

  def children(self, node: int) -> np.ndarray:
    """Returns the children's numbers, int [C], in rising order."""
    return np.flatnonzero(self.parent[: self.size] == node)

  def leaves(self) -> np.ndarray:
    """Returns the nodes without children, in rising order."""
    return np.setdiff1d(np.arange(self.size), self.parent[: self.size])

  def select(self, explore: float) -> int | None:
    """Returns the leaf to expand next, or None if no leaf is open.

    Descends from the root, each time to the open child with the largest

        total / visits + explore * sqrt(parent's visits) / (C * (1 + visits))

    This is PUCT (Silver et al. 2017) with the prior 1 / C for each of the C
    children: they are samples of the proposer, and so already as frequent as
    they are probable.

    Args:
      explore: weight of the second term, which favours nodes with few visits.
    """
    if not self.open[ROOT]:
      return None
    node = ROOT
    while len(children := self.children(node)):
      visits = self.visits[children]
      bonus = np.sqrt(self.visits[node]) / (len(children) * (1 + visits))
      score = self.total[children] / visits + explore * bonus
      score = np.where(self.open[children], np.round(score, _DIGITS), -np.inf)
      # lexsort's last key is its first criterion: the score, then the tie.
      node = int(children[np.lexsort((self._tie[children], -score))[0]])
    return node

  def claim(self, node: int) -> None:
    """Begins the expansion of a node, so that the next `select` avoids it.

    Adds a virtual loss (Chaslot et al. 2008), a visit of value 0, to the node
    and its ancestors. `expand` takes it back.
    """
    self.open[node] = False
    for above in self._upwards(node):
      self.visits[above] += 1
      self._reopen(above)  # a parent is recomputed after its child

  def expand(
    self,
    node: int,
    values: Sequence[float],
    open_: Sequence[bool],
    ties: Sequence[int],
  ) -> None:
    """Ends an expansion: adds children and propagates their values to the root.

    Args:
      node: the parent, which must have been claimed.
      values: value of each child, [C].
      open_: whether each child may be expanded, [C].
      ties: uint32 [C]; among children of equal score the smallest is selected.
    """
    new = slice(self.size, self.size + len(values))
    self.size = new.stop
    self.parent[new] = node
    self.visits[new], self.total[new] = 1, values
    self.open[new], self._tie[new] = open_, ties
    gained = float(np.sum(values))
    for above in self._upwards(node):
      self.visits[above] += len(values) - 1  # less the virtual loss
      self.total[above] += gained
      self._reopen(above)

  def _upwards(self, node: int) -> Iterator[int]:
    """Yields the node and its ancestors, the root last."""
    while node >= 0:
      yield node
      node = int(self.parent[node])

  def _reopen(self, node: int) -> None:
    """Recomputes `open` of an inner node from its children."""
    children = self.children(node)
    if len(children):
      self.open[node] = self.open[children].any()
