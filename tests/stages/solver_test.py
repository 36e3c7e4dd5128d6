"""What a stage that samples works with."""

import dataclasses

import pytest

from ttc.data.worksheet import Worksheet
from ttc.inference.generation import Generation
from ttc.stages.solver import Solver

SOLVER = Solver(
  Worksheet(), Generation(max_tokens=64, max_step_tokens=16), questions=40
)


def test_long_prompts_are_skipped_with_the_reason():
  lengths = sorted({len(SOLVER.prompt(p)) for p in SOLVER.problems})
  assert SOLVER.prompt_width == lengths[-1]
  assert not any(map(SOLVER.skipped, SOLVER.problems))
  short = dataclasses.replace(SOLVER, prompt_tokens=lengths[-1] - 1)
  assert short.prompt_width < lengths[-1]
  for problem in short.problems:
    length = len(short.prompt(problem))
    reason = short.skipped(problem)
    assert bool(reason) == (length == lengths[-1])
    assert not reason or f'{length} tokens' in reason


def test_a_mesh_that_does_not_fit():
  with pytest.raises(ValueError, match='model_parallel=3 does not divide'):
    dataclasses.replace(SOLVER, model_parallel=3).check_devices()
