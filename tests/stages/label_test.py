"""Tests of the checks of the stage that labels steps."""

import dataclasses

import pytest

from tests import testing
from ttc.checkpoints import orbax
from ttc.data.worksheet import Worksheet
from ttc.inference.generation import Generation
from ttc.pipeline.experiment import Experiment
from ttc.stages.label import Label
from ttc.stages.sample import Sample
from ttc.stages.solver import Solver

TASK = Worksheet(goals=(2,), num_pretrain=5, num_finetune=5, num_test=6)


def test_a_verifier_is_refused(tmp_path):
  cfg = testing.small_config(vocab_size=TASK.vocabulary.size)
  orbax.save_model(tmp_path, cfg, 'logits', testing.random_params(cfg))
  solver = Solver(
    TASK,
    Generation(max_tokens=64, max_step_tokens=16),
    proposer=str(tmp_path),
    split='finetune',
  )
  sample = Sample(solver, num=2)
  Experiment('e', (sample, Label(solver))).check()
  verified = dataclasses.replace(solver, verifier=str(tmp_path))
  with pytest.raises(
    ValueError, match=r"stage 'label': Solver\.verifier='.*verifier=''"
  ):
    Experiment('e', (sample, Label(verified))).check()
