"""Selections compared on the same answers."""

import json

import numpy as np
import pytest

from tests.analysis import world
from ttc.analysis import names
from ttc.comparisons.compare_selections import CompareSelections
from ttc.inference.generation import Generation
from ttc.pipeline import records
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.place import Place
from ttc.pipeline.stage import StageRun
from ttc.reporting.selections import Certain, Likely, Pessimistic
from ttc.stages.sample import Sample
from ttc.stages.solver import Solver

_WIDTH, _SEEDS = 4, (0, 1)
_KNOWS, _GUESSES = Certain(), Likely()


def _write(folder, seed):
  """Right answers are more certain than wrong ones, and no likelier."""
  rng = np.random.default_rng(seed)
  found = []
  for q, skill in enumerate(np.linspace(0.1, 0.6, 30)):
    rows = []
    for right in rng.random(_WIDTH) < skill:
      row = world.row(rng, right, True, '')
      row |= {'certainty': 3 * (rng.random() + right), 'logprob': -rng.random()}
      rows.append(row)
    found.append(world.record(q, world.BEST_OF_N, _WIDTH, rows))
  world.write_stage(folder, found)


@pytest.fixture(scope='module')
def compared(tmp_path_factory):
  root = tmp_path_factory.mktemp('selections')
  for seed in _SEEDS:
    _write(root / f'seed-{seed}' / 'answers', seed)
  stage = CompareSelections('answers', (_KNOWS, _GUESSES), (1, _WIDTH), 3)
  run = StageRun(stage, Place(root, _SEEDS), None)
  run.work()
  found = json.loads((run.folder / 'compare.json').read_text())['selections']
  return root, {row['selection']: row for row in found}, stage.show(run)


def test_those_that_are_asked_for_stand_beside_the_usual_ones(compared):
  _, rows, shown = compared
  asked = [_KNOWS.name, _GUESSES.name]
  assert list(rows) == [names.MAJORITY, names.BEST, names.WEIGHTED, *asked]
  for name in asked:
    assert any(line.startswith(name) for line in shown.splitlines())
  assert '30 questions, seeds 0, 1' in shown


def test_accuracy_is_that_of_the_answers_that_are_chosen(compared):
  root, rows, _ = compared
  hits = []
  for seed in _SEEDS:
    for record in records.read_rows(root / f'seed-{seed}' / 'answers'):
      parsed = [r for r in record['rows'] if r['answer'] is not None]
      best = max(parsed or record['rows'][:1], key=lambda r: r['certainty'])
      hits.append(best['correct'])
  assert rows[_KNOWS.name]['points'][-1]['accuracy'] == pytest.approx(
    100 * np.mean(hits), rel=1e-5
  )


def test_differences_are_from_a_majority(compared):
  rows = compared[1]
  plain = rows[names.MAJORITY]['points']
  for row in rows.values():
    for point, usual in zip(row['points'], plain, strict=True):
      estimate, low, high = point['difference']
      gain = point['accuracy'] - usual['accuracy']
      assert estimate == pytest.approx(gain, abs=1e-3)
      assert low <= estimate <= high
  assert plain[-1]['difference'] == [0, 0, 0]
  assert rows[_KNOWS.name]['points'][-1]['difference'][1] > 0


def test_scores_that_are_not_there_are_named(tmp_path):
  world.write_stage(
    tmp_path / 'seed-0' / 'answers',
    [
      world.record(
        q,
        world.BEST_OF_N,
        1,
        [world.row(np.random.default_rng(q), True, False, '')],
      )
      for q in range(2)
    ],
  )
  for asked in (Certain(), Pessimistic()):
    run = StageRun(
      CompareSelections('answers', (asked,), (1,)), Place(tmp_path), None
    )
    with pytest.raises(ValueError, match=f"no scores for '{asked.name}'"):
      run.work()


def test_what_makes_no_comparison_is_told_before_any_work():
  with pytest.raises(ValueError, match="'best-of-N by certainty' twice"):
    CompareSelections('answers', (Certain(), Certain()))
  with pytest.raises(ValueError, match=r'CompareSelections\.selections'):
    CompareSelections('answers', ())
  stage = CompareSelections('sample', (Certain(),))
  sample = Sample(Solver(None, Generation()), num=16)
  with pytest.raises(ValueError, match=r"has 64, and 'sample' samples 16"):
    stage.check(Experiment('e', (sample,), stage))
