"""`ttc revise`: chains of revisions, sequential and parallel (paper §6)."""

from collections.abc import Iterator, Mapping, Sequence
import dataclasses
from types import MappingProxyType
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
    budget, scheduler = self.budget or sum(chains.turns), None
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
      items = [(chains, problem) for problem in part.items]
      with partitioning.use(models.mesh):
        found = records(run, self.solver, models, scheduler, items, scorers)
        part.write([{**row, 'budget': budget} for row in found])


def records(
  run: StageRun,
  solver: Solver,
  models: Models,
  scheduler: PlanRunner,
  items: Sequence[tuple[Chains, Problem]],
  scorers: Mapping[str, Scheduler] = MappingProxyType({}),
  stream: str = '',
) -> Iterator[dict]:
  """Revises, and yields the records of items in their order; see `Revise`.

  Args:
    run: the run of the stage.
    solver: its models and questions.
    models: models from `solver.load`.
    scheduler: scheduler of the models.
    items: chains and question, each question once.
    scorers: further verifiers, from `solver.load_scorers`.
    stream: name of the stage whose random stream this is; '' for its own.
  """
  skipped = solver.skipped
  asked = [(own, problem) for own, problem in items if not skipped(problem)]
  questions = {
    q.id: q
    for q in solver.posed(
      [problem for _, problem in asked], stage_key(run, stream=stream)
    )
  }
  chains = {problem.id: own for own, problem in asked}
  trails = {id: Trail() for id in chains}
  rows = {}
  for question, _ in scheduler.run(
    (q, chains[id].plan(q, models, trails[id]), chains[id].slots)
    for id, q in questions.items()
  ):
    # Graded here and not after the loop: the devices work on other questions
    # in the meantime.
    rows[question.id] = judged(solver, question.id, trails[question.id])
  solutions = [
    Solution(q, [r.attempt for r in _by_chain(trails[id])])
    for id, q in questions.items()
  ]
  for name, scorer in scorers.items():
    for id, values in zip(
      questions, final_values(scorer, solutions), strict=True
    ):
      for row, value in zip(rows[id], values, strict=True):
        row.setdefault('scores', {})[name] = value
  for own, problem in items:
    record = {
      'problem': problem.id,
      **problem.told,
      'strategy': f'Revise(keep={own.keep})',
      'budget': sum(own.turns),
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


def judged(solver: Solver, problem: int, trail: Trail) -> list[dict]:
  """Graded attempts of one problem, by chain and turn."""
  revisions = _by_chain(trail)
  rows = solver.judge(problem, [r.attempt for r in revisions])
  return [
    {**row, 'chain': r.chain, 'turn': r.turn}
    for r, row in zip(revisions, rows, strict=True)
  ]


def _by_chain(trail: Trail) -> list[Revision]:
  """The attempts of a trail by chain and turn."""
  # The trail is turn by turn. The sort is stable, so turns stay in order.
  return sorted(trail.revisions, key=lambda r: r.chain)
