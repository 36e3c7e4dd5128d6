"""Strategies: ways to spend N generations on one question (paper §5.2).

A generation is one sampled solution; what is sampled and discarded, as in
lookahead search, counts too. A strategy is a frozen dataclass whose `plan` is a
generator of requests (`inference.requests`), and the scheduler runs the plans
of many questions at once.

    BestOfN        N independent attempts
    Greedy         one attempt at temperature 0, N = 1
    GreedySeeded   one greedy attempt and N - 1 sampled ones (module
                   `greedy_seeded`)
    StepSearch     W rows that are extended step by step: beam search, lookahead
                   search, DVTS, REBASE, particle filter
    Mcts           one search tree (module `mcts`)
    Backtrack      attempts from the best prefixes of others (module
                   `backtrack`)
    Tempered       any of them at a temperature of its own (module `tempered`)
    Sparse         any of them with several steps for one (module `sparse`)
    Guided         any of them in turns that see the best attempts so far
                   (module `guided`)
"""

import dataclasses
from typing import ClassVar, Protocol

import numpy as np

from ttc.inference import keys
from ttc.inference.requests import Extend, fork, Plan, Prefill, Question
from ttc.inference.rows import Row
from ttc.runtime import limits
from ttc.search.allocate import (
  Beam,
  Dvts,
  Keep,
  parents,
  ParticleFilter,
  Rebase,
)

# A plan whose rows run to their ends without waiting for each other needs one
# slot for the prompt, which the waiting rows share, and one for a row that is
# being sampled. With more free slots more of its rows are sampled at once.
SEQUENTIAL_SLOTS = 2


class Strategy(Protocol):
  """What a stage needs of a strategy.

  Implementations are frozen dataclasses, therefore hashable. Their `repr` is
  the name of the strategy in the records.

  One whose rows have more before their attempts than the prompt says how long
  they are by a method `longest`; see the function.

  Attributes:
    verified: whether the search itself needs a verifier. Where it is False a
      verifier, if there is one, only scores the finished attempts.
  """

  verified: bool

  def rows(self, budget: int) -> int:
    """Returns the number of attempts per question (W) for a budget (N).

    Raises:
      ValueError: the strategy cannot spend this budget.
    """

  def slots(self, budget: int) -> int:
    """Returns the number of KV pool slots with which a plan can finish."""

  def plan(self, question: Question, budget: int) -> Plan:
    """Returns a generator of requests that returns the finished rows [W].

    Args:
      question: to be answered; its key determines all that is sampled.
      budget: generations to spend (N).

    Raises:
      ValueError: as `rows`, once the generator runs.
    """


@dataclasses.dataclass(frozen=True)
class BestOfN:
  """N independent attempts; choosing one of them is left to the analysis.

  Costs N attempts. The prompt is prefilled once per model.
  """

  verified: ClassVar[bool] = False

  def rows(self, budget: int) -> int:
    return at_least_one(self, budget)

  def slots(self, budget: int) -> int:
    return min(budget, SEQUENTIAL_SLOTS)

  def plan(self, question: Question, budget: int) -> Plan:
    root = question.root()
    yield Prefill([root])
    rows = fork([root], [0] * self.rows(budget))
    yield Extend(rows)
    return rows


@dataclasses.dataclass(frozen=True)
class Greedy:
  """One attempt of most likely tokens: the answer without test-time compute.

  Costs one attempt, and takes a budget of 1 only.
  """

  verified: ClassVar[bool] = False

  def rows(self, budget: int) -> int:
    if budget != 1:
      raise ValueError(
        f'Greedy() always gives the same attempt; its budget is 1, not '
        f'{budget}.'
      )
    return 1

  def slots(self, budget: int) -> int:
    return budget

  def plan(self, question: Question, budget: int) -> Plan:
    self.rows(budget)
    row = question.root()
    yield Prefill([row])
    yield Extend([row], greedy=True)
    return [row]


