"""One seed's measurements on the test questions, ready to be compared.

The common currency is accuracy[arm][budget] with a number for each question
in it. Questions are the same, in the same order, everywhere in a study, so
arms are compared question by question. A stage that was not run is None, and a
question that any stage skipped or lacks is in none.
"""

from collections.abc import Mapping
import dataclasses
import functools
import pathlib
from typing import Any
import zlib

import numpy as np

from ttc.analysis import (
  aggregate,
  chains,
  curves,
  difficulty,
  names,
  optimal,
  pools,
  spending,
)
from ttc.analysis.curves import Accuracy

Table = dict[str, dict[int, Accuracy]]
Curve = Mapping[int, np.ndarray]  # [Q] by budget

SELECTORS = {
  names.MAJORITY: aggregate.majority,
  names.BEST: aggregate.best,
  names.WEIGHTED: aggregate.weighted,
}
STAGES = (
  'difficulty',
  'search',
  'revise',
  'greedy',
  'large_greedy',
  'large_samples',
  'control_samples',
)
NUM_BINS = 5


@dataclasses.dataclass(frozen=True)
class Study:
  """What one seed measured.

  Attributes:
    seed: of the experiment.
    problem: question ids [Q], those that every stage has.
    difficulty: base samples that only make bins, on all test questions.
    search: pools of the search stage.
    revise: the pool of chains with the largest budget.
    base_greedy: the base model's greedy answer, one a question.
    greedy: the large model's greedy answer, one a question.
    large: the large model's samples.
    control: samples of the model finetuned on its own successes only.
    subsets: random subsets behind every point that is made from a larger pool.
    skipped: by stage and question, why it was skipped.
  """

  seed: int
  problem: np.ndarray
  difficulty: pools.AnswerPool | None = None
  search: tuple[pools.AnswerPool, ...] = ()
  revise: pools.AnswerPool | None = None
  base_greedy: pools.AnswerPool | None = None
  greedy: pools.AnswerPool | None = None
  large: pools.AnswerPool | None = None
  control: pools.AnswerPool | None = None
  subsets: int = 100
  skipped: Mapping[str, Mapping[int, str]] = dataclasses.field(
    default_factory=dict
  )

  @property
  def base(self) -> pools.AnswerPool | None:
    """The pool of independent answers of the base model."""
    return pools.largest(self.search, 'BestOfN')

  @functools.cached_property
  def bins(self) -> Mapping[str, np.ndarray]:
    """Difficulty [Q] in 1 (easiest) to 5, oracle and predicted.

    Made from all questions of the difficulty stage, and from samples that
    score no arm.
    """
    if self.difficulty is None:
      return {}
    pool = self.difficulty
    place = np.searchsorted(pool.problem, self.problem)
    found = {'oracle': difficulty.oracle(pool.correct, NUM_BINS)}
    if pool.values is not None:
      found['predicted'] = difficulty.predicted(pool.score(), NUM_BINS)
    return {kind: estimate.bins[place] for kind, estimate in found.items()}

  @functools.cached_property
  def base_arms(self) -> Table:
    """Selections among the base model's independent answers."""
    return {} if self.base is None else self.selections(self.base)

  @functools.cached_property
  def orm_arms(self) -> Table:
    """The same answers chosen by an outcome verifier, where one scored them."""
    if self.base is None or 'orm' not in self.base.scores:
      return {}
    return self.selections(self.base, verifier='orm')

  @functools.cached_property
  def search_arms(self) -> Table:
    """Weighted best-of-N and every step search; what a policy chooses from."""
    weighted = self.base_arms.get(names.WEIGHTED)
    table: Table = {} if weighted is None else {names.WEIGHTED: weighted}
    found = [p for p in self.search if not p.strategy.startswith('BestOfN(')]
    called = names.unique(p.strategy for p in found)
    for arm in dict.fromkeys(called.values()):
      budgets = sorted({p.budget for p in found if called[p.strategy] == arm})
      table[arm] = {
        budget: _mean(
          [
            self._whole(p)
            for p in found
            if called[p.strategy] == arm and p.budget == budget
          ]
        )
        for budget in budgets
      }
    return table

  @functools.cached_property
  def search_optimal(self) -> optimal.Optimal | None:
    """The policy over `search_arms`; None where there is nothing to choose."""
    return self._optimal(self.search_arms)

  @functools.cached_property
  def revision_optimal(self) -> Mapping[str, optimal.Optimal]:
    """The policy over ratios, by 'verifier' and 'majority'."""
    fits = {
      by: self._optimal(table) for by, table in self.revision_arms.items()
    }
    return {by: fit for by, fit in fits.items() if fit is not None}

  @functools.cached_property
  def revision_arms(self) -> Mapping[str, Table]:
    """Every ratio of sequential to parallel, by 'verifier' and 'majority'."""
    if self.revise is None:
      return {}
    tables = {'majority': self._ratios(self.revise, aggregate.flat_majority)}
    if self.revise.values is not None:
      tables['verifier'] = self._ratios(self.revise, aggregate.hierarchical)
    return tables

  def selections(
    self,
    pool: pools.AnswerPool,
    how: aggregate.Reduction = 'last',
    verifier: str | None = None,
  ) -> Table:
    """Accuracy by way of selection, at powers of two up to the pool's width.

    Args:
      pool: independent answers.
      how: the reduction of step values to a score.
      verifier: one of the pool's further verifiers instead of its first.
    """
    score = pool.scores[verifier] if verifier else pool.score(how)
    arms = {
      arm: select
      for arm, select in SELECTORS.items()
      if score is not None or arm == names.MAJORITY
    }
    # What a further verifier read is not in the records.
    spent = lambda arm, n: (
      None
      if verifier
      else spending.answers(pool, n, scored=arm != names.MAJORITY)
    )
    return {
      arm: {
        n: _charged(self._subsets(pool, score, n, arm, select), spent(arm, n))
        for n in powers(pool.width)
      }
      for arm, select in arms.items()
    }

  def coverage(self, pool: pools.AnswerPool) -> dict[int, Accuracy]:
    """pass@N: whether any of N answers is right."""
    return {
      n: Accuracy(curves.coverage(pool.correct, n), 0.0)
      for n in powers(pool.width)
    }

  def split(
    self,
    attempts: chains.ChainOutcomes,
    sequential: int,
    parallel: int,
    select: aggregate.Selector,
  ) -> Accuracy:
    """Accuracy of one split of a budget between turns and chains."""
    settled = (
      select is aggregate.hierarchical
      and (attempts.turns >= sequential).sum() == parallel
    )
    rng = self._rng(f'split {sequential} {parallel}')
    found = chains.split_accuracy(
      attempts,
      sequential,
      parallel,
      select,
      rng,
      1 if settled else self.subsets,
    )
    single = sequential * parallel == 1
    first = attempts.correct[:, :, 0].mean(1)
    return found._replace(question=first) if single else found

  def _ratios(
    self, pool: pools.AnswerPool, select: aggregate.Selector
  ) -> Table:
    """Accuracy of every split of every budget, by ratio."""
    attempts = pool.chains()
    table: Table = {}
    for budget in powers(len(attempts.turns)):
      for sequential, parallel in chains.splits(budget):
        if (attempts.turns >= sequential).sum() >= parallel:
          arm = names.ratio(sequential, parallel)
          spent = spending.split(
            pool, sequential, parallel, scored=select is aggregate.hierarchical
          )
          table.setdefault(arm, {})[budget] = _charged(
            self.split(attempts, sequential, parallel, select), spent
          )
    return table

  def _subsets(self, pool, score, n, arm, select) -> Accuracy:
    settled = n == pool.width and arm != names.MAJORITY
    found = curves.subset_accuracy(
      pool.correct,
      pool.answer,
      score,
      n,
      select,
      self._rng(f'{arm} {n}'),
      1 if settled else self.subsets,
    )
    return found._replace(question=pool.correct.mean(1)) if n == 1 else found

  def _whole(self, pool: pools.AnswerPool) -> Accuracy:
    """Accuracy of the vote over all answers of a search, if scored weighted."""
    score = pool.score()
    vote = aggregate.majority if score is None else aggregate.weighted
    found = curves.subset_accuracy(
      pool.correct,
      pool.answer,
      score,
      pool.width,
      vote,
      self._rng(pool.strategy),
      1,
    )
    return _charged(found, spending.whole(pool))

  def _optimal(self, table: Table) -> optimal.Optimal | None:
    flops = {
      arm: {n: point.flops for n, point in curve.items()}
      for arm, curve in table.items()
    }
    known = all(
      spent is not None for curve in flops.values() for spent in curve.values()
    )
    return optimal.fit(
      questions(table), self.bins, self.seed, flops=flops if known else None
    )

  def _rng(self, what: str) -> np.random.Generator:
    """A stream of its own for each point, whatever else is computed."""
    return np.random.default_rng([self.seed, zlib.crc32(what.encode())])


