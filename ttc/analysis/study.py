"""One seed's measurements on the test questions, ready to be compared.

The common currency is accuracy[arm][budget] with a number for each question
in it. Questions are the same, in the same order, everywhere in a study, so
arms are compared question by question. A stage that was not run is None.
"""

from collections.abc import Mapping
import dataclasses
import functools
import pathlib
from typing import Any
import zlib

import numpy as np

from ttc.analysis import chains, curves, difficulty, names, optimal, pools
from ttc.analysis.curves import Accuracy
from ttc.verifiers import aggregate

Table = dict[str, dict[int, Accuracy]]
Curve = Mapping[int, np.ndarray]  # [Q] by budget

SELECTORS = {
    names.MAJORITY: aggregate.majority,
    names.BEST: aggregate.best,
    names.WEIGHTED: aggregate.weighted,
}
STAGES = ('difficulty', 'search', 'revise', 'greedy', 'large_greedy',
          'large_samples', 'control_samples')
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
  """

  seed: int
  problem: np.ndarray
  difficulty: pools.Pool | None = None
  search: tuple[pools.Pool, ...] = ()
  revise: pools.Pool | None = None
  base_greedy: pools.Pool | None = None
  greedy: pools.Pool | None = None
  large: pools.Pool | None = None
  control: pools.Pool | None = None
  subsets: int = 100

  @property
  def base(self) -> pools.Pool | None:
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
          budget: _mean([
              self._whole(p) for p in found
              if called[p.strategy] == arm and p.budget == budget])
          for budget in budgets}
    return table

  @functools.cached_property
  def search_optimal(self) -> optimal.Optimal | None:
    """The policy over `search_arms`; None where there is nothing to choose."""
    return optimal.fit(questions(self.search_arms), self.bins, self.seed)

  @functools.cached_property
  def revision_optimal(self) -> Mapping[str, optimal.Optimal]:
    """The policy over ratios, by 'verifier' and 'majority'."""
    fits = {by: optimal.fit(questions(table), self.bins, self.seed)
            for by, table in self.revision_arms.items()}
    return {by: fit for by, fit in fits.items() if fit is not None}

  @functools.cached_property
  def revision_arms(self) -> Mapping[str, Table]:
    """Every ratio of sequential to parallel, by 'verifier' and 'majority'."""
    if self.revise is None:
      return {}
    tables = {'majority': self.ratios(self.revise.chains(),
                                      aggregate.flat_majority)}
    if self.revise.values is not None:
      tables['verifier'] = self.ratios(self.revise.chains(),
                                       aggregate.hierarchical)
    return tables

  def selections(
      self, pool: pools.Pool, how: aggregate.Reduction = 'last',
      verifier: str | None = None) -> Table:
    """Accuracy by way of selection, at powers of two up to the pool's width.

    Args:
      pool: independent answers.
      how: the reduction of step values to a score.
      verifier: one of the pool's further verifiers instead of its first.
    """
    score = pool.scores[verifier] if verifier else pool.score(how)
    return {
        arm: {n: self._subsets(pool, score, n, arm, select)
              for n in powers(pool.width)}
        for arm, select in SELECTORS.items()
        if score is not None or arm == names.MAJORITY}

  def coverage(self, pool: pools.Pool) -> dict[int, Accuracy]:
    """pass@N: whether any of N answers is right."""
    return {n: Accuracy(curves.coverage(pool.correct, n), 0.0)
            for n in powers(pool.width)}

  def ratios(
      self, attempts: chains.Chains, select: aggregate.Selector) -> Table:
    """Accuracy of every split of every budget, by ratio."""
    table: Table = {}
    for budget in powers(len(attempts.turns)):
      for sequential, parallel in chains.splits(budget):
        if (attempts.turns >= sequential).sum() >= parallel:
          arm = names.ratio(sequential, parallel)
          table.setdefault(arm, {})[budget] = self.split(
              attempts, sequential, parallel, select)
    return table

  def split(
      self, attempts: chains.Chains, sequential: int, parallel: int,
      select: aggregate.Selector) -> Accuracy:
    """Accuracy of one split of a budget between turns and chains."""
    settled = (select is aggregate.hierarchical
               and (attempts.turns >= sequential).sum() == parallel)
    rng = self._rng(f'split {sequential} {parallel}')
    found = chains.split_accuracy(attempts, sequential, parallel, select, rng,
                                  1 if settled else self.subsets)
    single = sequential * parallel == 1
    first = attempts.correct[:, :, 0].mean(1)
    return found._replace(question=first) if single else found

  def _subsets(self, pool, score, n, arm, select) -> Accuracy:
    settled = n == pool.width and arm != names.MAJORITY
    found = curves.subset_accuracy(
        pool.correct, pool.answer, score, n, select,
        self._rng(f'{arm} {n}'), 1 if settled else self.subsets)
    return found._replace(question=pool.correct.mean(1)) if n == 1 else found

  def _whole(self, pool: pools.Pool) -> Accuracy:
    """Accuracy of the weighted vote over all answers of a search."""
    return curves.subset_accuracy(
        pool.correct, pool.answer, pool.score(), pool.width,
        aggregate.weighted, self._rng(pool.strategy), 1)

  def _rng(self, what: str) -> np.random.Generator:
    """A stream of its own for each point, whatever else is computed."""
    return np.random.default_rng([self.seed, zlib.crc32(what.encode())])


def load(
    root: pathlib.Path, seed: int, *, subsets: int = 100, **folders: str,
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
  stage = lambda name: (
      pools.read(root / folders[name]) if name in folders else [])
  searches = stage('search')
  found: dict[str, Any] = {
      'difficulty': pools.largest(stage('difficulty'), 'BestOfN'),
      'revise': max((p for p in stage('revise') if p.chain is not None),
                    key=lambda p: p.budget, default=None),
      'base_greedy': pools.largest(stage('greedy'), 'Greedy'),
      'greedy': pools.largest(stage('large_greedy'), 'Greedy'),
      'large': pools.largest(stage('large_samples'), 'BestOfN'),
      'control': pools.largest(stage('control_samples'), 'BestOfN'),
  }
  everything = [*searches, *(p for p in found.values() if p is not None)]
  if not everything:
    raise ValueError(
        f'{root} holds no samples of test questions; run the stages '
        'difficulty, search or revise first.')
  problem = functools.reduce(np.intersect1d, [p.problem for p in everything])
  if not problem.size:
    raise ValueError(
        f'The stages below {root} have no question in common; run them on '
        'the same split.')
  aligned = {name: pool if pool is None or name == 'difficulty'
             else pool.at(problem) for name, pool in found.items()}
  return Study(seed=seed, problem=problem, subsets=subsets,
               search=tuple(p.at(problem) for p in searches), **aligned)


def questions(table: Table) -> dict[str, Curve]:
  """The table without the spread over subsets: accuracy[arm][budget] [Q]."""
  return {arm: {n: point.question for n, point in curve.items()}
          for arm, curve in table.items()}


def powers(top: int) -> list[int]:
  """1, 2, 4, ... up to `top`, and `top` itself."""
  return sorted({2 ** e for e in range(top.bit_length())} | {top})


def _mean(repeats: list[Accuracy]) -> Accuracy:
  return Accuracy(np.mean([r.question for r in repeats], 0),
                  float(np.mean([r.sd for r in repeats])))
