"""Strategies by budget on a set of questions: the body of several stages."""

from collections.abc import Iterator, Mapping, Sequence
import dataclasses
from typing import Protocol

from ttc.data.problems import Problem
from ttc.inference import engine
from ttc.inference.models import Models
from ttc.inference.scheduler import Scheduler
from ttc.models import partitioning
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.stage import StageRun
from ttc.search.rescoring import final_values
from ttc.search.solutions import Attempt, Solution
from ttc.search.strategies import BestOfN, Strategy
from ttc.stages.solver import Solver, stage_key


@dataclasses.dataclass(frozen=True)
class Arm:
  """One strategy and the budgets it is run at."""

  strategy: Strategy
  budgets: tuple[int, ...]

  @classmethod
  def samples(cls, num: int) -> 'Arm':
    """So many independent answers."""
    return cls(BestOfN(), (num,))

  def check(self, verified: bool) -> None:
    """Raises ValueError for what the strategy cannot do.

    Args:
      verified: whether there is a verifier.
    """
    for budget in self.budgets:
      self.strategy.rows(budget)
    if self.strategy.verified and not verified:
      raise ValueError(
        f'{self.strategy!r} needs a verifier; name a stage in Solver.verifier.'
      )


class Armed(Protocol):
  """A stage that runs arms."""

  name: str
  solver: Solver  # who answers
  size: int  # questions a part, over all processes

  @property
  def arms(self) -> Sequence[Arm]:
    """Strategies and budgets."""


def check_arms(stage: Armed, experiment: Experiment) -> None:
  """Needs models before a stage, and budgets that fit their strategies."""
  for arm in stage.arms:
    arm.check(bool(stage.solver.verifier))
  stage.solver.check(experiment, stage)


def run_arms(stage: Armed, run: StageRun) -> None:
  """Writes one record for each arm, budget and question."""
  solver, size = stage.solver, stage.size
  padding = -len(solver.problems) % size
  questions = [*solver.problems, *[None] * padding]
  cells = [
    (arm.strategy, budget) for arm in stage.arms for budget in arm.budgets
  ]
  slots = max(strategy.slots(budget) for strategy, budget in cells)
  items = [(*cell, question) for cell in cells for question in questions]
  scheduler = None
  for part in run.parts(items, size):
    if scheduler is None:
      models = solver.load(run)
      scheduler = solver.scheduler(run, models, slots)
      scorers = solver.load_scorers(run, models)
    strategy, budget = part.items[0][:2]
    problems = [item[2] for item in part.items if item[2] is not None]
    with partitioning.use(models.mesh):
      part.write(
        list(
          _records(
            run, solver, models, scheduler, scorers, strategy, budget, problems
          )
        )
      )
  if scheduler is not None:
    run.say(f'{engine.num_programs()} programs compiled so far')


def _records(
  run: StageRun,
  solver: Solver,
  models: Models,
  scheduler: Scheduler,
  scorers: Mapping[str, Scheduler],
  strategy: Strategy,
  budget: int,
  problems: Sequence[Problem],
) -> Iterator[dict]:
  about = {'strategy': repr(strategy), 'budget': budget, 'seed': run.seed}
  questions = solver.posed(
    [problem for problem in problems if not solver.skipped(problem)],
    stage_key(run, strategy, budget),
  )
  found, judged = {}, {}
  for question, rows in scheduler.run(
    (q, strategy.plan(q, budget), strategy.slots(budget)) for q in questions
  ):
    attempts = [Attempt.of(row, models) for row in rows]
    found[question.id] = Solution(question, attempts)
    # While devices go on with the others.
    judged[question.id] = solver.judge(question.id, attempts)
  solutions = [found[question.id] for question in questions]
  scores = {
    name: dict(
      zip(
        [q.id for q in questions], final_values(scorer, solutions), strict=True
      )
    )
    for name, scorer in scorers.items()
  }
  for problem in problems:
    record = {'problem': problem.id, 'rows': [], **about}
    if reason := solver.skipped(problem):
      yield {**record, 'skipped': reason}
      continue
    rows = judged[problem.id]
    for index, row in enumerate(rows if scores else ()):
      row['scores'] = {
        name: values[problem.id][index] for name, values in scores.items()
      }
    yield {**record, 'rows': rows, 'cost': found[problem.id].cost}
