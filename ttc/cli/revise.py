"""`ttc revise`: chains of revisions, sequential against parallel (PAPER 4)."""

import dataclasses
from typing import ClassVar

import numpy as np

from ttc import partitioning
from ttc.analysis.chains import turns_needed
from ttc.cli.experiment import Experiment
from ttc.cli.solver import Solver, stage_key
from ttc.cli.stage import StageRun
from ttc.data.context import KEEP
from ttc.data.problems import Problem
from ttc.search.frontier import Models
from ttc.search.revisions import Chains


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
          f'Revise.budget={self.budget} and turns={self.turns}: give one of '
          'them.')

  def check(self, experiment: Experiment) -> None:
    """Needs its models before it."""
    self.solver.check(experiment, self)

  def plan(self) -> tuple[int, ...]:
    """Turns of each chain."""
    if self.budget is None:
      return (self.turns,) * self.chains
    return tuple(turns_needed(self.budget).tolist())

  def __call__(self, run: StageRun) -> None:
    """Writes one record a question, its rows by chain and turn."""
    models = None
    for part in run.parts(self.solver.problems, self.size):
      if models is None:
        models = self.solver.load(run)
      with partitioning.use(models.mesh):
        part.write(self._records(run, models, part.items))

  def _records(self, run: StageRun, models: Models,
               problems: list[Problem]) -> list[dict]:
    turns = self.plan()
    chains = Chains(
        turns, self.solver.task.vocabulary.revise_id, self.keep,
        rows=self.solver.batch(1))
    (prompts,) = self.solver.prompts(problems, len(problems))
    revisions, cost = chains(models, prompts, key=stage_key(run))
    return [
        {'problem': problem.id,
         'strategy': f'Revise(keep={self.keep})',
         'budget': self.budget or sum(turns),
         'seed': run.seed,
         'rows': [
             {**self.solver.judge(problem.id, r.attempt),
              'chain': r.chain, 'turn': r.turn}
             for r in revisions[place]],
         'cost': {name: np.asarray(spent)[place].tolist()
                  for name, spent in cost.items()}}
        for place, problem in enumerate(problems)]