def load(
  root: pathlib.Path,
  seed: int,
  *,
  subsets: int = 100,
  **folders: str,
) -> Study:
  """Reads the stages below a seed's folder.

  Args:
    root: holds one folder a stage.
    seed: of the experiment.
    subsets: see Study.
    **folders: which of STAGES to read, and the names of their folders; all
      that are there, under their usual names, if none is given.
  """
  folders = folders or {name: name for name in STAGES}
  stages = {
    name: pools.read_stage(root / folder) for name, folder in folders.items()
  }
  stage = lambda name: stages[name].pools if name in stages else []
  searches = stage('search')
  found: dict[str, Any] = {
    'difficulty': pools.largest(stage('difficulty'), 'BestOfN'),
    'revise': max(
      (p for p in stage('revise') if p.chain is not None),
      key=lambda p: p.budget,
      default=None,
    ),
    'base_greedy': pools.largest(stage('greedy'), 'Greedy'),
    'greedy': pools.largest(stage('large_greedy'), 'Greedy'),
    'large': pools.largest(stage('large_samples'), 'BestOfN'),
    'control': pools.largest(stage('control_samples'), 'BestOfN'),
  }
  everything = [*searches, *(p for p in found.values() if p is not None)]
  if not everything:
    raise ValueError(
      f'{root} holds no samples of test questions; run the stages '
      'difficulty, search or revise first.'
    )
  problem = functools.reduce(np.intersect1d, [p.problem for p in everything])
  if not problem.size:
    raise ValueError(
      f'The stages below {root} have no question in common; run them on '
      'the same split.'
    )
  aligned = {
    name: pool if pool is None or name == 'difficulty' else pool.at(problem)
    for name, pool in found.items()
  }
  return Study(
    seed=seed,
    problem=problem,
    subsets=subsets,
    search=tuple(p.at(problem) for p in searches),
    skipped={name: s.skipped for name, s in stages.items() if s.skipped},
    **aligned,
  )


