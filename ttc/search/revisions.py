"""Chains of attempts, with the most recent ones in context (paper §6.1).

Contexts are built in token space: an attempt is never decoded and read again.

      turn 1   question                            -> a1
      turn 2   question a1 <revise>                -> a2
      turn 6   question a2 <revise> ... a5 <revise> -> a6      (the last four)

Until the fifth turn a context begins with the one before it, and only the
`<revise>` is new to the models. A chain has no rule to stop: its length is
fixed and an answer chosen after.
"""

from collections.abc import Sequence
import dataclasses

import numpy as np

from ttc.data.context import context_tokens, KEEP, strip_end
from ttc.data.vocabulary import Vocabulary
from ttc.inference import keys
from ttc.inference.models import Models
from ttc.inference.requests import Extend, Plan, Prefill, Question
from ttc.inference.rows import Row
from ttc.search.solutions import Attempt


@dataclasses.dataclass(frozen=True)
class Revision:
  """One attempt of one chain; chains count from 0 and turns from 1."""

  chain: int
  turn: int
  attempt: Attempt


@dataclasses.dataclass(frozen=True)
class Trail:
  """What the chains of a question have done so far.

  Attributes:
    revisions: turn by turn.
    spent: the question's cost, as a record holds it, when the prompt was read
      and after every turn.
  """

  revisions: list[Revision] = dataclasses.field(default_factory=list)
  spent: list[dict[str, list[float]]] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Chains:
  """How chains are run.

  Attributes:
    turns: of each chain, falling; `analysis.chains.turns_needed` gives those
      that serve every ratio of a budget at once.
    vocabulary: knows the token between attempts, and those that end them.
    keep: attempts in the context at most.
  """

  turns: tuple[int, ...]
  vocabulary: Vocabulary
  keep: int = KEEP

  def __post_init__(self):
    if not self.turns or min(self.turns) < 1:
      raise ValueError(f'Chains.turns={self.turns}: each must be at least 1.')
    if list(self.turns) != sorted(self.turns, reverse=True):
      raise ValueError(
        f'Chains.turns={self.turns} must fall, the longest chain first.'
      )

  @property
  def slots(self) -> int:
    """Rows that must live at once: a chain keeps its caches between turns."""
    return len(self.turns)

  def longest(self, prompt: int, attempt: int) -> int:
    """Tokens of a row whose prompt and attempts have at most so many."""
    earlier = min(self.turns[0] - 1, self.keep)
    return prompt + earlier * (attempt + 1) + attempt

  def plan(self, question: Question, models: Models, trail: Trail) -> Plan:
    """Runs every chain of a question.

    Args:
      question: an attempt draws from (its key, turn, chain).
      models: the revision model, and the verifier that scores each attempt
        with the same context before it.
      trail: to be added to, turn by turn.
    """
    root = question.root()
    yield Prefill([root])
    trail.spent.append(question.cost.record())
    rows = [root.child(chain) for chain in range(len(self.turns))]
    root.leave()
    history = [[] for _ in self.turns]
    streams = self._streams(question)
    for turn in range(1, self.turns[0] + 1):
      live = sum(turns >= turn for turns in self.turns)
      for row in rows[live:]:
        row.leave()
      rows = rows[:live]
      self._begin(question, rows, history, streams[turn - 1])
      yield Extend(rows, keep=True, slots=live)
      for chain, row in enumerate(rows):
        attempt = Attempt.of(row, models)
        history[chain].append(strip_end(attempt.tokens, self.vocabulary))
        trail.revisions.append(Revision(chain, turn, attempt))
      trail.spent.append(question.cost.record())
    return rows

  def _begin(
    self,
    question: Question,
    rows: Sequence[Row],
    history: Sequence[Sequence[list[int]]],
    own: np.ndarray,
  ) -> None:
    """Puts the contexts of a turn before its attempts."""
    for row, attempts, key in zip(rows, history, own, strict=False):
      context = context_tokens(
        question.prompt, attempts, self.vocabulary.revise_id, keep=self.keep
      )
      row.restart(context, len(context) + question.room, key)

  def _streams(self, question: Question) -> np.ndarray:
    """The key [turn, chain, 2] of each attempt."""
    turns, chains = self.turns[0], len(self.turns)
    own = keys.fold(question.key, range(1, turns + 1))
    return keys.fold(
      np.repeat(own, chains, axis=0), [*range(chains)] * turns
    ).reshape(turns, chains, 2)
