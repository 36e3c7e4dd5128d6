"""Runs strategies at budgets on questions: the body of three stages."""

from collections.abc import Collection, Iterator, Mapping, Sequence
import dataclasses
from typing import Protocol

from ttc.allocation import grades
from ttc.data.problems import Problem
from ttc.inference import engine
from ttc.inference.models import Models
from ttc.inference.requests import Plan, PlanRunner, Question
from ttc.inference.scheduler import Scheduler
from ttc.models import partitioning
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.stage import StageRun
from ttc.runtime import limits
from ttc.search.rescoring import final_values
from ttc.search.solutions import Attempt, Solution
from ttc.search.strategies import BestOfN, longest, Strategy
from ttc.search.trace import SearchTrace
from ttc.stages import loading
from ttc.stages.solver import Solver
from ttc.stages.streams import stage_key


@dataclasses.dataclass(frozen=True)
class Arm:
  """A strategy and the budgets it is run at.

  Attributes:
    strategy: how a question is searched, e.g. best-of-N or beam search.
    budgets: numbers of generations per question (N).

  Raises:
    ValueError: there is no budget, or one is no positive number.
  """

  strategy: Strategy
  budgets: tuple[int, ...]

  def __post_init__(self):
    limits.wholes(self, 'budgets')

  def check(self, verified: bool) -> None:
    """Checks the arm before any model is loaded.

    Args:
      verified: whether the stage has a verifier.

    Raises:
      ValueError: a budget does not fit the strategy, or the strategy searches
        with a verifier and there is none.
    """
    for budget in self.budgets:
      self.strategy.rows(budget)
    if self.strategy.verified and not verified:
      raise ValueError(
        f'{self.strategy!r} needs a verifier; name a stage in Solver.verifier.'
      )


class Armed(Protocol):
  """A stage that runs arms; `check_arms` and `run_arms` are its methods."""

  name: str
  solver: Solver  # models and questions
  size: int  # questions per part
  traced: int  # questions whose searches are recorded, the first ones

  @property
  def arms(self) -> Sequence[Arm]:
    """The strategies and budgets to run."""


class Repeated(Protocol):
  """A stage that samples every question `num` times."""

  num: int


def sample_arms(stage: Repeated) -> tuple[Arm]:
  """The one arm of a stage that samples: best-of-N at a single budget."""
  return (Arm(BestOfN(), (stage.num,)),)