def questions(table: Table) -> dict[str, Curve]:
  """The table without the spread over subsets: accuracy[arm][budget] [Q]."""
  return {
    arm: {n: point.question for n, point in curve.items()}
    for arm, curve in table.items()
  }


def along(table: Mapping[str, Mapping], parallel: bool) -> dict[int, Any]:
  """Of a table of ratios those that are all parallel, or all sequential."""
  name = lambda n: names.ratio(1, n) if parallel else names.ratio(n, 1)
  budgets = sorted({n for arm in table.values() for n in arm})
  return {n: table[name(n)][n] for n in budgets if n in table.get(name(n), {})}


def powers(top: int) -> list[int]:
  """1, 2, 4, ... up to `top`, and `top` itself."""
  return sorted({2**e for e in range(top.bit_length())} | {top})


def _charged(point: Accuracy, spent: np.ndarray | None) -> Accuracy:
  """With what it executes of (useful, executed) [Q, 2]."""
  return point if spent is None else point._replace(flops=spent[:, 1])


def _mean(repeats: list[Accuracy]) -> Accuracy:
  flops = [r.flops for r in repeats]
  return Accuracy(
    np.mean([r.question for r in repeats], 0),
    float(np.mean([r.sd for r in repeats])),
    None if any(f is None for f in flops) else np.mean(flops, 0),
  )
