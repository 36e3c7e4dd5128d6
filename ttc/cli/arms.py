"""Strategies by budget on a set of questions: the body of several stages."""

from collections.abc import Iterator, Mapping, Sequence
import dataclasses

import numpy as np

from ttc import partitioning
from ttc.cli.solver import Solver, stage_key
from ttc.cli.stage import StageRun
from ttc.data.problems import Problem
from ttc.search.frontier import Model, Models
from ttc.search.rescoring import final_values
from ttc.search.strategies import Strategy


@dataclasses.dataclass(frozen=True)
class Arm:
  """One strategy and the budgets it is run at."""

  strategy: Strategy
  budgets: tuple[int, ...]

  def check(self, verified: bool) -> None:
    """Raises ValueError for what the strategy cannot do.

    Args:
      verified: whether there is a verifier.
    """
    for budget in self.budgets:
      self.strategy.rows(budget)
    if self.strategy.verified and not verified:
      raise ValueError(
          f'{self.strategy!r} needs a verifier; name a stage in '
          'Solver.verifier.')


def run_arms(run: StageRun, solver: Solver, arms: Sequence[Arm],
             size: int) -> None:
  """Writes one record for each arm, budget and question.

  Args:
    run: the stage.
    solver: who answers.
    arms: strategies and budgets.
    size: questions a part, over all processes.
  """
  padding = -len(solver.problems) % size
  questions = [*solver.problems, *[None] * padding]
  cells = [(arm.strategy, budget) for arm in arms for budget in arm.budgets]
  items = [(*cell, question) for cell in cells for question in questions]
  models = None
  for part in run.parts(items, size):
    if models is None:
      models = solver.load(run)
      scorers = solver.load_scorers(run, models)
    strategy, budget = part.items[0][:2]
    problems = [item[2] for item in part.items if item[2] is not None]
    with partitioning.use(models.mesh):
      part.write(list(_records(
          run, solver, models, scorers, strategy, budget, problems,
          part.size)))


def _records(run: StageRun, solver: Solver, models: Models,
             scorers: Mapping[str, Model], strategy: Strategy, budget: int,
             problems: Sequence[Problem], size: int) -> Iterator[dict]:
  key = stage_key(run, strategy, budget)
  batch = min(solver.batch(strategy.rows(budget)), size)
  for prompts in solver.prompts(problems, batch):
    solutions = strategy(models, prompts, budget=budget, key=key)
    scores = {name: final_values(models, verifier, solutions)
              for name, verifier in scorers.items()}
    for place in np.flatnonzero(prompts.real):
      problem = int(solutions.problem_id[place])
      rows = [solver.judge(problem, solutions.attempt(place, row))
              for row in range(solutions.length.shape[1])]
      for index, row in enumerate(rows if scores else ()):
        row['scores'] = {n: s[place, index] for n, s in scores.items()}
      yield {'problem': problem, 'rows': rows,
             'cost': solutions.cost.row(place), 'strategy': repr(strategy),
             'budget': budget, 'seed': run.seed}
