"""What an answer took to compute: exact FLOPs a question, useful and executed.

A pool is sampled once and read many times, as n of its W answers or as a split
of its chains. Prompts are read once, whatever is sampled after; of the rest a
part of a pool is charged what its answers took on average.

What a verifier read is charged to those who ask it: a majority does not.
"""

from collections.abc import Mapping

import numpy as np

from ttc.analysis import flops
from ttc.analysis.pools import AnswerPool


def whole(pool: AnswerPool, scored: bool = True) -> np.ndarray | None:
  """FLOPs of all answers [Q, 2]; None where cost or models are not known."""
  kinds = _flops(pool, pool.cost)
  return None if kinds is None else _sum(kinds, scored)


def answers(pool: AnswerPool, n: int, scored: bool) -> np.ndarray | None:
  """Expected FLOPs of n random ones of independent answers [Q, 2].

  Args:
    pool: without chains.
    n: how many answers.
    scored: whether the verifier is charged.
  """
  kinds = _flops(pool, pool.cost)
  if kinds is None:
    return None
  return _sum(
    {
      kind: spent * (n / pool.width if kind.endswith('decode') else 1)
      for kind, spent in kinds.items()
    },
    scored,
  )


def split(
  pool: AnswerPool, sequential: int, parallel: int, scored: bool
) -> np.ndarray | None:
  """Expected FLOPs of the first turns of random chains [Q, 2].

  Args:
    pool: of chains; None is returned unless it knows the cost of each turn.
    sequential: turns of each chain.
    parallel: chains.
    scored: whether the verifier is charged.
  """
  kinds = _flops(pool, pool.spent)
  if kinds is None:
    return None
  by_turn = _sum(kinds, scored)  # [Q, 1 + turns, 2], the prompt first
  turns = np.bincount(pool.chain[0])
  alive = (turns[:, None] > np.arange(sequential)).sum(0)
  share = np.concatenate([[1.0], parallel / alive])
  return (by_turn[:, : 1 + sequential] * share[:, None]).sum(1)


def _flops(pool: AnswerPool, cost: Mapping[str, np.ndarray]):
  if not cost or pool.models is None:
    return None
  return flops.exact(cost, *pool.models)


def _sum(kinds: Mapping[str, np.ndarray], scored: bool) -> np.ndarray:
  return sum(
    spent
    for kind, spent in kinds.items()
    if scored or kind.startswith('proposer')
  )
