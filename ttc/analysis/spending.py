"""Exact FLOPs per question of a pool, or of a part of it.

A pool is sampled once and evaluated many times, as n of its W answers or as a
split of its chains. The prompt is prefilled once however many answers follow,
so a part of a pool is charged the whole prompt, and for the rest the mean cost
of as many answers.

The verifier is charged only where its scores are used: not to a majority.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ttc.analysis import chains, flops
from ttc.analysis.pools import AnswerPool, Cost


def whole(pool: AnswerPool, scored: bool = True) -> np.ndarray | None:
  """FLOPs of all answers of a pool.

  Args:
    pool: any pool.
    scored: whether the verifier is charged.

  Returns:
    float64 [Q, 2], useful and executed; None if the cost or the models are
    unknown.
  """
  kinds = _flops(pool, pool.cost)
  return None if kinds is None else _sum(kinds, scored)


def answers(pool: AnswerPool, n: int, scored: bool) -> np.ndarray | None:
  """Expected FLOPs of n random answers of a pool.

  Args:
    pool: a pool of independent answers.
    n: number of answers.
    scored: whether the verifier is charged.

  Returns:
    float64 [Q, 2], useful and executed; None if the cost or the models are
    unknown.
  """
  kinds = _flops(pool, pool.cost)
  if kinds is None:
    return None
  return _sum(
    {
      # Only decoding grows with the answers: prefill is the shared prompt.
      kind: spent * (n / pool.width if kind.endswith('decode') else 1)
      for kind, spent in kinds.items()
    },
    scored,
  )


def split(
  pool: AnswerPool, sequential: int, parallel: int, scored: bool
) -> np.ndarray | None:
  """Expected FLOPs of the first turns of random chains.

  Args:
    pool: a pool of chains.
    sequential: turns per chain.
    parallel: number of chains.
    scored: whether the verifier is charged.

  Returns:
    float64 [Q, 2], useful and executed; None if the cost of each turn or the
    models are unknown.
  """
  kinds = _flops(pool, split_cost(pool, sequential, parallel))
  return None if kinds is None else _sum(kinds, scored)


def split_cost(pool: AnswerPool, sequential: int, parallel: int) -> Cost:
  """Expected counts [Q, 4] of the first turns of random chains, by kind.

  Args:
    pool: a pool of chains.
    sequential: turns per chain.
    parallel: number of chains.

  Returns:
    Token and key counts for `flops.exact`; {} if those of turns are unknown.
  """
  turns = np.bincount(pool.chain[0])
  # A turn is charged the mean over the chains that reach it, `parallel` times.
  alive = (turns[:, None] > np.arange(sequential)).sum(0)
  share = np.concatenate([[1.0], parallel / alive])  # the prompt first
  return {
    kind: (counts[:, : 1 + sequential] * share[:, None]).sum(1)
    for kind, counts in pool.spent.items()
  }


class Share(NamedTuple):
  """Answers of a pool whose number can be compared with other pools'.

  Attributes:
    of: which answers these are, in words.
    answers: how many.
    rows: which rows of the pool they are drawn from, bool [Q, W].
    cost: their expected token and key counts, [Q, 4] by kind; {} if unknown.
  """

  of: str
  answers: int
  rows: np.ndarray
  cost: Cost


def parts(pool: AnswerPool) -> list[Share]:
  """The pool; for chains first every split of its budget N.

  A pool of chains serves all of them and has several times N attempts: its own
  cost is that of no arm.
  """
  everything = np.ones_like(pool.correct)
  name = f'all {pool.width} answers' if pool.width > 1 else 'the answer'
  whole = Share(name, pool.width, everything, pool.cost)
  if pool.chain is None:
    return [whole]
  turns, found = np.bincount(pool.chain[0]), []
  for sequential, parallel in chains.splits(pool.budget):
    if (turns >= sequential).sum() >= parallel:
      # Attempts of chains that are long enough, up to this turn.
      rows = (pool.turn <= sequential) & (turns[pool.chain] >= sequential)
      cost = split_cost(pool, sequential, parallel)
      of = f'{parallel} chains × {sequential} turns'
      found.append(Share(of, pool.budget, rows, cost))
  whole = whole._replace(of=f'all {pool.width} attempts, for every split')
  return [*found, whole]


def _flops(pool: AnswerPool, cost: Mapping[str, np.ndarray]):
  """FLOPs by kind of work [..., 2]; None if the cost or models are unknown."""
  if not cost or pool.models is None:
    return None
  return flops.exact(cost, *pool.models)


def _sum(kinds: Mapping[str, np.ndarray], scored: bool) -> np.ndarray:
  """Total over kinds of work, without the verifier's unless `scored`."""
  return sum(
    spent
    for kind, spent in kinds.items()
    if scored or kind.startswith('proposer')
  )
