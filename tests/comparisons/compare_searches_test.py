"""A search against others at equal FLOPs, by difficulty."""

import json

import numpy as np
import pytest

from tests.analysis import world
from ttc.analysis import bootstrap, study
from ttc.analysis.curves import Accuracy
from ttc.comparisons import searches
from ttc.comparisons.compare_searches import CompareSearches
from ttc.inference.generation import Generation
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.place import Place
from ttc.pipeline.stage import StageRun
from ttc.search.strategies import BestOfN, StepSearch
from ttc.stages.arms import Arm
from ttc.stages.difficulty import Difficulty
from ttc.stages.search import Search
from ttc.stages.solver import Solver

_Q, _SEEDS = 60, 2


def _curve(rng, prices):
  """Accuracies by N; hard questions, of bin 3, take twice the FLOPs."""
  return {
    n: Accuracy(rng.random(_Q), 0.0, price * (1.0 + (_bins() == 3)))
    for n, price in prices.items()
  }


def _bins():
  return np.repeat([1, 3, 5], _Q // 3)


@pytest.fixture(scope='module')
def tables():
  rng = np.random.default_rng(0)
  return [
    {
      'own': _curve(rng, {2: 10, 4: 30, 8: 50, 16: 900}),
      'cheap': _curve(rng, {1: 5, 2: 20, 4: 80}),
      'dear': _curve(rng, {1: 40, 2: 60}),
    }
    for _ in range(_SEEDS)
  ]


@pytest.fixture(scope='module')
def rows(tables):
  found = searches.comparison(
    tables, [_bins()] * _SEEDS, 'own', ('cheap', 'dear')
  )
  return {(row['bin'], row['generations']): row for row in found}


def _read_off(curve, inside, flops):
  """The curve's accuracies [Q] at some FLOPs, on a line in log FLOPs."""
  points = sorted(curve.values(), key=lambda p: p.flops[inside].mean())
  x = [np.log2(p.flops[inside].mean()) for p in points]
  if not x[0] - 1e-9 <= np.log2(flops) <= x[-1] + 1e-9:
    return None
  each = zip(*(p.question[inside] for p in points), strict=True)
  return np.array([np.interp(np.log2(flops), x, y) for y in each])


def test_each_point_is_compared_at_the_flops_of_its_questions(tables, rows):
  assert {bin_ for bin_, _ in rows} == {None, 1, 3, 5}
  for (bin_, n), row in rows.items():
    inside = _bins() > 0 if bin_ is None else _bins() == bin_
    flops = tables[0]['own'][n].flops[inside].mean()
    assert row['flops'] == pytest.approx(flops)
    own = [table['own'][n].question[inside] for table in tables]
    assert row['accuracy'] == pytest.approx(100 * np.mean(own))
    there = {}
    for name in ('cheap', 'dear'):
      read = [_read_off(table[name], inside, flops) for table in tables]
      if read[0] is not None:
        there[name] = read
    assert set(row['others']) == {*there, *[searches.BEST] * bool(there)}
    for name, read in there.items():
      cell = row['others'][name]
      assert cell['accuracy'] == pytest.approx(100 * np.mean(read))
      pairs = [np.stack(pair) for pair in zip(own, read, strict=True)]
      assert cell['difference'] == pytest.approx(
        bootstrap.interval(pairs, lambda m: 100 * (m[..., 0] - m[..., 1]))
      )
    if there:
      best = max(np.mean(read) for read in there.values())
      estimate, low, high = row['others'][searches.BEST]['difference']
      assert estimate == pytest.approx(100 * (np.mean(own) - best))
      assert low <= estimate <= high


def test_nothing_is_extrapolated(rows):
  assert list(rows[1, 2]['others']) == ['cheap', searches.BEST]
  assert list(rows[3, 8]['others']) == ['cheap', 'dear', searches.BEST]
  assert not rows[1, 16]['others']


def test_the_best_is_no_worse_than_any_in_every_draw(rows):
  for row in rows.values():
    named = [c for n, c in row['others'].items() if n != searches.BEST]
    for cell in named:
      best = row['others'][searches.BEST]['difference']
      assert all(
        a <= b + 1e-9 for a, b in zip(best, cell['difference'], strict=True)
      )


@pytest.mark.parametrize('missing', ['arm', 'costs'])
def test_what_cannot_be_compared_is_named(missing, tables):
  broken = dict(tables[0])
  if missing == 'arm':
    del broken['dear']
  else:
    broken['dear'] = {
      n: point._replace(flops=None) for n, point in broken['dear'].items()
    }
  with pytest.raises(ValueError, match="'dear'"):
    searches.comparison([broken], [_bins()], 'own', ('cheap', 'dear'))


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  root = tmp_path_factory.mktemp('full')
  without = ('large_greedy', 'large_samples', 'control_samples')
  for seed in range(_SEEDS):
    world.write(root, world.Truth(questions=40), seed, without)
  stage = CompareSearches(
    'beam M=4', ('best-of-N weighted', 'chains'), subsets=2
  )
  place = Place(root, tuple(range(_SEEDS)), ('search',), 'ttc compare')
  run = StageRun(stage, place, None)
  run.work()
  return run, stage.show(run)


def test_points_are_those_of_the_report(run):
  run, _ = run
  found = json.loads((run.folder / 'compare.json').read_text())['points']
  studies = [
    study.load(run.place.root / f'seed-{seed}', seed) for seed in range(_SEEDS)
  ]
  for row in found:
    own = [
      one.search_arms['beam M=4'][row['generations']]
      .question[
        one.bins['oracle'] == row['bin'] if row['bin'] else one.problem >= 0
      ]
      .mean()
      for one in studies
    ]
    assert row['accuracy'] == pytest.approx(100 * np.mean(own), rel=1e-5)
  present = {int(b) for one in studies for b in one.bins['oracle']}
  assert {row['bin'] for row in found} == {None, *present}
  assert {n for row in found for n in row['others']} == {
    'best-of-N weighted',
    'chains',
    searches.BEST,
  }


def test_it_is_shown_and_drawn(run):
  run, shown = run
  lines = shown.splitlines()
  assert [line.split()[:2] for line in lines[3:5]] == [
    ['all', '4'],
    ['all', '16'],
  ]
  assert 'seeds 0, 1, oracle bins' in lines[0]
  assert (run.folder / 'figure.svg').read_bytes().startswith(b'<?xml')
  assert (run.folder / 'figure.png').read_bytes().startswith(b'\x89PNG')


@pytest.mark.parametrize(
  ('fields', 'told'),
  [
    (dict(bins='gold'), "bins='gold'"),
    (dict(others=('beam M=4',)), "'beam M=4' twice"),
    (dict(others=()), 'CompareSearches.others'),
    (dict(subsets=0), 'CompareSearches.subsets'),
  ],
)
def test_what_makes_no_comparison_is_told(fields, told):
  with pytest.raises(ValueError, match=told):
    CompareSearches('beam M=4', **fields)


@pytest.mark.parametrize(
  ('arm', 'other', 'told'),
  [
    ('backtrack M=2', 'beam M=4', "'backtrack M=2', which is no arm"),
    ('beam M=4', 'beam', 'there are best-of-N weighted, beam M=4, chains'),
    ('beam M=4', 'chains', 'revise'),
  ],
)
def test_an_arm_that_nobody_runs_is_told_before_any_work(arm, other, told):
  solver = Solver(None, Generation(), verifier='prm')
  arms = Arm(BestOfN(), (8,)), Arm(StepSearch(), (4,))
  stage = CompareSearches(arm, (other,))
  stages = Difficulty(solver), Search(solver, arms)
  with pytest.raises(ValueError, match=told):
    stage.check(Experiment('searches', stages, stage))
