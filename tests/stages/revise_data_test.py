"""Trajectories as a stage writes them."""

import pytest

from tests.stages.random_models import stored, TASK
from ttc.examples.marks import Marks
from ttc.examples.trajectories import Trajectories
from ttc.inference.generation import Generation
from ttc.pipeline.experiment import Experiment
from ttc.stages.revise_data import ReviseData
from ttc.stages.sample import Sample
from ttc.stages.solver import Solver


def test_marks_need_the_values_of_a_verifier(tmp_path):
  model = stored(tmp_path / 'model')
  verifier = stored(tmp_path / 'prm', 'value')
  marked = ReviseData(TASK, Trajectories(marks=Marks(TASK, bad='?')))
  for values, allowed in (('', False), (verifier, True)):
    solver = Solver(
      TASK,
      Generation(max_tokens=6, max_step_tokens=3),
      proposer=model,
      verifier=values,
      split='finetune',
      questions=3,
    )
    experiment = Experiment('e', (Sample(solver), marked))
    if allowed:
      experiment.check()
      continue
    with pytest.raises(
      ValueError, match=r'give the Solver\.verifier of sample'
    ):
      experiment.check()
