"""Tables of a seed against what the records say, counted by hand."""

import collections
import dataclasses
import itertools
import shutil

import numpy as np
import pytest

from tests.analysis import world
from ttc.analysis import names, pools, spending, study
from ttc.pipeline import records

TRUTH = world.Truth(questions=25, width=4, chains=4)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  return world.write(tmp_path_factory.mktemp('runs'), TRUTH)


@pytest.fixture(scope='module')
def measured(folder):
  return study.load(folder, 0, subsets=400)


def found(folder, stage, strategy, budget):
  return {
    r['problem']: r['rows']
    for r in records.read_rows(folder / stage)
    if r['strategy'] == strategy and r['budget'] == budget
  }


def weighted(rows):
  """The row that weighted best-of-N selects, the slow way."""
  parsable = [r for r in rows if r['answer'] is not None] or rows
  total = collections.Counter()
  for row in parsable:
    total[row['answer']] += row['values'][-1]
  top = max(total.values())
  return max(
    (r for r in parsable if total[r['answer']] == top),
    key=lambda r: r['values'][-1],
  )


def test_subsets_of_best_of_n_estimate_all_subsets(folder, measured):
  rows = found(folder, 'search', world.BEST_OF_N, TRUTH.width)
  for n in (1, 2, 4):
    truth = [
      np.mean(
        [
          weighted(subset)['correct']
          for subset in itertools.combinations(rows[q], n)
        ]
      )
      for q in sorted(rows)
    ]
    point = measured.base_arms[names.WEIGHTED][n]
    np.testing.assert_allclose(point.question, truth, atol=0.12)
    assert point.question.mean() == pytest.approx(np.mean(truth), abs=0.02)
  assert measured.base_arms[names.WEIGHTED][4].sd == 0


def test_all_selections_of_one_answer_are_pass_at_1(measured):
  for arm in (names.WEIGHTED, names.BEST, names.MAJORITY):
    np.testing.assert_array_equal(
      measured.base_arms[arm][1].question, measured.base.correct.mean(1)
    )


def test_a_search_is_judged_by_all_its_rows(folder, measured):
  rows = found(folder, 'search', world.BEAM, 4)
  truth = [weighted(rows[q])['correct'] for q in sorted(rows)]
  np.testing.assert_array_equal(
    measured.search_arms[names.BEAM][4].question, truth
  )
  assert set(measured.search_arms) == {
    names.WEIGHTED,
    names.BEAM,
    'beam M=√N',
    'lookahead k=1, M=√N',
  }


def test_greedy_is_an_arm_of_one_generation(tmp_path):
  folder = world.write(tmp_path, TRUTH)
  rng = np.random.default_rng(0)
  rows = [
    world.record(q, world.GREEDY, 1, [world.row(rng, q % 2, False, '')])
    for q in range(TRUTH.questions)
  ]
  world.write_stage(folder / 'greedy', rows)
  world.write_solver(folder / 'greedy', 'pretrain', '')
  found = study.load(folder, 0)
  point = found.search_arms[names.GREEDY][1]
  np.testing.assert_array_equal(point.question, np.arange(25) % 2)
  assert (point.flops > 0).all()
  # Half of the questions for one generation: better than a sample's third.
  assert found.search_optimal.best[1].arm == names.GREEDY


def test_samples_at_another_temperature_serve_all_budgets(tmp_path):
  folder = world.write(tmp_path, TRUTH)
  rows = list(records.read_rows(folder / 'search'))
  warm = 'Tempered(strategy=BestOfN(), temperature=0.3)'
  rows += [
    {**r, 'strategy': warm} for r in rows if r['strategy'] == world.BEST_OF_N
  ]
  shutil.rmtree(folder / 'search')
  world.write_stage(folder / 'search', rows)
  found = study.load(folder, 0).search_arms
  assert list(found['best-of-N T=0.3']) == [1, 2, 4]
  for n, point in found['best-of-N T=0.3'].items():
    np.testing.assert_array_equal(
      point.question, found[names.WEIGHTED][n].question
    )


def test_every_ratio_of_every_budget(folder, measured):
  table = measured.revision_arms['verifier']
  assert {(arm, n) for arm in table for n in table[arm]} == {
    ('1:1', 1),
    ('1:2', 2),
    ('2:1', 2),
    ('1:4', 4),
    ('1:1', 4),
    ('4:1', 4),
  }
  rows = found(folder, 'revise', world.REVISIONS, TRUTH.chains)
  for q, chain in enumerate(rows[p] for p in sorted(rows)):
    longest = [r for r in chain if r['chain'] == 0]
    assert table['4:1'][4].question[q] == weighted(longest)['correct']
    first = [r for r in chain if r['turn'] == 1]
    assert table['1:4'][4].question[q] == weighted(first)['correct']


