"""What a stage that samples works with."""

import dataclasses

import pytest

from ttc.data.worksheet import Worksheet
from ttc.inference.generation import Generation
from ttc.search.solutions import Attempt
from ttc.stages import example_checks
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


def test_questions_can_be_passed_over():
  every = SOLVER.task.problems(SOLVER.split)
  later = dataclasses.replace(SOLVER, skip=30, questions=20)
  assert later.problems == every[30:50]
  rest = dataclasses.replace(SOLVER, skip=len(every) - 1, questions=None)
  assert rest.problems == every[-1:]
  example_checks.check_any(later)
  example_checks.check_any(rest)


@pytest.mark.parametrize(
  ('skip', 'questions', 'told'),
  [
    (0, 41, 'Solver.questions=41, but .* has 40; lower it'),
    (21, 20, 'Solver.skip=21 and Solver.questions=20, but .* has 40; lower'),
    (40, None, 'Solver.skip=40 and Solver.questions=None, but .* has 40'),
  ],
)
def test_more_questions_than_there_are(skip, questions, told):
  task = Worksheet(num_test=40)
  asked = dataclasses.replace(SOLVER, task=task, skip=skip, questions=questions)
  with pytest.raises(ValueError, match=told):
    example_checks.check_any(asked)


def test_a_mesh_that_does_not_fit():
  with pytest.raises(ValueError, match='model_parallel=3 does not divide'):
    dataclasses.replace(SOLVER, model_parallel=3).check_devices()


def test_certainty_is_recorded_where_it_is_known():
  problem, tokens = SOLVER.problems[0].id, SOLVER.task.vocabulary.encode('1')
  plain = Attempt(tokens, True, None, -1.0)
  known = dataclasses.replace(plain, certainty=2.5)
  one, other = SOLVER.judge(problem, [plain, known])
  assert other == {**one, 'certainty': 2.5}
  assert 'certainty' not in one
  assert [*map(Attempt.recorded, (one, other))] == [plain, known]