def check_arms(stage: Armed, experiment: Experiment) -> None:
  """Raises ValueError for arms or models that the stage cannot run with."""
  for arm in stage.arms:
    arm.check(bool(stage.solver.verifier))
    loading.check_steps(stage.solver, arm.strategy, arm.budgets[0])
  # A row as long as so many attempts, with one token between each two.
  most = stage.solver.generation.max_tokens
  beyond = max(longest(arm.strategy, 0, most) for arm in stage.arms)
  stage.solver.check(experiment, stage, -(-(beyond + 1) // (most + 1)))


def run_arms(stage: Armed, run: StageRun) -> None:
  """Writes one record per strategy, budget and question.

  A record is {"problem": id, "strategy": repr, "budget": N, "seed": seed,
  "rows": attempts (see `Solver.judge`), "cost": see `Cost.record`}; and
  "question": its text, where that is not as in its file. A question that is
  skipped has no rows and, instead of a cost, "skipped": the reason.
  With scorers each row has "scores" too: final values by name of the scorer.
  A strategy that ends before its budget has fewer rows and "stopped": true. A
  search in rounds of a question that is traced has a "trace": see
  `SearchTrace.record`.

  Args:
    stage: the stage.
    run: its run; receives the records as parts of `stage.size` questions.
  """
  solver, size = stage.solver, stage.size
  # Padded to whole parts per setting, so that no part mixes two of them: a part
  # is one call of the scheduler, with one strategy and budget.
  padding = [None] * (-len(solver.problems) % size)
  settings = [
    (arm.strategy, budget) for arm in stage.arms for budget in arm.budgets
  ]
  # The most that any setting needs: all share one scheduler and its programs.
  slots = max(strategy.slots(budget) for strategy, budget in settings)
  items = [
    item
    for setting in settings
    for item in [*((*setting, p) for p in solver.problems), *padding]
  ]
  traced = [problem.id for problem in solver.problems[: stage.traced]]
  scheduler = None
  for part in run.parts(items, size, grades=grades.of_arm):
    if scheduler is None:  # loads nothing where no part is left
      solver.say_if_equal(run, max(budget for _, budget in settings))
      models = solver.load(run)
      widths = solver.prompt_width, solver.generation.max_tokens
      row = max(longest(strategy, *widths) for strategy, _ in settings)
      scheduler = solver.scheduler(run, models, slots, row)
      scorers = solver.load_scorers(run, models)
    with partitioning.use(models.mesh):
      part.write(
        list(
          records(
            run, solver, models, scheduler, scorers, part.items, traced=traced
          )
        )
      )
  if scheduler is not None:
    run.say(f'{engine.num_programs()} programs compiled so far')


def records(
  run: StageRun,
  solver: Solver,
  models: Models,
  scheduler: PlanRunner,
  scorers: Mapping[str, Scheduler],
  items: Sequence[tuple[Strategy, int, Problem]],
  stream: str = '',
  traced: Collection[int] = (),
) -> Iterator[dict]:
  """Samples, and yields the records of items in their order; see `run_arms`.

  Args:
    run: the run of the stage.
    solver: its models and questions.
    models: models from `solver.load`.
    scheduler: scheduler of the models.
    scorers: further verifiers, from `solver.load_scorers`.
    items: strategy, budget and question, each question once.
    stream: name of the stage whose random streams these are; '' for its own.
    traced: ids of the questions whose searches are recorded.
  """
  traces = {id: SearchTrace() for id in traced}

  def plan(strategy: Strategy, budget: int, question: Question) -> Plan:
    own = strategy.plan(question, budget)
    trace = traces.get(question.id)
    return own if trace is None else trace.follow(own)

  plans = []
  for strategy, budget in dict.fromkeys((s, n) for s, n, _ in items):
    problems = [
      problem
      for *setting, problem in items
      if setting == [strategy, budget] and not solver.skipped(problem)
    ]
    key = stage_key(run, strategy, budget, stream=stream)
    plans += [
      (question, plan(strategy, budget, question), strategy.slots(budget))
      for question in solver.posed(problems, key)
    ]
  # Questions finish in an order of their own, so both are by id.
  solved, judged = {}, {}
  for question, rows in scheduler.run(iter(plans)):
    attempts = [Attempt.of(row, models) for row in rows]
    solved[question.id] = Solution(question, attempts)
    # Graded here and not after the loop: the devices work on other questions
    # in the meantime.
    judged[question.id] = solver.judge(question.id, attempts)
  solutions = [solved[question.id] for question, *_ in plans]
  ids = [solution.question.id for solution in solutions]
  scores = {
    name: dict(zip(ids, final_values(scorer, solutions), strict=True))
    for name, scorer in scorers.items()
  }
  for strategy, budget, problem in items:
    about = {'strategy': repr(strategy), 'budget': budget, 'seed': run.seed}
    record = {'problem': problem.id, **problem.told, 'rows': [], **about}
    if reason := solver.skipped(problem):
      yield {**record, 'skipped': reason}
      continue
    rows = judged[problem.id]
    for index, row in enumerate(rows if scores else ()):
      row['scores'] = {
        name: values[problem.id][index] for name, values in scores.items()
      }
    if len(rows) < strategy.rows(budget):
      record['stopped'] = True
    record |= {'rows': rows, 'cost': solved[problem.id].cost}
    trace = traces.get(problem.id)
    if trace is not None and trace.rounds > 1 and not trace.rewritten:
      record['trace'] = trace.record(solver.task.vocabulary.decode)
    yield record
