"""Measurements of one seed on the test questions, aligned by question.

Results are tables accuracy[arm][budget] with one number per question [Q]. All
arrays of a study have the same questions in the same order, so arms can be
compared question by question. A stage that was not run is None. A question
that any stage skipped or lacks is left out of all stages.
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
Curve = Mapping[int, np.ndarray]  # accuracy [Q] by budget

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


@dataclasses.dataclass(frozen=True)
class Study:
  """Answer pools of one seed, and the accuracy tables derived from them.

  Attributes:
    seed: seed of the experiment; it also seeds subsets and folds.
    problem: ids of the questions that every stage has, ascending [Q].
    difficulty: base model's samples that only set the bins. They keep all of
      the stage's questions, also those that are not in `problem`.
    search: pools of the search stage.
    revise: the pool of chains with the largest budget.
    base_greedy: the base model's greedy answers, one per question.
    greedy: the large model's greedy answers, one per question.
    large: the large model's samples.
    control: samples of the model finetuned on its own successes only.
    subsets: random subsets averaged for a point that uses part of a pool.
    skipped: reasons for skipping, by stage and question id.
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
    """The base model's largest pool of independent answers."""
    return pools.largest(self.search, 'BestOfN')

  @functools.cached_property
  def bins(self) -> Mapping[str, np.ndarray]:
    """Difficulty bins int [Q], 1 (easiest) to 5, by 'oracle' and 'predicted'.

    The thresholds are quantiles over all questions of the difficulty stage,
    whose samples score no arm. 'predicted' is missing without a verifier.
    """
    if self.difficulty is None:
      return {}
    pool = self.difficulty
    place = np.searchsorted(pool.problem, self.problem)
    estimates = {'oracle': difficulty.oracle(pool.correct)}
    if pool.values is not None:
      estimates['predicted'] = difficulty.predicted(pool.score())
    return {kind: estimate.bins[place] for kind, estimate in estimates.items()}

  @functools.cached_property
  def base_arms(self) -> Table:
    """Accuracy by selector, among the base model's independent answers."""
    return {} if self.base is None else self.selections(self.base)

  @functools.cached_property
  def orm_arms(self) -> Table:
    """`base_arms` with the scores of an outcome verifier; {} without one."""
    if self.base is None or 'orm' not in self.base.scores:
      return {}
    return self.selections(self.base, verifier='orm')

  @functools.cached_property
  def search_arms(self) -> Table:
    """Weighted best-of-N, every search and greedy: the policy's arms."""
    weighted = self.base_arms.get(names.WEIGHTED)
    table: Table = {} if weighted is None else {names.WEIGHTED: weighted}
    searches = [p for p in self.search if not p.strategy.startswith('BestOfN(')]
    short = names.unique(p.strategy for p in searches)
    for arm in dict.fromkeys(short.values()):
      own = [p for p in searches if short[p.strategy] == arm]
      # Samples at another temperature serve all budgets, as the base's do.
      if tempered := pools.largest(own, 'Tempered(strategy=BestOfN'):
        found = self.selections(tempered)
        table[arm] = found.get(names.WEIGHTED, found[names.MAJORITY])
        continue
      table[arm] = {
        budget: _mean([self._whole(p) for p in own if p.budget == budget])
        for budget in sorted({p.budget for p in own})
      }
    if table and self.base_greedy is not None:
      table[names.GREEDY] = {1: self._whole(self.base_greedy)}
    return table

  @functools.cached_property
  def search_optimal(self) -> optimal.Optimal | None:
    """The policy over `search_arms`; None without bins or without a choice."""
    return self._optimal(self.search_arms)

  @functools.cached_property
  def revision_optimal(self) -> Mapping[str, optimal.Optimal]:
    """The policies over `revision_arms`, by 'verifier' and 'majority'."""
    fits = {
      by: self._optimal(table) for by, table in self.revision_arms.items()
    }
    return {by: fit for by, fit in fits.items() if fit is not None}

  @functools.cached_property
  def revision_arms(self) -> Mapping[str, Table]:
    """Accuracy by ratio, selected by 'verifier' or 'majority' (paper §6.1)."""
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
    """Accuracy by selector, at powers of two up to the pool's width.

    Args:
      pool: a pool of independent answers.
      how: reduction of step values to the score of an answer.
      verifier: name of one of the pool's further verifiers, whose scores
        replace those of the first; FLOPs are then unknown.

    Returns:
      The table of SELECTORS; of majority alone if the answers have no scores.
    """
    score = pool.scores[verifier] if verifier else pool.score(how)
    arms = {
      arm: select
      for arm, select in SELECTORS.items()
      if score is not None or arm == names.MAJORITY
    }
    # The records have no cost of further verifiers.
    spent = lambda arm, n: (
      None
      if verifier
      else spending.answers(pool, n, scored=arm != names.MAJORITY)
    )
    return {
      arm: {
        n: _charged(self.selected(pool, score, n, arm, select), spent(arm, n))
        for n in curves.powers(pool.width)
      }
      for arm, select in arms.items()
    }

  def coverage(self, pool: pools.AnswerPool) -> dict[int, Accuracy]:
    """pass@N by N: the chance that any of N answers is right, FLOPs unknown."""
    return {
      n: Accuracy(curves.coverage(pool.correct, n), 0.0)
      for n in curves.powers(pool.width)
    }

  def split(
    self,
    attempts: chains.ChainOutcomes,
    sequential: int,
    parallel: int,
    select: aggregate.Selector,
  ) -> Accuracy:
    """Accuracy of one split of a budget between turns and chains.

    Args:
      attempts: chains of the pool.
      sequential: turns per chain.
      parallel: number of chains.
      select: selector over attempts [..., C, T].

    Raises:
      ValueError: too few chains are that long.
    """
    # One draw is enough where each is all long chains, in an order that only
    # decides ties. Majority has many ties, which it breaks at random.
    exact = (
      select is aggregate.hierarchical
      and (attempts.turns >= sequential).sum() == parallel
    )
    rng = self._rng(f'split {sequential} {parallel}')
    point = chains.split_accuracy(
      attempts, sequential, parallel, select, rng, 1 if exact else self.subsets
    )
    single = sequential * parallel == 1
    first = attempts.correct[:, :, 0].mean(1)
    return point._replace(question=first) if single else point

  def _ratios(
    self, pool: pools.AnswerPool, select: aggregate.Selector
  ) -> Table:
    """Accuracy by ratio and budget, of every split that the pool can serve."""
    attempts = pool.chains()
    table: Table = {}
    for budget in curves.powers(len(attempts.turns)):
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

  def selected(self, pool, score, n, arm, select) -> Accuracy:
    """Accuracy of a selector on n of the pool's answers, FLOPs unknown."""
    # As in `split`: one draw is enough where each is the whole pool.
    exact = n == pool.width and arm != names.MAJORITY
    point = curves.subset_accuracy(
      pool.correct,
      pool.answer,
      score,
      n,
      select,
      self._rng(f'{arm} {n}'),
      1 if exact else self.subsets,
    )
    # For n = 1 the mean over subsets is known exactly: it is pass@1.
    return point._replace(question=pool.correct.mean(1)) if n == 1 else point

  def _whole(self, pool: pools.AnswerPool) -> Accuracy:
    """Accuracy of a weighted vote over all answers; of majority if unscored."""
    score = pool.score()
    vote = aggregate.majority if score is None else aggregate.weighted
    point = curves.subset_accuracy(
      pool.correct,
      pool.answer,
      score,
      pool.width,
      vote,
      self._rng(pool.strategy),
      1,
    )
    return _charged(point, spending.whole(pool))

  def _optimal(self, table: Table) -> optimal.Optimal | None:
    """The policy over a table's arms, with FLOPs if all points have them."""
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
    """A generator per point, so that no point depends on the others."""
    # A crc, since `hash` of a string differs between processes.
    return np.random.default_rng([self.seed, zlib.crc32(what.encode())])


