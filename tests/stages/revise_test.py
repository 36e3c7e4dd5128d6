"""Chains as a stage runs them: what further verifiers make of them."""

import dataclasses

import numpy as np

from tests import testing
from ttc.checkpoints import orbax
from ttc.data.worksheet import Worksheet
from ttc.inference.generation import Generation
from ttc.pipeline import records
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.stage import Place, StageRun
from ttc.stages.revise import Revise
from ttc.stages.solver import Solver

TASK = Worksheet(goals=(2,), num_pretrain=50, num_finetune=20, num_test=5)


def stored(folder, head='logits', seed=0):
  """The path of a model of random weights."""
  cfg = testing.small_config(vocab_size=TASK.vocabulary.size, context=256)
  params = testing.random_params(cfg, head, seed)
  orbax.save_model(str(folder), cfg, head, params)
  records.mark_complete(folder, {'fingerprint': 'x'}, 'model.json', 'params')
  return str(folder)


def revised(stage, folder):
  Experiment('e', (stage,)).check()
  run = StageRun(stage, Place(folder / 'runs', stages=(stage.name,)), 0)
  run.work()
  return records.read_rows(run.folder)


def test_further_verifiers_read_each_attempt_alone(tmp_path):
  verifier = stored(tmp_path / 'prm', 'value')
  solver = Solver(
    TASK,
    Generation(max_tokens=6, max_step_tokens=3),
    proposer=stored(tmp_path / 'model'),
    verifier=verifier,
    questions=3,
    rows=8,
  )
  # The same model: it differs from itself where it reads a chain.
  scored = dataclasses.replace(
    solver,
    scorers=(('same', verifier), ('other', stored(tmp_path / 'o', 'value', 1))),
  )
  one, other = (
    revised(Revise(each, turns=3, chains=2), tmp_path / name)
    for name, each in (('alone', solver), ('scored', scored))
  )
  first, later = [], []
  for alone, read in zip(one, other, strict=True):
    for row in read['rows']:
      scores = row.pop('scores')
      assert scores['other'] != scores['same']
      place = first if row['turn'] == 1 else later
      place.append((scores['same'], row['values'][-1]))
    assert alone == read  # nothing else changes, costs neither
  assert len(first) == 6
  assert len(later) == 12
  np.testing.assert_allclose(*np.transpose(first), atol=1e-5)
  assert np.abs(np.diff(later)).min() > 1e-5
