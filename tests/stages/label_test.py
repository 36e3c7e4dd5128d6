"""Tests of the checks of the stage that labels steps."""

import dataclasses

import pytest

from ttc.data.worksheet import Worksheet
from ttc.inference.generation import Generation
from ttc.pipeline.experiment import Experiment
from ttc.stages.label import Label
from ttc.stages.sample import Sample
from ttc.stages.solver import Solver

SOLVER = Solver(
  Worksheet(goals=(2,), num_pretrain=5, num_finetune=5, num_test=6),
  Generation(max_tokens=64, max_step_tokens=16),
  split='finetune',
)


def test_a_verifier_is_refused(tmp_path):
  proposer = dataclasses.replace(SOLVER, proposer=str(tmp_path))
  sample = Sample(proposer, num=2)
  Experiment('e', (sample, Label(proposer))).check()
  verified = dataclasses.replace(proposer, verifier=str(tmp_path))
  with pytest.raises(
    ValueError, match=r"stage 'label': Solver\.verifier='.*verifier=''"
  ):
    Experiment('e', (sample, Label(verified))).check()
