"""The nodes of expression trees, and walks over a tree."""

from typing import NamedTuple

LEAVES = frozenset(('number', 'symbol', 'constant'))


class Node(NamedTuple):
  """One operation.

  Attributes:
    op: 'number' (Fraction), 'symbol' (name), 'constant' ('pi', 'e', 'i' or
      'infinity'), or of Nodes: 'add', 'multiply', 'divide', 'power', 'negate',
      'root' (degree, radicand), 'log' (base, argument), 'factorial',
      'binomial', 'absolute', 'floor', 'ceiling', or the name of a function.
    args: operands, all Nodes; of one of LEAVES its one value, not a Node.
  """

  op: str
  args: tuple


def height(tree: Node) -> int:
  """The number of nodes on the longest path down from the root."""
  levels, level = 0, [tree]
  while level:
    levels += 1
    level = [
      arg for node in level if node.op not in LEAVES for arg in node.args
    ]
  return levels


def count(tree: Node) -> int:
  """The number of nodes of a tree."""
  return 1 + (0 if tree.op in LEAVES else sum(map(count, tree.args)))


def symbols(tree: Node) -> set[str]:
  """The names of all symbols in a tree."""
  if tree.op == 'symbol':
    return {tree.args[0]}
  return set() if tree.op in LEAVES else set().union(*map(symbols, tree.args))
