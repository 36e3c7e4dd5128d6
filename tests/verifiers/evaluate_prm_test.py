"""Values of given solutions: those that sampling recorded, and of a file."""

import dataclasses
import json

import numpy as np
import pytest

from tests.stages.random_models import recorded, stored, TASK
from ttc.distillation.distill import Distill
from ttc.estimates import workload
from ttc.inference.generation import Generation
from ttc.pipeline import records
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.place import Place
from ttc.pipeline.stage import StageRun
from ttc.search.strategies import BestOfN
from ttc.stages.arms import Arm
from ttc.stages.sample import Sample
from ttc.stages.search import Search
from ttc.stages.solver import Solver
from ttc.verifiers import process_bench
from ttc.verifiers.evaluate_prm import EvaluatePrm


@pytest.fixture(scope='module')
def solver(tmp_path_factory):
  folder = tmp_path_factory.mktemp('models')
  return Solver(
    TASK,
    Generation(max_tokens=12, max_step_tokens=5),
    proposer=stored(folder / 'model'),
    verifier=stored(folder / 'prm', 'value'),
    questions=4,
    rows=8,
  )


def _solutions(path, hits):
  """Writes a file of solutions, some with a miss; returns their labels."""
  rng = np.random.default_rng(0)
  lines = []
  for row in TASK.questions('test'):
    goals = row[row >= 0]
    miss = rng.random(len(goals)) > hits
    steps = []
    for goal, wrong in zip(goals, miss, strict=True):
      draw = TASK.table.draw_miss if wrong else TASK.table.draw_hit
      line = TASK.table.lines[draw(np.array(goal), np.array(rng.random()))]
      steps.append(f'{TASK.table.target[goal]}: {line}')
    lines.append(
      {
        'problem': ' '.join(TASK.goal_texts[goal] for goal in goals),
        'steps': steps,
        'label': int(np.argmax(miss)) if miss.any() else -1,
      }
    )
  path.write_text(''.join(json.dumps(line) + '\n' for line in lines))
  return lines


def test_values_are_those_of_the_verifier_that_sampled_along(solver, tmp_path):
  place = Place(tmp_path)
  sample = Sample(solver, num=6)
  evaluate = EvaluatePrm(solver, source='sample', size=2)
  Experiment('e', (sample, evaluate)).check()
  for stage in (sample, evaluate):
    run = StageRun(stage, place, 0)
    run.work()
  sampled = records.read_rows(tmp_path / 'seed-0' / 'sample')
  found = records.read_rows(run.folder)
  assert [row['problem'] for row in found] == [r['problem'] for r in sampled]
  for row, record in zip(found, sampled, strict=True):
    for read, answer in zip(row['rows'], record['rows'], strict=True):
      np.testing.assert_allclose(read['values'], answer['values'], atol=2e-6)
      # A model of random weights writes nothing that can be parsed.
      assert read['first'] is None
  assert evaluate.show(run) == 'seed-0/evaluate_prm: no solution could be read'


def test_a_file_is_read_step_by_step(solver, tmp_path):
  path = tmp_path / 'bench.jsonl'
  lines = _solutions(path, hits=0.5)
  together = {**lines[0], 'steps': ['\n'.join(lines[0]['steps'])], 'label': 0}
  with path.open('a') as file:
    file.write(json.dumps(together) + '\n')
  # The longest solution has more tokens than an answer may have.
  short = dataclasses.replace(
    solver, generation=Generation(max_tokens=2), questions=1
  )
  stage = EvaluatePrm(short, file=str(path), size=2)
  rows = recorded(stage, tmp_path)
  *read, skipped = rows
  assert [row['problem'] for row in rows] == list(range(1, len(lines) + 2))
  for row, line in zip(read, lines, strict=True):
    (one,) = row['rows']
    assert one['first'] == line['label']
    assert len(one['values']) == len(line['steps'])
    assert all(0 < value < 1 for value in one['values'])
  assert skipped['rows'] == []
  assert 'cuts its 1 steps into 2' in skipped['skipped']
  run = StageRun(stage, Place(tmp_path / 'runs', stages=(stage.name,)), 0)
  wrong = sum(line['label'] >= 0 for line in lines)
  assert f'of {wrong} wrong solutions' in stage.show(run)
  assert '1 skipped' in stage.show(run)
  # Read alone, a solution has the same values.
  alone = tmp_path / 'alone.jsonl'
  alone.write_text(json.dumps(lines[2]) + '\n')
  (row,) = recorded(EvaluatePrm(short, file=str(alone)), tmp_path / 'alone')
  np.testing.assert_allclose(
    row['rows'][0]['values'], read[2]['rows'][0]['values'], atol=2e-6
  )


@pytest.mark.parametrize(
  ('line', 'told'),
  [
    ({'steps': ['a'], 'label': 0}, "field 'problem' is missing"),
    ({'problem': ' ', 'steps': ['a'], 'label': 0}, "'problem' is empty"),
    ({'problem': 'q', 'steps': [], 'label': -1}, 'expected a list of texts'),
    ({'problem': 'q', 'steps': 'a', 'label': -1}, 'expected a list of texts'),
    ({'problem': 'q', 'steps': ['a'], 'label': 1}, 'number from -1 to 0'),
    ({'problem': 'q', 'steps': ['a'], 'label': True}, 'number from -1 to 0'),
    ({'problem': 'q', 'steps': ['a'], 'label': None}, 'got null'),
  ],
)
def test_a_line_that_is_no_solution_is_named(line, told, tmp_path):
  path = tmp_path / 'bench.jsonl'
  path.write_text('\n' + json.dumps(line) + '\n')
  with pytest.raises(ValueError, match='line 2: ') as refused:
    process_bench.read(str(path))
  assert told in str(refused.value)


def test_a_label_as_pandas_writes_it(tmp_path):
  path = tmp_path / 'solutions.jsonl'
  path.write_text('{"problem": "q", "steps": ["a", "b"], "label": 1.0}\n')
  assert [one.first for one in process_bench.read(str(path))] == [1]


def test_what_cannot_be_evaluated_is_told_before_any_work(solver, tmp_path):
  with pytest.raises(ValueError, match='and not both'):
    EvaluatePrm(solver)
  with pytest.raises(ValueError, match='and not both'):
    EvaluatePrm(solver, source='sample', file='x')
  with pytest.raises(ValueError, match='has no verifier'):
    EvaluatePrm(dataclasses.replace(solver, verifier=''), source='sample')
  stage = EvaluatePrm(solver, source='sample')
  with pytest.raises(ValueError, match="reads 'sample', which is none"):
    stage.check(Experiment('e', (Distill(TASK, source='x'), stage)))
  path = tmp_path / 'bench.jsonl'
  path.write_text('{"problem": "13: 7 2 1", "steps": ["what"], "label": 0}\n')
  of_file = EvaluatePrm(solver, file=str(path))
  with pytest.raises(ValueError, match="'what' at offset 0"):
    of_file.check(Experiment('e', (of_file,)))


def test_answers_of_two_arms_are_no_source(solver, tmp_path):
  place = Place(tmp_path)
  search = Search(solver, (Arm(BestOfN(), (2, 4)),))
  StageRun(search, place, 0).work()
  run = StageRun(EvaluatePrm(solver, source='search'), place, 0)
  with pytest.raises(ValueError, match='has several records of question'):
    run.work()


def test_a_plan_of_machines_leaves_out_what_samples_nothing(solver):
  stage = EvaluatePrm(solver, source='sample')
  assert workload.of(stage, None, None, workload.Assumed()) is None
