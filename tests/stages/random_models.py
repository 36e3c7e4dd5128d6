"""Stages on models of random weights, and what they record."""

from tests import testing
from ttc.checkpoints import orbax
from ttc.data.worksheet import Worksheet
from ttc.pipeline import records
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.stage import Place, StageRun

TASK = Worksheet(goals=(2,), num_pretrain=50, num_finetune=20, num_test=5)


def stored(folder, head='logits', seed=0, mark='x'):
  """The path of a model of random weights."""
  cfg = testing.small_config(vocab_size=TASK.vocabulary.size, context=256)
  params = testing.random_params(cfg, head, seed)
  orbax.save_model(str(folder), cfg, head, params)
  records.mark_complete(folder, {'fingerprint': mark}, 'model.json', 'params')
  return str(folder)


def recorded(stage, folder):
  """The rows of a stage that is run below a folder."""
  Experiment('e', (stage,)).check()
  run = StageRun(stage, Place(folder / 'runs', stages=(stage.name,)), 0)
  run.work()
  return records.read_rows(run.folder)
