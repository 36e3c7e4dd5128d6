"""Sequential against parallel revisions (paper §6.1, §6.2).

A budget N is split into P chains of S turns, S * P = N. One nested pool serves
all splits of all budgets: chain j has as many turns as the longest split with
more than j chains needs,

  turns_needed(8) = [8, 4, 2, 2, 1, 1, 1, 1]      1:8  2:4  4:2  8:1

so a split uses the first S turns of P chains that have at least S turns. If
more than P chains are long enough, P of them are drawn at random.
"""

import dataclasses

import numpy as np

from ttc.analysis import aggregate
from ttc.analysis.curves import Accuracy


@dataclasses.dataclass(frozen=True)
class ChainOutcomes:
  """Outcomes of C chains of at most T turns for each of Q questions.

  Attributes:
    turns: number of turns of each chain, the same for all questions.
    correct: whether each attempt is right; False beyond a chain's end.
    answer: answer ids within a question; -1 if unparsable or beyond the end.
    score: verifier's scores, 0 beyond the end; None without a verifier.
  """

  turns: np.ndarray  # [C]
  correct: np.ndarray  # [Q, C, T]
  answer: np.ndarray  # [Q, C, T]
  score: np.ndarray | None  # [Q, C, T]


def splits(budget: int) -> list[tuple[int, int]]:
  """All (S, P) with S * P = budget, from all parallel to all sequential.

  Raises:
    ValueError: the budget is below 1.
  """
  if budget < 1:
    raise ValueError(f'The budget is {budget}; it must be at least 1.')
  return [(s, budget // s) for s in range(1, budget + 1) if budget % s == 0]


def turns_needed(budget: int) -> np.ndarray:
  """Turns of each chain of the smallest nested pool, int [budget]."""
  turns = np.ones(budget, np.int64)
  # From many short chains to one long chain: each split needs fewer chains
  # than the one before, and lengthens those.
  for sequential, parallel in splits(budget):
    turns[:parallel] = sequential
  return turns


def arrange(correct, answer, score, chain, turn) -> ChainOutcomes:
  """Arranges a question's W attempts, in any order, by chain and turn.

  Args:
    correct: whether each attempt is right, bool [Q, W].
    answer: answer ids within a question, int [Q, W].
    score: verifier's scores float [Q, W], or None.
    chain: chain of each attempt, int [Q, W] from 0.
    turn: turn of each attempt, int [Q, W] from 1.

  Raises:
    ValueError: a question has other chains than the first one, or the turns of
      a chain do not count from 1.
  """
  chain, turn = np.asarray(chain), np.asarray(turn)
  turns = np.bincount(chain[0])
  used = np.arange(turns.max()) < turns[:, None]  # [C, T]
  order = np.lexsort((turn, chain))  # [Q, W]
  at_chain, at_turn = np.nonzero(used)
  sound = (
    (np.take_along_axis(chain, order, axis=1) == at_chain)
    & (np.take_along_axis(turn, order, axis=1) == at_turn + 1)
  ).all(1)
  if not sound.all():
    raise ValueError(
      f'The attempts in row {sound.argmin()} are not {len(turns)} chains of '
      f'{turns.tolist()} turns, as row 0 has; every question needs the same '
      'chains, counted from 0, with turns from 1, each once.'
    )

  def spread(x, empty) -> np.ndarray:
    """[Q, W] -> [Q, C, T], `empty` beyond the end of a chain."""
    x = np.take_along_axis(np.asarray(x), order, axis=1)
    grid = np.full([len(x), *used.shape], empty, x.dtype)
    grid[:, used] = x  # a mask fills in the order of chain, then turn
    return grid

  return ChainOutcomes(
    turns=turns,
    correct=spread(correct, False),
    answer=spread(answer, aggregate.UNPARSABLE),
    score=None if score is None else spread(score, 0.0),
  )


def split_accuracy(
  pool: ChainOutcomes,
  sequential: int,
  parallel: int,
  select: aggregate.Selector,
  rng: np.random.Generator,
  subsets: int = 100,
) -> Accuracy:
  """Accuracy of the attempt selected from P chains cut to S turns.

  Args:
    pool: outcomes with at least P chains of at least S turns.
    sequential: S, turns per chain.
    parallel: P, number of chains.
    select: `aggregate.hierarchical` or `flat_majority`.
    rng: draws P of the chains that are long enough, independently for each
      question, and breaks ties.
    subsets: number of draws.

  Returns:
    Mean and spread over the draws, FLOPs unknown.

  Raises:
    ValueError: S or P is below 1, or fewer than P chains have S turns.
  """
  long = np.flatnonzero(pool.turns >= sequential)
  if not (sequential >= 1 and 1 <= parallel <= len(long)):
    raise ValueError(
      f'{parallel} chains of {sequential} turns are asked of a pool that has '
      f'{len(long)} so long; sample more, or choose another split.'
    )
  whole = np.broadcast_to(long, [len(pool.correct), len(long)])
  question = np.arange(len(whole))[:, None]
  hits = np.empty([subsets, len(whole)])
  for hit in hits:
    # The head of a permutation is a draw without replacement.
    chain = rng.permuted(whole, axis=1)[:, :parallel]

    # The default binds the chains of this draw.
    def cut(x: np.ndarray, chain=chain) -> np.ndarray:
      return x[question, chain, :sequential]  # [Q, P, S]

    index = select(
      cut(pool.answer), None if pool.score is None else cut(pool.score), rng
    )
    hit[:] = cut(pool.correct).reshape(len(whole), -1)[question[:, 0], index]
  return Accuracy.of(hits)
