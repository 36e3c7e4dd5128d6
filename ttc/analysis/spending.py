"""Exact FLOPs per question of a pool, or of a part of it.

A pool is sampled once and evaluated many times, as n of its W answers or as a
split of its chains. The prompt is prefilled once however many answers follow,
so a part of a pool is charged the whole prompt, and for the rest the mean cost
of as many answers.

The verifier is charged only where its scores are used: not to a majority.
"""

from collections.abc import Mapping

import numpy as np

from ttc.analysis import flops
from ttc.analysis.pools import AnswerPool


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
  kinds = _flops(pool, pool.spent)
  if kinds is None:
    return None
  by_turn = _sum(kinds, scored)  # [Q, 1 + turns, 2], the prompt first
  turns = np.bincount(pool.chain[0])
  # A turn is charged the mean over the chains that reach it, `parallel` times.
  alive = (turns[:, None] > np.arange(sequential)).sum(0)
  share = np.concatenate([[1.0], parallel / alive])
  return (by_turn[:, : 1 + sequential] * share[:, None]).sum(1)


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
