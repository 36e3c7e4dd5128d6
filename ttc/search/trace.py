"""What a search did, round by round, read off the requests of its plan.

    node      0   1   2   3   4   5       a row, and what a request added to it
    parent   -1  -1   0   0   1   4       -1 is the question
    round     0   0   1   1   1   2       which request it was
    tokens   [3] [4] [5] [6] [7] [8]      those that were added
    value    .3  .6  .2  .4  .7  .9       the verifier's at the last of them

A row that goes on in the next request has a node for each; one that is forked
has children. Rows are known by their keys, which no two rows share, so a plan
need not say what it does. A node none of whose descendants is an attempt was
pruned.
"""

from collections.abc import Callable, Sequence
import dataclasses
import functools
from typing import Any

from ttc.inference.requests import Extend, Plan
from ttc.inference.rows import fold_keys, Row

ROOT = -1
_CONTEXT = 8  # tokens, more than a character of any alphabet has


@dataclasses.dataclass
class SearchTrace:
  """The nodes of one question; see the module.

  Attributes:
    parent, round, tokens, value: of each node. A value is None without a
      verifier.
    ends: the node at which each attempt ends.
    rounds: number of requests.
    rewritten: whether the plan has replaced tokens that were noted here, as
      `Forced` does with ends: such a search is no tree, and is not recorded.
  """

  parent: list[int] = dataclasses.field(default_factory=list)
  round: list[int] = dataclasses.field(default_factory=list)
  tokens: list[list[int]] = dataclasses.field(default_factory=list)
  value: list[float | None] = dataclasses.field(default_factory=list)
  ends: list[int] = dataclasses.field(default_factory=list)
  rounds: int = 0
  rewritten: bool = False
  # Of each node, the tokens of its row with the prompt's; and the nodes of a
  # row, by its key.
  _length: list[int] = dataclasses.field(default_factory=list, repr=False)
  _nodes: dict[bytes, list[int]] = dataclasses.field(
    default_factory=dict, repr=False
  )

  def follow(self, plan: Plan) -> Plan:
    """The same plan, whose requests are noted on their way."""
    while True:
      try:
        request = next(plan)
      except StopIteration as stop:
        self.ends = [self._at(row) for row in stop.value]
        return stop.value
      if not isinstance(request, Extend):
        yield request
        continue
      # Where the rows come from has to be read before they have own keys, which
      # those that grew got with the rows of other questions.
      parents = [self._at(row) for row in request.rows]
      yield request
      fold_keys(request.rows)
      for row, parent in zip(request.rows, parents, strict=True):
        self._add(row, parent)
      self.rounds += 1

  def record(self, decode: Callable[[Sequence[int]], str]) -> dict[str, Any]:
    """The trace as plain JSON, with texts for tokens.

    Args:
      decode: the text of tokens.

    Returns:
      'parent', 'round', 'value' and 'ends' as above; 'tokens', the number of
      those that were added; and their 'text', as a place in 'texts'.
    """
    text, texts = [], {}
    read = functools.cache(  # siblings often say the same
      lambda above, own: decode(above + own).removeprefix(decode(above))
    )
    for parent, tokens in zip(self.parent, self.tokens, strict=True):
      said = read(self._last(parent), tuple(tokens))
      text.append(texts.setdefault(said, len(texts)))
    return {
      'parent': self.parent,
      'round': self.round,
      'tokens': [len(t) for t in self.tokens],
      'value': self.value,
      'text': text,
      'texts': list(texts),
      'ends': self.ends,
    }

  def _last(self, node: int) -> tuple[int, ...]:
    """A few tokens up to the end of a node.

    Decoders treat what they begin with differently, such as a space. So these
    are read before the tokens of a child, and their text is taken away.
    """
    above = []
    while node != ROOT and len(above) < _CONTEXT:
      above = self.tokens[node] + above
      node = self.parent[node]
    return tuple(above[-_CONTEXT:])

  def _add(self, row: Row, parent: int) -> None:
    own = self._nodes.setdefault(row.key.tobytes(), [])
    if own and own[-1] == parent and self._length[parent] == len(row.tokens):
      return  # it was done before, and nothing was added
    own.append(len(self.parent))
    start = row.start if parent == ROOT else self._length[parent]
    self.parent.append(parent)
    self.round.append(self.rounds)
    # What a plan itself put there since, such as a tool's answer, included.
    self.tokens.append(row.tokens[start:])
    self.value.append(row.value if row.values else None)
    self._length.append(len(row.tokens))

  def _at(self, row: Row) -> int:
    """The node that a row goes on from: its own last one, or its parent's."""
    nodes = self._nodes.get(row.key.tobytes(), [])
    reached = [n for n in nodes if self._length[n] <= len(row.tokens)]
    for node in reached:
      end = self._length[node]
      start = end - len(self.tokens[node])
      self.rewritten |= row.tokens[start:end] != self.tokens[node]
    if row.ordinal is None:
      nodes[:] = reached  # what is longer was rewound
    return reached[-1] if reached else ROOT
