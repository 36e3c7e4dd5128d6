"""Chains of revisions: each attempt sees the most recent ones (paper §6.1).

      turn 1   question                              -> a1
      turn 2   question a1 <revise>                  -> a2
      turn 6   question a2 <revise> ... a5 <revise>  -> a6      (the last four)

Contexts are built from tokens: an attempt is never decoded and encoded again.
Until the fifth turn a context extends the one before it, so that `<revise>`
alone is prefilled. From the sixth turn on the oldest attempt leaves the
context, and what follows it is prefilled anew. A chain has a fixed length and
no stopping rule: an answer is chosen among its attempts afterwards.
"""

from collections.abc import Sequence
import dataclasses

import numpy as np

from ttc.data.vocabulary import Vocabulary
from ttc.examples.context import context_tokens, KEEP, strip_end
from ttc.inference import keys
from ttc.inference.models import Models
from ttc.inference.requests import Extend, Plan, Prefill, Question
from ttc.inference.rows import Row
from ttc.search.solutions import Attempt


@dataclasses.dataclass(frozen=True)
class Revision:
  """One attempt in a chain.

  Attributes:
    chain: index of the chain, from 0.
    turn: place in the chain, from 1.
    attempt: the attempt.
  """

  chain: int
  turn: int
  attempt: Attempt


@dataclasses.dataclass(frozen=True)
class Trail:
  """Results of a question's chains, which `Chains.plan` appends to.

  Attributes:
    revisions: attempts so far, in the order of turns, then chains.
    spent: the question's cumulative cost (`Cost.record`), first after the
      prefill of the prompt and then after every turn.
  """

  revisions: list[Revision] = dataclasses.field(default_factory=list)
  spent: list[dict[str, list[float]]] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Chains:
  """Parallel chains of sequential revisions (paper §6.1, §6.2).

  Costs sum(turns) generations.

  Attributes:
    turns: number of turns of each chain, in falling order. Those of
      `analysis.chains.turns_needed` serve every ratio of sequential to parallel
      attempts of a budget.
    vocabulary: has `revise_id`, the token between attempts, and the end tokens.
    keep: maximum number of earlier attempts in the context.

  Raises:
    ValueError: there is no chain, a chain has no turn, or turns do not fall.
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
    """KV pool slots per question: a chain keeps its caches between turns."""
    return len(self.turns)

  def longest(self, prompt: int, attempt: int) -> int:
    """Returns the maximum number of tokens of a row.

    Args:
      prompt: maximum number of tokens of a prompt.
      attempt: maximum number of tokens of an attempt.
    """
    earlier = min(self.turns[0] - 1, self.keep)
    return prompt + earlier * (attempt + 1) + attempt

  def plan(self, question: Question, models: Models, trail: Trail) -> Plan:
    """Returns a plan that runs all chains of a question.

    Args:
      question: an attempt samples with fold_in(fold_in(its key, turn), chain).
      models: the revision model as the proposer, and the verifier, which reads
        the same context before each attempt.
      trail: the results, appended turn by turn.
    """
    root = question.root()
    yield Prefill([root])
    trail.spent.append(question.cost.record())
    # Chains share the caches of the prompt until each of them first writes.
    rows = [root.child(chain) for chain in range(len(self.turns))]
    root.leave()
    history = [[] for _ in self.turns]
    streams = self._streams(question)
    for turn in range(1, self.turns[0] + 1):
      # Turns fall, so that the chains still running are the first ones.
      live = sum(turns >= turn for turns in self.turns)
      for row in rows[live:]:
        row.leave()
      rows = rows[:live]
      self._begin(question, rows, history, streams[turn - 1])
      # Slots of chains that have ended are free for other questions.
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
    row_keys: np.ndarray,
  ) -> None:
    """Restarts rows with the contexts of their next turn.

    Args:
      question: whose prompt opens each context.
      rows: of the chains that are still running.
      history: tokens of earlier attempts by chain, without their end tokens.
      row_keys: uint32 [chains, 2] of the turn.
    """
    # Not strict: `history` and `row_keys` have entries of ended chains too.
    for row, attempts, key in zip(rows, history, row_keys, strict=False):
      context = context_tokens(
        question.prompt, attempts, self.vocabulary.revise_id, keep=self.keep
      )
      # Keeps the caches of the tokens that both contexts begin with.
      row.restart(context, len(context) + question.room, key)

  def _streams(self, question: Question) -> np.ndarray:
    """Returns the keys of all attempts, uint32 [turns, chains, 2]."""
    turns, chains = self.turns[0], len(self.turns)
    turn_keys = keys.fold(question.key, range(1, turns + 1))
    return keys.fold(
      np.repeat(turn_keys, chains, axis=0), [*range(chains)] * turns
    ).reshape(turns, chains, 2)
