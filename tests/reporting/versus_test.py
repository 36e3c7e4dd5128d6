"""Runs compared: pairs by hand, settings that differ, what cannot be paired."""

import json

import numpy as np
import pytest

from tests.analysis import world
from ttc.analysis import names, study
from ttc.cli import main, sweep_runner
from ttc.reporting import versus

APART = (
  'difficulty', 'revise', 'large_greedy', 'large_samples', 'control_samples',
)  # fmt: skip
TRUTH = world.Truth(questions=30, width=4)


def run(folder, seed=0, **changes):
  """An experiment's folder with one seed, sampled with another seed's luck."""
  truth = world.Truth(**{**vars(TRUTH), **changes})
  made = world.write(folder / 'made', truth, seed, without=APART)
  root = folder / 'run'
  root.mkdir(parents=True)
  made.rename(root / 'seed-0')
  return root


def settings(root, **bindings):
  """Changes what the search stage says of its configuration."""
  path = root / 'seed-0' / 'search' / 'stage.json'
  held = json.loads(path.read_text())
  held['bindings'] |= bindings
  path.write_text(json.dumps(held))


@pytest.fixture(scope='module')
def compared(tmp_path_factory):
  folder = tmp_path_factory.mktemp('runs')
  roots = [
    run(folder / 'a'),
    run(folder / 'b', seed=1, beam=0.5),
    run(folder / 'c', questions=20),
    run(folder / 'd', seed=1),
  ]
  settings(roots[1], **{'Search.size': 128})
  settings(roots[3], **{'Search.solver.task.seed': 7})
  names = [str(root.relative_to(folder)) for root in roots]
  sweep_runner.compare(folder, names)  # as a sweep ends
  return roots, folder / 'compared'


def told(compared):
  return json.loads((compared[1] / 'comparison.json').read_text())


def test_differences_are_paired_by_question(compared):
  roots, _ = compared
  one, other = (study.load(root / 'seed-0', 0) for root in roots[:2])
  first = told(compared)['differences'][0]
  rows = {(r['strategy'], r['budget']): r for r in first['rows']}
  a, b = (s.search_arms[names.BEAM][4].question for s in (one, other))
  row = rows[names.BEAM, 4]
  assert row['ahead'] == pytest.approx(100 * (b - a).mean(), rel=1e-5)
  assert row['first'] == pytest.approx(100 * a.mean(), rel=1e-5)
  assert row['accuracy'] == pytest.approx(100 * b.mean(), rel=1e-5)
  assert row['holds'] is True
  spread = 1.96 * 100 * np.std(b - a, ddof=1) / np.sqrt(len(a))
  low, high = row['interval']
  assert high - low == pytest.approx(2 * spread, rel=0.25)
  assert rows[names.WEIGHTED, 1]['holds'] is None
  shown = (compared[1] / 'index.html').read_text()
  assert f'+{row["ahead"]:.1f}' in shown


def test_other_questions_are_not_paired(compared):
  _, few, other = told(compared)['differences']
  assert (few['rows'], few['why']) == ([], 'they asked other questions')
  assert other['why'] == 'their questions are of other tasks, splits or files'


def test_settings_that_differ_are_said(compared):
  changed, same, _ = told(compared)['settings']
  assert changed['lines'] == ['search: Search.size: 64 in a/run, 128 in b/run']
  assert same['lines'] == []


def test_curves_are_paired_where_all_are(compared, tmp_path, capsys):
  roots, _ = compared
  (figure,) = told(compared)['figures']
  assert not any(p['differences'] for p in figure['panels'])
  versus.write(tmp_path / 'out', roots[:2])
  both = json.loads((tmp_path / 'out' / 'comparison.json').read_text())
  rows = {
    (r['strategy'], r['budget']): (r['ahead'], *r['interval'])
    for r in both['differences'][0]['rows']
  }
  for panel in both['figures'][0]['panels']:
    (apart,) = panel['differences']
    assert (apart['name'], apart['over']) == ('b/run', 'a/run')
    for n, *point in zip(
      *(apart[key] for key in ('x', 'y', 'low', 'high')), strict=True
    ):
      assert point == pytest.approx(rows[panel['title'], n], abs=1e-4)
  sweep_runner.compare(tmp_path, ['nothing', 'here'])
  assert 'no page that compares the cells: ' in capsys.readouterr().err


def test_curves_stand_together(compared):
  (figure,) = told(compared)['figures']
  assert names.BEAM in [p['title'] for p in figure['panels']]
  for panel in figure['panels']:
    assert [s['name'] for s in panel['series']] == told(compared)['runs']
  for kind in ('svg', 'png'):
    assert (compared[1] / 'figures' / f'curves.{kind}').exists()


@pytest.mark.parametrize(
  ('runs', 'words'),
  [
    (('here',), 'at least two runs'),
    (('here', 'nowhere'), 'nowhere is no folder'),
    (('here', 'empty'), 'empty has no folder seed-0'),
    (('here', 'here'), 'here is named twice'),
  ],
)
def test_what_cannot_be_compared(tmp_path, monkeypatch, capsys, runs, words):
  run(tmp_path / 'a').rename(tmp_path / 'here')
  (tmp_path / 'empty').mkdir()
  monkeypatch.chdir(tmp_path)
  assert main.main(['report', *runs]) == 2
  assert words in capsys.readouterr().err
  assert not (tmp_path / 'compared').exists()
