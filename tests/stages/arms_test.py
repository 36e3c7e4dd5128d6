"""Arms as a stage runs them: what its records say of their cost."""

import dataclasses

from tests import testing
from ttc.checkpoints import orbax
from ttc.data.worksheet import Worksheet
from ttc.inference.generation import Generation
from ttc.pipeline import records
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.stage import Place, StageRun
from ttc.search.strategies import BestOfN, StepSearch
from ttc.stages.arms import Arm
from ttc.stages.search import Search
from ttc.stages.solver import Solver

TASK = Worksheet(goals=(2,), num_pretrain=50, num_finetune=20, num_test=5)


def stored(folder, head='logits', seed=0):
  """The path of a model of random weights."""
  cfg = testing.small_config(vocab_size=TASK.vocabulary.size, context=256)
  params = testing.random_params(cfg, head, seed)
  orbax.save_model(str(folder), cfg, head, params)
  records.mark_complete(folder, {'fingerprint': 'x'}, 'model.json', 'params')
  return str(folder)


def searched(stage, folder):
  Experiment('e', (stage,)).check()
  run = StageRun(stage, Place(folder / 'runs', stages=(stage.name,)), 0)
  run.work()
  return records.read_rows(run.folder)


def test_what_further_verifiers_read_is_charged_to_no_arm(tmp_path):
  solver = Solver(
    TASK,
    Generation(max_tokens=6, max_step_tokens=3),
    proposer=stored(tmp_path / 'model'),
    verifier=stored(tmp_path / 'prm', 'value'),
    questions=3,
    rows=8,
  )
  scorer = stored(tmp_path / 'orm', 'value', seed=1)
  scored = dataclasses.replace(solver, scorers=(('orm', scorer),))
  arms = (Arm(BestOfN(), (4,)), Arm(StepSearch(), (4,)))
  one, other = (
    searched(Search(each, arms), tmp_path / name)
    for name, each in (('alone', solver), ('scored', scored))
  )
  assert len(one) == len(other) == 6
  for alone, read in zip(one, other, strict=True):
    scores = [row.pop('scores')['orm'] for row in read['rows']]
    assert all(0 <= score <= 1 for score in scores)
    assert scores != [row['values'][-1] for row in read['rows']]
    assert alone == read