def test_bins_come_from_the_difficulty_stage_alone(folder, measured):
  samples = found(folder, 'difficulty', world.BEST_OF_N, 32)
  rate = [np.mean([r['correct'] for r in samples[q]]) for q in sorted(samples)]
  bins = measured.bins['oracle']
  assert set(measured.bins) == {'oracle', 'predicted'}
  for easier, harder in itertools.product(range(25), repeat=2):
    if bins[easier] < bins[harder]:
      assert rate[easier] > rate[harder]


def test_questions_that_a_stage_lacks_are_left_out(folder, tmp_path):
  half = world.write(tmp_path, dataclasses.replace(TRUTH, questions=10), seed=1)
  both = study.load(
    half,
    1,
    search=str(folder / 'search'),
    difficulty=str(folder / 'difficulty'),
    revise='revise',
  )
  assert both.problem.tolist() == list(range(10))
  assert both.bins['oracle'].tolist() == (
    study.load(folder, 0).bins['oracle'][:10].tolist()
  )
  assert both.greedy is None  # not asked for


def test_questions_that_any_strategy_skipped_are_left_out(tmp_path):
  whole = world.write(tmp_path / 'whole', TRUTH)
  holed = world.write(
    tmp_path / 'holed', TRUTH, without=('search', 'control_samples')
  )
  rows = [
    world.skipped(r['problem'], r['strategy'], r['budget'], 'long')
    if (r['problem'], r['strategy']) == (3, world.BEAM)
    else r
    for r in records.read_rows(whole / 'search')
  ]
  world.write_stage(holed / 'search', rows)
  world.write_stage(
    holed / 'control_samples',
    [world.skipped(q, world.BEST_OF_N, 4, 'longer') for q in range(25)],
  )
  found, full = study.load(holed, 0), study.load(whole, 0)
  assert found.problem.tolist() == [q for q in range(25) if q != 3]
  assert found.skipped == {
    'search': {3: 'long'},
    'control_samples': dict.fromkeys(range(25), 'longer'),
  }
  assert found.control is None
  for arm, curve in found.search_arms.items():
    for n, point in curve.items():
      assert len(point.question) == 24, (arm, n)
  np.testing.assert_array_equal(
    found.search_arms[names.BEAM][4].question,
    np.delete(full.search_arms[names.BEAM][4].question, 3),
  )
  assert found.bins['oracle'].tolist() == (
    np.delete(full.bins['oracle'], 3).tolist()
  )


def test_flops_of_every_point(folder, measured):
  by_key = {(p.strategy, p.budget): p for p in pools.read(folder / 'search')}
  base = by_key[world.BEST_OF_N, 4]
  for arm, n, asked in ((names.MAJORITY, 2, False), (names.WEIGHTED, 4, True)):
    np.testing.assert_allclose(
      measured.base_arms[arm][n].flops, spending.answers(base, n, asked)[:, 1]
    )
  np.testing.assert_allclose(
    measured.search_arms[names.BEAM][4].flops,
    spending.whole(by_key[world.BEAM, 4])[:, 1],
  )
  for by, asked in (('majority', False), ('verifier', True)):
    np.testing.assert_allclose(
      measured.revision_arms[by]['1:1'][4].flops,
      spending.split(measured.revise, 2, 2, asked)[:, 1],
    )
  assert measured.orm_arms[names.WEIGHTED][4].flops is None
  # Every arm spends the same at a budget of 4, and a choice of them no more.
  most = measured.search_arms[names.BEAM][4].flops
  assert (measured.search_optimal.flops['oracle'][4] <= most * (1 + 1e-9)).all()


def test_nothing_to_read_is_refused(tmp_path):
  with pytest.raises(ValueError, match='no samples of test questions'):
    study.load(tmp_path, 0)


def test_points_do_not_depend_on_what_else_is_computed(folder, measured):
  again = study.load(folder, 0, subsets=400, search='search')
  for n, point in again.base_arms[names.MAJORITY].items():
    np.testing.assert_array_equal(
      point.question, measured.base_arms[names.MAJORITY][n].question
    )
