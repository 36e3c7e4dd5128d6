"""A run of random models that searched and revised."""

import pytest

from tests.stages.random_models import stored
from ttc.cli import main

_GIN = """
from __gin__ import dynamic_registration

from ttc.data import worksheet
from ttc.inference import generation
from ttc.pipeline import experiment
from ttc.search import strategies
from ttc.stages import arms
from ttc.stages import revise
from ttc.stages import search
from ttc.stages import solver

experiment.Experiment:
  name = 'e'
  output = '{0}/runs'
  seeds = (7,)
  stages = (@search.Search(), @revise.Revise())
search.Search:
  solver = @solver.Solver()
  arms = (@beam/arms.Arm(), @short/arms.Arm(), @many/arms.Arm())
beam/arms.Arm:
  strategy = @strategies.StepSearch()
  budgets = (4,)
short/arms.Arm:
  strategy = @short/strategies.StepSearch()
  budgets = (4,)
short/strategies.StepSearch.rounds = 2
many/arms.Arm:
  strategy = @strategies.BestOfN()
  budgets = (4, 8)
revise.Revise:
  solver = @solver.Solver()
  turns = 3
  chains = 2
solver.Solver:
  task = @worksheet.Worksheet()
  generation = @generation.Generation()
  proposer = '{0}/model'
  verifier = '{0}/prm'
  prompt_tokens = {1}
  rows = 8
worksheet.Worksheet:
  goals = (2, 2)
  num_test = 3
  num_finetune = 0
  num_pretrain = 0
generation.Generation:
  max_tokens = 12
  max_step_tokens = 6
"""


@pytest.fixture(scope='session')
def run(tmp_path_factory):
  """The folder of a finished run."""
  folder = tmp_path_factory.mktemp('exported')
  stored(folder / 'model')
  stored(folder / 'prm', 'value')
  (folder / 'e.gin').write_text(_GIN.format(folder, 64))
  assert main.main(['run', f'--gin_file={folder / "e.gin"}']) == 0
  return folder / 'runs' / 'e'
