"""`ttc revise`: chains of revisions, sequential against parallel (paper §6)."""

from collections.abc import Iterator, Sequence
import dataclasses
from typing import ClassVar

from ttc.analysis.chains import turns_needed
from ttc.data.context import KEEP
from ttc.data.problems import Problem
from ttc.inference.models import Models
from ttc.inference.scheduler import Scheduler
from ttc.models import partitioning
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.stage import StageRun
from ttc.search.revisions import Chains, Trail
from ttc.stages.solver import Solver, stage_key


@dataclasses.dataclass(frozen=True)
class Revise:
  """Samples one nested pool of chains a question, for all ratios at once.

  Attributes:
    solver: the revision model, and the verifier that sees the history.
    budget: the largest N; every split of it and of its halves can be read off
      the pool.
    turns: instead of a budget, `chains` chains of so many turns.
    chains: see `turns`.
    keep: earlier attempts in the context, at most.
    size: questions a part.
    name: of the stage.
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

  def check(self, experiment: Experiment) -> None:
    """Needs its models before it."""
    attempts = min(self.plan()[0], self.keep + 1)
    self.solver.check(experiment, self, attempts)

  def plan(self) -> tuple[int, ...]:
    """Turns of each chain."""
    if self.budget is None:
      return (self.turns,) * self.chains
    return tuple(turns_needed(self.budget).tolist())

  def __call__(self, run: StageRun) -> None:
    """Writes one record a question, its rows by chain and turn."""
    chains = Chains(self.plan(), self.solver.task.vocabulary, self.keep)
    scheduler = None
    for part in run.parts(self.solver.problems, self.size):
      if scheduler is None:
        models = self.solver.load(run)
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
          list(self._records(run, models, scheduler, chains, part.items))
        )

  def _records(
    self,
    run: StageRun,
    models: Models,
    scheduler: Scheduler,
    chains: Chains,
    problems: Sequence[Problem],
  ) -> Iterator[dict]:
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
      # While devices go on with the others.
      rows[question.id] = self._rows(question.id, trails[question.id])
    for problem in problems:
      record = {
        'problem': problem.id,
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

  def _rows(self, problem: int, trail: Trail) -> list[dict]:
    revisions = sorted(trail.revisions, key=lambda r: r.chain)
    rows = self.solver.judge(problem, [r.attempt for r in revisions])
    return [
      {**row, 'chain': r.chain, 'turn': r.turn}
      for r, row in zip(revisions, rows, strict=True)
    ]