def load(
  root: pathlib.Path, seed: int, *, subsets: int = 100, **folders: str
) -> Study:
  """Reads the stages below a seed's folder.

  Args:
    root: folder of the seed, with one folder per stage.
    seed: seed of the experiment.
    subsets: see Study.
    **folders: folder name by which of STAGES it is; by default all STAGES,
      each from the folder of its name. Stages without a folder were not run.

  Raises:
    ValueError: no stage has answers to test questions, the stages have no
      question in common, or the records of a stage disagree.
    ttc.pipeline.records.IncompleteError: a stage has not finished.
  """
  folders = folders or {name: name for name in STAGES}
  stages = {
    name: pools.read_stage(root / folder) for name, folder in folders.items()
  }
  stage = lambda name: stages[name].pools if name in stages else []
  searches = stage('search')
  single: dict[str, Any] = {
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
  everything = [*searches, *(p for p in single.values() if p is not None)]
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
    for name, pool in single.items()
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
  """The accuracies alone: accuracy[arm][budget], float64 [Q]."""
  return {
    arm: {n: point.question for n, point in curve.items()}
    for arm, curve in table.items()
  }


def along(table: Mapping[str, Mapping], parallel: bool) -> dict[int, Any]:
  """Of a table by ratio: N chains of one turn (parallel), or one chain of N."""
  name = lambda n: names.ratio(1, n) if parallel else names.ratio(n, 1)
  budgets = sorted({n for arm in table.values() for n in arm})
  return {n: table[name(n)][n] for n in budgets if n in table.get(name(n), {})}


def _charged(point: Accuracy, spent: np.ndarray | None) -> Accuracy:
  """The point with its executed FLOPs; `spent` is (useful, executed) [Q, 2]."""
  return point if spent is None else point._replace(flops=spent[:, 1])


def _mean(repeats: list[Accuracy]) -> Accuracy:
  """Mean over repeats of a strategy at one budget."""
  flops = [r.flops for r in repeats]
  return Accuracy(
    np.mean([r.question for r in repeats], 0),
    float(np.mean([r.sd for r in repeats])),
    None if any(f is None for f in flops) else np.mean(flops, 0),
  )
