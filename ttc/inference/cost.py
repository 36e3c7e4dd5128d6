"""The work spent on a question, in token-forwards and in keys attended to.

Costs belong to questions and not to rows, because a fork would count the
parent's tokens once for every child.
"""

import dataclasses

KINDS = (
  'proposer_prefill',
  'proposer_decode',
  'verifier_prefill',
  'verifier_decode',
)


@dataclasses.dataclass(frozen=True)
class Work:
  """One kind of work, or a part of it.

  Attributes:
    tokens: token-forwards whose result is used.
    executed: token-forwards computed, padding and idle lanes included.
    keys: keys that the useful ones could see, their own included.
    executed_keys: keys that all of them were multiplied with, the masked ones
      included.
  """

  tokens: float = 0
  executed: float = 0
  keys: float = 0
  executed_keys: float = 0

  def __add__(self, other: 'Work') -> 'Work':
    return Work(
      self.tokens + other.tokens,
      self.executed + other.executed,
      self.keys + other.keys,
      self.executed_keys + other.executed_keys,
    )

  @property
  def counts(self) -> list[float]:
    """As a record holds it."""
    return [self.tokens, self.executed, self.keys, self.executed_keys]


class Cost:
  """The work of one question by kind; see `KINDS`."""

  def __init__(self):
    self._work = dict.fromkeys(KINDS, Work())

  def __getitem__(self, kind: str) -> Work:
    return self._work[kind]

  def add(self, kind: str, work: Work) -> None:
    """Adds work of a kind."""
    self._work[kind] += work

  def record(self) -> dict[str, list[float]]:
    """As a record holds it."""
    return {kind: work.counts for kind, work in self._work.items()}


def share_out(
  executed: float,
  executed_keys: float,
  useful: list[tuple[Cost, str, int, int]],
) -> None:
  """Charges questions for a program call.

  Padding and idle lanes are nobody's: what was executed is charged in
  proportion to the tokens that a question had use for.

  Args:
    executed: token-forwards of the call.
    executed_keys: keys they were multiplied with.
    useful: (whose, kind, tokens, keys) of each row in the call.
  """
  total = sum(tokens for _, _, tokens, _ in useful)
  summed = {}
  for cost, kind, tokens, keys in useful:
    before = summed.get((id(cost), kind), (cost, 0, 0))
    summed[id(cost), kind] = cost, before[1] + tokens, before[2] + keys
  for (_, kind), (cost, tokens, keys) in summed.items():
    part = tokens / total
    cost.add(kind, Work(tokens, part * executed, keys, part * executed_keys))
