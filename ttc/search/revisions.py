"""Chains of attempts, with the most recent ones in context (PAPER 4.3).

Contexts are built in token space: an attempt is never decoded and read again.

      turn 1   question                            -> a1
      turn 2   question a1 <revise>                -> a2
      turn 6   question a2 <revise> ... a5 <revise> -> a6      (the last four)

A chain has no rule to stop: its length is fixed and an answer chosen after.
"""

from collections.abc import Iterator
import dataclasses

import jax
import numpy as np

from ttc.data.context import context_tokens, KEEP
from ttc.data.prompts import Prompts
from ttc.search.frontier import Models
from ttc.search.rollouts import continuations
from ttc.search.solutions import Attempt

COST = ('proposer_prefill', 'proposer_decode', 'verifier_prefill',
        'verifier_decode')


@dataclasses.dataclass(frozen=True)
class Revision:
  """One attempt of one chain; chains count from 0 and turns from 1."""

  chain: int
  turn: int
  attempt: Attempt


@dataclasses.dataclass(frozen=True)
class Chains:
  """How chains are run.

  Attributes:
    turns: of each chain, falling; `analysis.chains.turns_needed` gives those
      that serve every ratio of a budget at once.
    keep: attempts in the context at most.
    rows: chains that a program extends at once, over all problems.
    revise_id: the token between attempts.
  """

  turns: tuple[int, ...]
  revise_id: int
  keep: int = KEEP
  rows: int = 256

  def __post_init__(self):
    if not self.turns or min(self.turns) < 1:
      raise ValueError(f'Chains.turns={self.turns}: each must be at least 1.')
    if list(self.turns) != sorted(self.turns, reverse=True):
      raise ValueError(
          f'Chains.turns={self.turns} must fall, the longest chain first.')

  def __call__(self, models: Models, prompts: Prompts, *, key: jax.Array
               ) -> tuple[list[list[Revision]], dict[str, np.ndarray]]:
    """Runs every chain of every problem.

    Args:
      models: the revision model, and the verifier that scores each attempt
        with the same context before it.
      prompts: P problems, padding allowed.
      key: consumed; an attempt draws from (key, turn, problem, chain).

    Returns:
      The attempts of each problem, by chain and turn, and the cost, each
      field [P, 2] as in `Cost`.
    """
    problems = np.flatnonzero(prompts.real)
    width = prompts.tokens.shape[1]
    history = {(p, c): [] for p in problems for c in range(len(self.turns))}
    cost = {name: np.zeros((len(prompts.length), 2), int) for name in COST}
    for turn in range(1, self.turns[0] + 1):
      live = [(p, c) for p, c in history if self.turns[c] >= turn]
      contexts = [
          context_tokens(
              prompts.tokens[p, :prompts.length[p]].tolist(),
              [models.strip_end(a.tokens) for a in history[p, c]],
              self.revise_id, keep=self.keep)
          for p, c in live]
      earlier = min(turn - 1, self.keep)
      batch = Prompts.stack(
          [int(prompts.problem_id[p]) * len(self.turns) + c for p, c in live],
          contexts,
          width=width + earlier * (models.generation.max_tokens + 1))
      attempts = self._attempts(models, batch, jax.random.fold_in(key, turn))
      for (p, c), (attempt, spent) in zip(live, attempts, strict=True):
        history[p, c].append(attempt)
        for name in COST:
          cost[name][p] += spent[name]
    revisions = [[] for _ in prompts.length]
    for (p, c), attempts in history.items():
      revisions[p] += [
          Revision(c, turn, a) for turn, a in enumerate(attempts, start=1)]
    return revisions, cost

  def _attempts(self, models: Models, batch: Prompts, key: jax.Array
                ) -> Iterator[tuple[Attempt, dict]]:
    """The next attempt of every context, and what it cost."""
    for part in batch.batches(self.rows):
      solutions = continuations(models, part, num=1, key=key)
      for row in np.flatnonzero(part.real):
        yield solutions.attempt(row, 0), solutions.cost.row(row)