@dataclasses.dataclass(frozen=True)
class StepSearch:
  """Beam and lookahead search, and their relatives (paper §5.2).

  Each round extends all W rows by one step, values them by the verifier, and
  replaces them by W children of the rows that the allocator chooses. All W rows
  end as attempts.

      Beam(M)                 beam search, M children per kept row
      Beam(M), lookahead=k    lookahead search
      Keep(K)                 beam search, K kept rows whatever W is
      Dvts(M)                 Beeching et al. 2024
      Rebase()                Wu et al. 2024
      ParticleFilter()        Puri et al. 2025

  A budget of N generations pays for W = N / (k + 1) rows: with lookahead each
  step of a row costs up to k further steps.

  Attributes:
    allocator: how many children each row gets; see `allocate`.
    lookahead: k; a row's value is read at the end of a greedy rollout of at
      most k steps, which is then discarded.
    rounds: number of choices; after them rows run to their ends.

  Raises:
    ValueError: lookahead is negative, or rounds is not positive.
  """

  verified: ClassVar[bool] = True
  allocator: Beam | Keep | Dvts | Rebase | ParticleFilter = Beam()
  lookahead: int = 0
  rounds: int = 40

  def __post_init__(self):
    limits.whole(self, 'lookahead', least=0)
    limits.whole(self, 'rounds')

  def rows(self, budget: int) -> int:
    """Returns W = N / (k + 1).

    Raises:
      ValueError: k + 1 does not divide N, or the allocator does not fit W rows.
    """
    price = self.lookahead + 1
    if budget % price:
      raise ValueError(
        f'A budget of {budget} is not a multiple of lookahead + 1 = {price} '
        f'in {self!r}; use {budget // price * price or price}.'
      )
    rows = at_least_one(self, budget // price)
    self.allocator.resolve(rows)
    return rows

  def slots(self, budget: int) -> int:
    # Rows wait for each other at every step end, each with its caches.
    return self.rows(budget)

  def plan(self, question: Question, budget: int) -> Plan:
    root = question.root()
    yield Prefill([root])
    rows = fork([root], [0] * self.rows(budget))
    yield Extend(rows, steps=1)
    for round_ in range(self.rounds):
      if all(row.done for row in rows):
        return rows
      # Without lookahead the verifier has valued each row by its last token.
      if self.lookahead:
        values = yield from self._look_ahead(rows)
      else:
        values = [row.value for row in rows]
      rows = fork(rows, self.parents(question.key, round_, rows, values))
      yield Extend(rows, steps=1)
    yield Extend(rows)
    return rows

  def _look_ahead(self, rows: list[Row]) -> Plan:
    """Returns values [W], read at the ends of greedy rollouts of k steps.

    A rollout is written to the row's own slot, behind the positions that the
    row keeps, and the row is rewound afterwards: no cache is copied.
    """
    marks = [row.mark() for row in rows]
    # A row that ends in its rollout is going to be extended from its mark, so
    # that it must not give up its slot.
    yield Extend(rows, steps=self.lookahead, greedy=True, keep=True)
    values = [row.value for row in rows]
    for row, mark in zip(rows, marks, strict=True):
      row.rewind(mark)
    return values

  def parents(
    self, key: np.ndarray, round_: int, rows: list[Row], values: list[float]
  ) -> list[int]:
    """Chooses the rows to continue.

    Args:
      key: uint32 [2], of the question.
      round_: number of choices made before.
      rows: [W] candidates.
      values: [W] their values in [0, 1].

    Returns:
      [W], the index of each child's parent, in rising order.
    """
    # Copies have one value: which of them come first must not depend on how the
    # devices rounded, and so on the rows that happened to be read with them.
    first = {}
    values = [
      first.setdefault(tuple(row.tokens), value)
      for row, value in zip(rows, values, strict=True)
    ]
    # A stream apart from those of the rows, which fold ordinals and positions
    # into the same key.
    round_key = lambda: keys.fold(keys.fold(key, [keys.ASIDE])[0], [round_])[0]
    counts = self.allocator(
      lambda: keys.uniform(round_key()),
      np.array(values),
      np.array([row.done for row in rows]),
    )
    return parents(counts).tolist()


def longest(strategy: Strategy, prompt: int, attempt: int) -> int:
  """Returns the maximum number of tokens of a strategy's rows.

  Args:
    strategy: asked itself or, where it is around another one, by that one.
    prompt: maximum number of tokens of a prompt.
    attempt: maximum number of tokens of an attempt.
  """
  while not hasattr(strategy, 'longest') and hasattr(strategy, 'strategy'):
    strategy = strategy.strategy
  own = getattr(strategy, 'longest', None)
  return prompt + attempt if own is None else own(prompt, attempt)


def stops_at_steps(strategy: Strategy, budget: int) -> bool:
  """Returns whether what a strategy samples first pauses at ends of steps."""
  nobody = Question(0, [0], keys.root(0), room=1)
  for request in strategy.plan(nobody, budget):
    if isinstance(request, Extend):
      return request.steps > 0
  return False


def at_least_one(strategy: Strategy, rows: int) -> int:
  """Returns `rows`; raises ValueError that names the strategy if below 1."""
  if rows < 1:
    raise ValueError(f'{strategy!r}: a budget must be at least 1.')
  return rows
