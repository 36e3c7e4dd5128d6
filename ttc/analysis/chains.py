"""Sequential against parallel revisions (paper §6.1, §6.2).

A budget N is split into P chains of S turns, S * P = N. One nested pool serves
all splits of all budgets: chain j is as long as the longest split that uses
more than j chains needs it,

  turns_needed(8) = [8, 4, 2, 2, 1, 1, 1, 1]      1:8  2:4  4:2  8:1

so a split takes P of the chains that have at least S turns and cuts them to
the first S. Where more than P are long enough, random ones are drawn.
"""

import dataclasses

import numpy as np

from ttc.analysis import aggregate
from ttc.analysis.curves import Accuracy


@dataclasses.dataclass(frozen=True)
class ChainOutcomes:
  """C chains of up to T turns for each of Q questions.

  Attributes:
    turns: length of each chain, the same for every question.
    correct: whether an attempt is right; False beyond a chain's end.
    answer: ids within a question; -1 is unparsable or beyond the end.
    score: the verifier's score, 0 beyond the end; None without a verifier.
  """

  turns: np.ndarray  # [C]
  correct: np.ndarray  # [Q, C, T]
  answer: np.ndarray  # [Q, C, T]
  score: np.ndarray | None  # [Q, C, T]


def splits(budget: int) -> list[tuple[int, int]]:
  """All (S, P) with S * P = budget, from all parallel to all sequential."""
  if budget < 1:
    raise ValueError(f'The budget is {budget}; it must be at least 1.')
  return [(s, budget // s) for s in range(1, budget + 1) if budget % s == 0]


def turns_needed(budget: int) -> np.ndarray:
  """Turns of each chain of the smallest nested pool. int [budget]."""
  turns = np.ones(budget, np.int64)
  for sequential, parallel in splits(budget):
    turns[:parallel] = sequential
  return turns


def arrange(correct, answer, score, chain, turn) -> ChainOutcomes:
  """Puts attempts, in any order, at their places in the chains.

  Args:
    correct: bool [Q, W].
    answer: int [Q, W].
    score: float [Q, W], or None.
    chain: int [Q, W], from 0.
    turn: int [Q, W], from 1.
  """
  chain, turn = np.asarray(chain), np.asarray(turn)
  turns = np.bincount(chain[0])
  held = np.arange(turns.max()) < turns[:, None]  # [C, T]
  order = np.lexsort((turn, chain))  # [Q, W]
  at_chain, at_turn = np.nonzero(held)
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
    x = np.take_along_axis(np.asarray(x), order, axis=1)
    grid = np.full([len(x), *held.shape], empty, x.dtype)
    grid[:, held] = x
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
    pool: with at least P chains of at least S turns.
    sequential: S, turns of a chain.
    parallel: P, chains.
    select: `aggregate.hierarchical` or `flat_majority`.
    rng: draws P of the chains that are long enough, for each question its
      own, and breaks ties.
    subsets: how many such draws.
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
    chain = rng.permuted(whole, axis=1)[:, :parallel]

    def cut(x: np.ndarray, chain=chain) -> np.ndarray:
      return x[question, chain, :sequential]  # [Q, P, S]

    index = select(
      cut(pool.answer), None if pool.score is None else cut(pool.score), rng
    )
    hit[:] = cut(pool.correct).reshape(len(whole), -1)[question[:, 0], index]
  return Accuracy.of(hits)
