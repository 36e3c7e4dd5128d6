"""Figures of a world: the right numbers, none where nothing was measured."""

import dataclasses
import re

import numpy as np
import pytest

from tests.analysis import world
from ttc.analysis import bootstrap, matched, names, spending, study
from ttc.analysis.matched import comparisons
from ttc.analysis.study import questions
from ttc.claims import compare
from ttc.reporting.figure import Figure
from ttc.reporting.figures import catalogue, common

TRUTH = world.Truth(questions=40, width=16, chains=8)
# Needs stages of its own, which tests/pipeline_test.py runs.
_APART = {'allocation'}
M = 13.5


@pytest.fixture(scope='module')
def studies(tmp_path_factory):
  folder = tmp_path_factory.mktemp('runs')
  return [
    study.load(world.write(folder, TRUTH, seed), seed, subsets=20)
    for seed in (0, 1)
  ]


@pytest.fixture(scope='module')
def built(studies):
  return catalogue.build(studies, M)


def series(figure: Figure, panel: int, name: str):
  (found,) = [s for s in figure.panels[panel].series if s.name == name]
  return found


def test_everything_measured_everything_drawn(built):
  assert set(built.left_out) == _APART
  ids = [f.id for f in built.figures]
  assert len(set(ids)) == len(ids) == 18
  for figure in built.figures:
    assert Figure.from_json(figure.to_json()) == figure
    for panel in figure.panels:
      for s in panel.series:
        if figure.id == 'reliability' and s.dashed:
          continue  # the diagonal was not measured
        for y, low, high in zip(s.y, s.low, s.high, strict=True):
          if y is not None and low is not None:
            assert low <= y <= high


def test_means_over_seeds_with_their_interval(built, studies):
  (figure,) = [f for f in built.figures if f.id == 'search-methods']
  line = series(figure, 0, names.BEAM)
  means = [100 * s.search_arms[names.BEAM][16].question.mean() for s in studies]
  assert line.x == (4, 16)
  assert line.y[1] == pytest.approx(np.mean(means))
  found = bootstrap.interval(
    [[s.search_arms[names.BEAM][16].question] for s in studies],
    lambda m: 100 * m[..., 0],
  )
  assert (line.y[1], line.low[1], line.high[1]) == pytest.approx(found)
  bar = series(figure, 2, f'{names.BEAM}, N=16')
  own = [s.bins['oracle'] == 2 for s in studies]
  right = [s.search_arms[names.BEAM][16].question for s in studies]
  assert bar.y[1] == pytest.approx(
    100 * np.concatenate([r[m] for r, m in zip(right, own, strict=True)]).mean()
  )


def test_differences_are_those_of_claims(built, studies):
  """For every pair, with and without choices that are made again."""
  panels = [p for f in built.figures for p in f.panels if p.differences]
  assert {p.title for p in panels} >= {
    'Search methods',
    'Compute-optimal search',
    'Sequential or parallel',
  }
  curves = {
    names.BEAM: [questions(s.search_arms)[names.BEAM] for s in studies],
    names.WEIGHTED: [questions(s.base_arms)[names.WEIGHTED] for s in studies],
    'compute-optimal, oracle bins': [
      s.search_optimal.refitted('oracle') for s in studies
    ],
    'best uniform arm': [s.search_optimal.refitted('uniform') for s in studies],
  }
  seen = 0
  for panel in panels:
    lines = {s.name: s for s in panel.series}
    for apart in panel.differences:
      for i, n in enumerate(apart.x):
        ys = [
          lines[name].y[lines[name].x.index(n)]
          for name in (apart.name, apart.over)
        ]
        assert apart.y[i] == pytest.approx(ys[0] - ys[1], abs=1e-9)
        if apart.name in curves and apart.over in curves:
          claim = compare.better(
            '',
            '',
            compare.at(curves[apart.name], n),
            compare.at(curves[apart.over], n),
          )
          assert (apart.low[i], apart.high[i]) == pytest.approx(claim.interval)
          seen += 1
  assert seen > 4


def test_the_same_points_by_flops(built, studies):
  by_id = {f.id: f for f in built.figures}
  for name, panel in (
    ('search-methods', 0),
    ('search-compute-optimal', 0),
    ('revisions-compute-optimal', 0),
    ('revisions-turns', 1),
  ):
    by_budget, by_flops = by_id[name].panels[panel : panel + 2]
    assert by_flops.x_scale == 'log10'
    lines = {s.name: s for s in by_budget.series}
    assert set(lines) - {s.name for s in by_flops.series} <= {
      'ORM best-of-N weighted'
    }  # what it read is not in the records
    for s in by_flops.series:
      assert s.x == lines[s.name].flops
      assert s.y == lines[s.name].y
      assert list(s.x) == sorted(s.x)
  line = series(by_id['search-methods'], 1, names.BEAM)
  pools = [
    next(p for p in s.search if (p.strategy, p.budget) == (world.BEAM, 16))
    for s in studies
  ]
  assert line.x[1] == pytest.approx(
    np.mean([spending.whole(p)[:, 1].mean() for p in pools])
  )


def test_without_costs_there_are_no_flops(studies):
  def free(study):
    bare = lambda p: dataclasses.replace(p, cost={}, spent={})
    return dataclasses.replace(
      study, search=tuple(map(bare, study.search)), revise=bare(study.revise)
    )

  found = catalogue.build([free(s) for s in studies], M)
  assert set(found.left_out) == _APART
  for figure in found.figures:
    assert all(p.x_scale != 'log10' for p in figure.panels)
    assert 'FLOPs' not in figure.caption or figure.id in (
      'headline',
      'matched',
      'matched-bars',
      'large-model',
    )


