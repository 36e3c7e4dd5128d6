"""The arrays of a tree against a tree of objects that counts from scratch."""

import dataclasses
import math

import numpy as np
import pytest

from ttc.search.tree import ROOT, Tree


@dataclasses.dataclass(eq=False)
class Node:
  """Holds its own value alone; everything else is counted when asked for."""

  number: int
  value: float | None
  open: bool
  tie: int
  claimed: bool = False
  children: list = dataclasses.field(default_factory=list)

  def below(self):
    return [self] + [n for child in self.children for n in child.below()]

  def visits(self):
    return sum(n.value is not None for n in self.below()) + sum(
      n.claimed for n in self.below()
    )

  def total(self):
    return sum(n.value for n in self.below() if n.value is not None)

  def is_open(self):
    return any(
      n.open and not n.claimed and not n.children for n in self.below()
    )

  def best(self, explore):
    """The leaf that PUCT leads to; None where no leaf is open."""
    if not self.is_open():
      return None
    if not self.children:
      return self

    def rank(child):
      mean = child.total() / child.visits()
      bonus = math.sqrt(self.visits()) / (1 + child.visits())
      score = mean + explore * bonus / len(self.children)
      return -round(score, 6), child.tie

    opens = [child for child in self.children if child.is_open()]
    return min(opens, key=rank).best(explore)


def same(tree, nodes):
  for node in nodes:
    number = node.number
    assert tree.visits[number] == node.visits()
    assert tree.total[number] == pytest.approx(node.total(), abs=1e-12)
    assert tree.open[number] == node.is_open()
    assert tree.children(number).tolist() == [c.number for c in node.children]
  assert tree.leaves().tolist() == [
    node.number for node in nodes if not node.children
  ]


@pytest.mark.parametrize('explore', [0.0, 0.5, 3.0])
@pytest.mark.parametrize('levels', [2, 1000])
@pytest.mark.parametrize('seed', range(4))
def test_equals_a_tree_that_counts(explore, levels, seed):
  """Few levels of value make ties, which are decided by the given numbers."""
  rng = np.random.default_rng(seed)
  tree, nodes, ended, tied = Tree(110), [Node(ROOT, None, True, 0)], 0, 0
  while len(nodes) < 100:
    claims = []
    for _ in range(rng.integers(1, 4)):
      expected, found = nodes[ROOT].best(explore), tree.select(explore)
      assert found == (expected and expected.number)
      if found is None:
        break
      tree.claim(found)
      expected.claimed = True
      claims.append(expected)
      same(tree, nodes)
    if not claims:  # every leaf is closed: the root grows wider
      ended += 1
      tree.claim(ROOT)
      nodes[ROOT].claimed = True
      claims = [nodes[ROOT]]
    for node in claims:
      count = int(rng.integers(1, 4))
      values = (rng.integers(0, levels + 1, count) / levels).tolist()
      open_ = (rng.random(count) < 0.45).tolist()
      ties = rng.integers(0, 2**32, count, np.uint32)
      tied += len(set(values)) < count
      tree.expand(node.number, values, open_, ties)
      node.claimed = False
      for child in zip(values, open_, ties.tolist(), strict=True):
        nodes.append(Node(len(nodes), *child))
        node.children.append(nodes[-1])
      same(tree, nodes)
  assert tree.size == len(nodes)
  assert ended
  assert tied or levels > 2


def test_a_virtual_loss_sends_the_next_one_elsewhere():
  tree = Tree(10)
  tree.claim(tree.select(1.0))
  tree.expand(ROOT, [0.9, 0.9, 0.1], [True] * 3, [5, 3, 1])
  assert tree.select(1.0) == 2  # of the two the smaller tie
  tree.claim(2)
  assert tree.select(1.0) == 1
  tree.claim(1)
  assert tree.select(1.0) == 3
  tree.claim(3)
  assert tree.select(1.0) is None
  assert tree.visits[:4].tolist() == [6, 2, 2, 2]
  assert tree.total[ROOT] == pytest.approx(1.9)


def test_exploration_turns_from_the_best_to_the_least_visited():
  tree = Tree(10)
  tree.claim(ROOT)
  tree.expand(ROOT, [0.9, 0.5], [True] * 2, [0, 0])
  tree.claim(1)
  tree.expand(1, [0.8, 0.8], [True] * 2, [0, 1])
  assert tree.select(0.0) == 3
  assert tree.select(5.0) == 2
