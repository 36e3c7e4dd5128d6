"""A finished run of random models that has everything to answer with."""

import dataclasses

from tests.stages.random_models import stored
from ttc.data.problems import Grade
from ttc.data.worksheet import Worksheet
from ttc.inference.generation import Generation
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.place import Place
from ttc.pipeline.stage import StageRun
from ttc.search.allocate import Beam
from ttc.search.strategies import BestOfN, Greedy, StepSearch
from ttc.stages.arms import Arm
from ttc.stages.difficulty import Difficulty
from ttc.stages.fit_allocation import FitAllocation, Ladder
from ttc.stages.online import Allocate
from ttc.stages.policy import FitPolicy
from ttc.stages.revise import Revise
from ttc.stages.search import Search
from ttc.stages.solver import Solver


class Initials(Worksheet):
  """Worksheets whose answers, also those of random models, are a letter."""

  def grade(self, problem, text):
    return Grade(text[:1].strip() or None, text[:1] == '1')


TASK = Initials(goals=(2,), num_pretrain=50, num_finetune=20, num_test=5)
SEED = 3
BEAM = StepSearch(allocator=Beam(width=2))
LADDERS = (Ladder((Arm(Greedy(), (1,)), Arm(BestOfN(), (4,)))),)


def experiment(root, verifier):
  """Without the stage `pretrain` that its proposer is from."""
  solver = lambda **changes: Solver(
    TASK,
    Generation(max_tokens=6, max_step_tokens=3),
    **dict(verifier=verifier, rows=8) | changes,
  )
  pilot = solver(split='finetune')
  return Experiment(
    root.name,
    (
      Search(solver(), (Arm(BestOfN(), (4,)), Arm(BEAM, (4,)))),
      Search(solver(verifier=''), (Arm(Greedy(), (1,)),), name='greedy'),
      Search(pilot, LADDERS[0].arms, name='pilot'),
      FitAllocation(LADDERS),
      Allocate(solver(), LADDERS, (3,)),
      Difficulty(solver(), num=3),
      FitPolicy(revise=''),
    ),
    seeds=(SEED,),
    output=str(root.parent),
  )


def finished(root):
  """The experiment, with all of its stages complete below a root."""
  folder = root / f'seed-{SEED}'
  stored(folder / 'pretrain')
  made = experiment(root, stored(folder / 'prm', 'value'))
  names = tuple(stage.name for stage in made.stages)
  for stage in made.stages:
    StageRun(stage, Place(root, (SEED,), names), SEED).work()
  return made


def revised(experiment, root):
  """The experiment with chains of another model, and a policy over them."""
  folder = root / f'seed-{SEED}'
  stored(folder / 'revision', seed=1)
  verifier = stored(folder / 'revision_orm', 'value', seed=2)
  own = experiment.stages[0].solver
  solver = dataclasses.replace(own, proposer='revision', verifier=verifier)
  added = (
    Revise(solver, budget=4),
    FitPolicy(search='', name='fit_revisions'),
  )
  stages = (*experiment.stages[:-1], *added)
  place = Place(root, (SEED,), tuple(stage.name for stage in stages))
  for stage in added:
    StageRun(stage, place, SEED).work()
  return dataclasses.replace(experiment, stages=stages)
