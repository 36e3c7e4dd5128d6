"""Tests of the report stage, on a world whose truth is known."""

import dataclasses
import json

import pytest

from tests.analysis import world
from ttc.data.worksheet import Worksheet
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.place import Place
from ttc.pipeline.stage import RefusedError, StageRun
from ttc.reporting.selections import Likely, Pessimistic
from ttc.stages.report import Report
from ttc.stages.revise_data import ReviseData

_TRUTH = world.Truth(questions=15, width=8, chains=4)
# As few as make a report: every figure of the others takes half a second.
_STAGES = ('difficulty', 'search')
_REPORT = Report(large='', subsets=3)


def _place(root, seeds):
  for seed in seeds:
    if not (root / f'seed-{seed}').exists():
      world.write(root, _TRUTH, seed)
  return Place(root, seeds=seeds, stages=_STAGES, command='ttc run')


def _summary(run):
  return json.loads((run.folder / 'summary.json').read_text(encoding='utf-8'))


def test_all_seeds_go_into_one_report_and_a_new_seed_into_a_new_one(tmp_path):
  run = StageRun(_REPORT, _place(tmp_path / 'mini', (0,)), None)
  run.work()
  summary = _summary(run)
  assert (summary['experiment'], summary['command']) == ('mini', 'ttc run')
  assert summary['seeds'] == [0]
  assert {f'seed-0/{name}' for name in _STAGES} <= set(summary['seconds'])
  assert run.is_complete()
  more = StageRun(_REPORT, _place(tmp_path / 'mini', (0, 1)), None)
  assert not more.is_complete()
  more.work()
  assert _summary(more)['seeds'] == [0, 1]
  shown = _REPORT.show(more)
  assert 'accuracy' in shown
  assert shown.splitlines()[-1].endswith('index.html')


def test_selections_that_were_asked_for_are_shown(tmp_path):
  place = _place(tmp_path, (0,))
  asked = (Pessimistic(), Likely())
  run = StageRun(dataclasses.replace(_REPORT, selections=asked), place, None)
  run.work()
  shown = _REPORT.show(run)
  for selection in asked:
    assert selection.name in _summary(run)['tables']['accuracy']['search']
    assert selection.name in shown


def test_a_stage_that_was_not_run_is_named(tmp_path):
  place = _place(tmp_path, (0,))
  for name in ('nothing', 'search'):
    report = Report(large='', stages=('difficulty', name), name=f'on_{name}')
    run = StageRun(report, place, None)
    if name == 'search':
      run.work()
      assert 'revise' not in json.dumps(_summary(run)['tables']['costs'])
    else:
      with pytest.raises(RefusedError, match='reads seed-0/nothing'):
        run.work()
      assert not run.folder.exists()


def test_a_refused_report_leaves_what_there_was_before(tmp_path):
  place = _place(tmp_path, (0,))
  run = StageRun(_REPORT, place, None)
  run.work()
  kept = {p: p.read_bytes() for p in run.folder.rglob('*') if p.is_file()}
  (tmp_path / 'seed-0' / 'search' / 'COMPLETE').unlink()
  with pytest.raises(RefusedError, match='reads seed-0/search'):
    StageRun(_REPORT, place, None).work()
  for path, content in kept.items():
    if path.suffix in ('.html', '.svg'):
      assert path.read_bytes() == content


def test_a_report_that_finds_nothing_to_tell_leaves_nothing(tmp_path):
  world.write_stage(tmp_path / 'seed-0' / 'label', [])
  place = Place(tmp_path, seeds=(0,), stages=('label',), command='ttc run')
  run = StageRun(_REPORT, place, None)
  with pytest.raises(ValueError, match='no samples of test questions'):
    run.work()
  assert not run.folder.exists()


def test_the_models_it_compares_must_be_in_the_experiment():
  experiment = Experiment('e', (ReviseData(Worksheet()),), report=Report())
  with pytest.raises(ValueError, match="report reads 'pretrain'"):
    experiment.report.check(experiment)
