"""`ttc revise`: chains of revisions, sequential and parallel (paper §6)."""

from collections.abc import Iterator, Mapping, Sequence
import dataclasses
from typing import ClassVar

from ttc.allocation import grades
from ttc.analysis.chains import turns_needed
from ttc.data.problems import Problem
from ttc.examples.context import KEEP
from ttc.inference.models import Models
from ttc.inference.requests import PlanRunner
from ttc.inference.scheduler import Scheduler
from ttc.models import partitioning
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.stage import StageRun
from ttc.runtime import limits
from ttc.search.rescoring import final_values
from ttc.search.revisions import Chains, Revision, Trail
from ttc.search.solutions import Solution
from ttc.stages.solver import Solver
from ttc.stages.streams import stage_key


@dataclasses.dataclass(frozen=True)
class Revise:
  """Samples chains of revisions of every question.

  With a budget, the chains are a nested pool: long enough and as many as needed
  so that every sequential-to-parallel ratio of that budget, and of the smaller
  budgets that divide it, is a subset of them (see analysis/chains.py).

  Attributes:
    solver: the revision model, and the verifier, which scores an attempt with
      the same earlier attempts in its context. Scorers read each attempt alone.
    budget: the largest number of generations per question (N); None if `turns`
      is given.
    turns: number of turns of each of `chains` chains, instead of a budget.
    chains: number of chains, with `turns`.
    keep: at most this number of earlier attempts is in the context.
    size: questions per part.
    name: name of the stage.

  Raises:
    ValueError: both `budget` and `turns` are given, or neither; or a number is
      out of its range.
  """

  kind: ClassVar[str] = 'revise'
  solver: Solver
  budget: int | None = None
  turns: int | None = None
  chains: int = 1
  keep: int = KEEP
  size: int = 64
  name: str = 'revise'

  def __post_init__(self):
    if (self.budget is None) == (self.turns is None):
      raise ValueError(
        f'Revise.budget={self.budget} and turns={self.turns}: give one of them.'
      )
    limits.whole(self, 'budget', 'turns', 'chains', 'size')
    limits.whole(self, 'keep', least=0)

  def check(self, experiment: Experiment) -> None:
    """Raises ValueError for models that are missing or do not fit."""
    attempts = min(self.plan()[0], self.keep + 1)
    self.solver.check(experiment, self, attempts)

  def plan(self) -> tuple[int, ...]:
    """Number of turns of each chain, the longest first."""
    if self.budget is None:
      return (self.turns,) * self.chains
    return tuple(turns_needed(self.budget).tolist())

  def __call__(self, run: StageRun) -> None:
    """Writes one record per question, its rows by chain and turn.

    A record is as in `arms.run_arms`; its rows have "chain" (from 0) and "turn"
    (from 1) too. "spent" is the cost after the prompt and after each turn.
    """
    chains = Chains(self.plan(), self.solver.task.vocabulary, self.keep)
    scheduler = None
    for part in run.parts(
      self.solver.problems, self.size, grades=grades.of_chains
    ):
      if scheduler is None:
        self.solver.say_if_equal(run, len(self.plan()))
        models = self.solver.load(run)
        scorers = self.solver.load_scorers(run, models)
        scheduler = self.solver.scheduler(
          run,
          models,
          chains.slots,
          chains.longest(
            self.solver.prompt_width, self.solver.generation.max_tokens
          ),
        )
      with partitioning.use(models.mesh):
        part.write(
          list(
            self._records(run, models, scheduler, scorers, chains, part.items)
          )
        )

  def _records(
    self,
    run: StageRun,
    models: Models,
    scheduler: PlanRunner,
    scorers: Mapping[str, Scheduler],
    chains: Chains,
    problems: Sequence[Problem],
  ) -> Iterator[dict]:
    """Records of the problems, in their order."""
    skipped = self.solver.skipped
    questions = {
      q.id: q
      for q in self.solver.posed(
        [problem for problem in problems if not skipped(problem)],
        stage_key(run),
      )
    }
    trails = {problem.id: Trail() for problem in problems}
    rows = {}
    for question, _ in scheduler.run(
      (q, chains.plan(q, models, trails[q.id]), chains.slots)
      for q in questions.values()
    ):
      # Graded here and not after the loop: the devices work on other questions
      # in the meantime.
      rows[question.id] = self._rows(
        question.id, _by_chain(trails[question.id])
      )
    solutions = [
      Solution(q, [r.attempt for r in _by_chain(trails[q.id])])
      for q in questions.values()
    ]
    for name, scorer in scorers.items():
      for id, values in zip(
        questions, final_values(scorer, solutions), strict=True
      ):
        for row, value in zip(rows[id], values, strict=True):
          row.setdefault('scores', {})[name] = value
    for problem in problems:
      record = {
        'problem': problem.id,
        **problem.told,
        'strategy': f'Revise(keep={self.keep})',
        'budget': self.budget or sum(chains.turns),
        'seed': run.seed,
        'rows': rows.get(problem.id, []),
      }
      if reason := skipped(problem):
        yield {**record, 'skipped': reason}
      else:
        yield {
          **record,
          'spent': trails[problem.id].spent,
          'cost': questions[problem.id].cost.record(),
        }

  def _rows(self, problem: int, revisions: Sequence[Revision]) -> list[dict]:
    """Graded attempts of one problem."""
    rows = self.solver.judge(problem, [r.attempt for r in revisions])
    return [
      {**row, 'chain': r.chain, 'turn': r.turn}
      for r, row in zip(revisions, rows, strict=True)
    ]


def _by_chain(trail: Trail) -> list[Revision]:
  """The attempts of a trail by chain and turn."""
  # The trail is turn by turn. The sort is stable, so turns stay in order.
  return sorted(trail.revisions, key=lambda r: r.chain)
