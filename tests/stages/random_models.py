"""Stages on models of random weights, and what they record."""

from tests import testing
from ttc.checkpoints import orbax
from ttc.data.worksheet import Worksheet
from ttc.inference.generation import Generation
from ttc.pipeline import records
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.stage import Place, StageRun
from ttc.stages.solver import Solver

TASK = Worksheet(goals=(2,), num_pretrain=50, num_finetune=20, num_test=5)

_SEARCH_GIN = """
from __gin__ import dynamic_registration

from ttc.data import worksheet
from ttc.inference import generation
from ttc.pipeline import experiment
from ttc.search import strategies
from ttc.stages import arms
from ttc.stages import search
from ttc.stages import solver

experiment.Experiment:
  name = 'e'
  output = '{0}/runs'
  seeds = (7,)
  stages = (@search.Search(),)
search.Search:
  solver = @solver.Solver()
  arms = (@arms.Arm(),)
arms.Arm:
  strategy = @strategies.{1}()
  budgets = {2}
solver.Solver:
  task = @worksheet.Worksheet()
  generation = @generation.Generation()
  proposer = '{0}/model'
  verifier = '{3}'
  rows = 8
worksheet.Worksheet:
  goals = (2,)
  num_test = 2
  num_finetune = 0
  num_pretrain = 0
generation.Generation:
  max_tokens = 6
  max_step_tokens = 3
"""


def stored(folder, head='logits', seed=0, mark='x'):
  """The path of a model of random weights."""
  cfg = testing.small_config(vocab_size=TASK.vocabulary.size, context=256)
  params = testing.random_params(cfg, head, seed)
  orbax.save_model(str(folder), cfg, head, params)
  records.mark_complete(folder, {'fingerprint': mark}, 'model.json', 'params')
  return str(folder)


def solver(folder, **changes):
  """A proposer and a verifier of random weights, and some questions."""
  return Solver(
    TASK,
    Generation(max_tokens=6, max_step_tokens=3),
    **dict(
      proposer=stored(folder / 'model'),
      verifier=stored(folder / 'prm', 'value'),
      questions=3,
      rows=8,
    )
    | changes,
  )


def search_gin(folder, strategy, budgets, verified=True):
  """The path of a gin file whose experiment searches with stored models.

  Args:
    folder: for the file, the models and, in runs/e, the results.
    strategy: name of its class.
    budgets: its generations.
    verified: whether there is a verifier.
  """
  stored(folder / 'model')
  verifier = stored(folder / 'prm', 'value') if verified else ''
  path = folder / 'e.gin'
  path.write_text(_SEARCH_GIN.format(folder, strategy, budgets, verifier))
  return path


def recorded(stage, folder):
  """The rows of a stage that is run below a folder."""
  Experiment('e', (stage,)).check()
  run = StageRun(stage, Place(folder / 'runs', stages=(stage.name,)), 0)
  run.work()
  return records.read_rows(run.folder)
