"""Losses are drawn as they were logged, and where they were logged."""

import json

import pytest

from ttc.reporting.figures import common, training


def log(folder, rows, end='\n'):
  folder.mkdir(parents=True)
  text = '\n'.join(map(json.dumps, rows)) + end
  (folder / 'metrics.jsonl').write_text(text)


def test_a_panel_for_each_stage_that_trained(tmp_path):
  trained = [{'step': s, 'loss': 1 / s, 'gradient': 1.0} for s in (20, 40)]
  held = [{'step': 40, 'validation/loss': 0.5}]
  log(tmp_path / 'prm', trained + held, end='\n{"step": 60, "lo')
  log(tmp_path / 'search', [{'part': 1, 'seconds': 2.0}])
  (panel,) = training.losses(tmp_path).panels
  assert panel.title == 'prm'
  assert {s.name: (s.x, s.y) for s in panel.series} == {
    'training': ((20, 40), (1 / 20, 1 / 40)),
    'validation': ((40,), (0.5,)),
  }


def test_long_logs_are_thinned_and_keep_their_end(tmp_path):
  log(tmp_path / 'base', [{'step': s, 'loss': 1.0 * s} for s in range(1, 1002)])
  (panel,) = training.losses(tmp_path).panels
  (series,) = panel.series
  assert 100 <= len(series.x) <= 200
  assert series.x[-1] == 1001
  assert series.x == tuple(sorted(series.x))
  assert series.x == series.y


def test_nothing_was_trained(tmp_path):
  with pytest.raises(common.MissingError, match='logs of stages that train'):
    training.losses(tmp_path)