def test_pass_at_each_turn(built, studies):
  (figure,) = [f for f in built.figures if f.id == 'revisions-turns']
  dots = series(figure, 0, 'revision model')
  truth = []
  for s in studies:
    chosen = s.revise.turn == 2
    truth.append(100 * (s.revise.correct & chosen).sum() / chosen.sum())
  assert dots.x == tuple(range(1, 9))
  assert dots.y[1] == pytest.approx(np.mean(truth))


def test_ratio_sweep_has_all_splits(built):
  (figure,) = [f for f in built.figures if f.id == 'revisions-ratios']
  assert {s.name: s.x for s in figure.panels[0].series} == {
    'N=1': (1,),
    'N=2': (0.5, 2),
    'N=4': (0.25, 1, 4),
    'N=8': (0.125, 0.5, 2, 8),
  }
  assert [s.name for s in figure.panels[1].series] == [
    '1:8',
    '1:2',
    '2:1',
    '8:1',
  ]


def test_matched_stars_stand_at_equal_flops(studies):
  found = comparisons(studies, 'search', M)
  assert [e.label for e in found] == ['R ≫ 1']
  for e in found:
    assert matched.matched_budget(M, e.token_ratio) == pytest.approx(e.budget)
    assert e.budget <= 16
  # The largest budget of the revisions is below the large model's own price.
  assert comparisons(studies, 'revisions', M) == []
  cheap = comparisons(studies, 'revisions', 1.5)
  assert cheap
  for small, large in zip(cheap[0].small, cheap[0].large, strict=True):
    assert small.question.shape == large.shape == (TRUTH.questions,)


def test_bands_are_of_questions_where_there_is_one_seed(studies):
  only = studies[:1]
  (figure,) = [
    f for f in catalogue.build(only, M).figures if f.id == 'verifiers'
  ]
  line = series(figure, 0, 'PRM weighted')
  right = only[0].base_arms[names.WEIGHTED][4].question
  place = line.x.index(4)
  wide = 100 * 1.96 * right.std(ddof=1) / np.sqrt(len(right))
  assert line.high[place] - line.low[place] == pytest.approx(2 * wide, rel=0.2)


@pytest.mark.parametrize(
  ('without', 'gone'),
  [
    (
      ('revise',),
      {
        'revisions-compute-optimal',
        'revisions-turns',
        'revisions-ratios',
        'revisions-ratios-predicted',
        'revisions-ratios-majority',
        'revision-verifiers',
        'revisions-ratios-majority-predicted',
      },
    ),
    (('large_greedy',), {'matched', 'matched-bars'}),
    (('large_samples',), {'large-model'}),
    (
      ('search',),
      {
        'search-compute-optimal',
        'search-methods',
        'coverage',
        'search-methods-predicted',
        'aggregation',
        'verifiers',
        'reliability',
        'matched',
        'matched-bars',
      },
    ),
    (
      ('difficulty',),
      {
        'headline',
        'search-compute-optimal',
        'search-methods',
        'search-methods-predicted',
        'matched',
        'matched-bars',
        'revisions-compute-optimal',
        'revisions-ratios',
        'revisions-ratios-predicted',
        'revisions-ratios-majority',
        'revisions-ratios-majority-predicted',
      },
    ),
  ],
)
def test_what_was_not_measured_is_left_out(tmp_path, without, gone):
  truth = dataclasses.replace(TRUTH, questions=10, width=16, chains=4)
  only = study.load(world.write(tmp_path, truth, without=without), 0, subsets=3)
  found = catalogue.build([only], M)
  assert set(found.left_out) == gone | _APART
  assert all(found.left_out.values())


def test_without_a_large_model(studies):
  found = catalogue.build(studies, None)
  assert set(found.left_out) == _APART | {
    'matched',
    'matched-bars',
    'large-model',
  }


def test_an_empty_bin_is_not_zero():
  assert common.summarise([np.array([])]) == (None, None, None)
  right, bins = [np.array([1.0, 0.5])], [np.array([1, 3])]
  means = [mean for mean, _, _ in common.by_bin(right, bins)]
  assert means == [100, None, 50, None, None]


def test_captions_name_what_is_drawn(built, studies):
  """Panels by their titles, for they may stand below each other."""
  few = catalogue.build(studies[:1], None).figures
  for figure in (*built.figures, *few):
    titles = {p.title for p in figure.panels}
    assert set(re.findall('“(.*?)”', figure.caption)) <= titles
    assert not re.search('([Ll]eft|[Rr]ight):|[Bb]eside', figure.caption)
    kinds = {p.kind for p in figure.panels}
    assert ('Bars:' in figure.caption) <= ('bars' in kinds)
  (matched,) = [f for f in built.figures if f.id == 'matched']
  drawn = {x for p in matched.panels for x, _ in p.marks}
  told = re.search(r'that are marked: ([\d., e+-]+)\. ', matched.caption)[1]
  assert len(told.split(', ')) == len(drawn)


def test_reliability_is_counted_answer_by_answer(built, studies):
  (figure,) = [f for f in built.figures if f.id == 'reliability']
  drawn = series(figure, 0, 'verifier')
  by_tenth = {}
  for s in studies:
    for values, right in zip(
      s.base.values.reshape(-1, 3), s.base.correct.ravel(), strict=True
    ):
      tenth = min(int(values[-1] * 10), 9)
      by_tenth.setdefault(tenth, []).append(bool(right))
  assert list(drawn.x) == pytest.approx(
    [(tenth + 0.5) / 10 for tenth in sorted(by_tenth)]
  )
  assert list(drawn.y) == pytest.approx(
    [100 * np.mean(by_tenth[tenth]) for tenth in sorted(by_tenth)]
  )
