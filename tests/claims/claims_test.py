"""Claims in worlds where it is known what is true."""

import dataclasses

import numpy as np
import pytest

from tests.analysis import world
from ttc.analysis import study
from ttc.claims import catalogue, compare, search, verifier
from ttc.pipeline import records

TRUTH = world.Truth(
  questions=60, width=16, chains=8, beam=0.3, turn=0.1, large=-1.0
)
M = 13.5


def claims_of(folder, **truth):
  found = study.load(
    world.write(folder, dataclasses.replace(TRUTH, **truth)), 0, subsets=30
  )
  return {c.id: c for c in catalogue.build([found], M)}


@pytest.fixture(scope='module')
def generous(tmp_path_factory):
  return claims_of(tmp_path_factory.mktemp('generous'))


@pytest.fixture(scope='module')
def harsh(tmp_path_factory):
  return claims_of(
    tmp_path_factory.mktemp('harsh'), beam=-0.5, turn=-0.2, large=1.0
  )


@pytest.mark.parametrize(
  'id',
  [
    'search.beam-m-4-vs-best-of-n.all.n4',
    'search.optimal-oracle.vs-best-of-n-weighted.n4',
    'revisions.turn4-vs-first',
    'revisions.majority.sequential-vs-parallel.all.n8',
    'matched.v1.search.R15.all',
  ],
)
def test_both_signs(generous, harsh, id):
  assert generous[id].holds is True
  assert generous[id].estimate > 0
  if 'optimal' in id:  # with a bad beam it falls back on best-of-N
    assert harsh[id].holds is not True
  else:
    assert harsh[id].holds is False
    assert harsh[id].estimate < 0


def test_what_does_not_depend_on_the_truth(generous, harsh):
  for world_ in (generous, harsh):
    assert world_['base.spread.oracle'].holds is True
    assert world_['verifier.auc.final'].holds is True
    assert world_['verifier.auc.final'].estimate > 0.9
    assert 0.6 < world_['verifier.auc.inner'].estimate < 0.9
    assert world_['selection.best-of-n-weighted-vs-majority.n16'].estimate > 0


def test_ids_are_unique_and_statements_end(generous):
  assert len(generous) > 60
  for claim in generous.values():
    assert claim.statement[0].isupper()
    assert claim.statement.endswith('.')
    low, high = claim.interval
    if low is not None:
      assert low <= claim.estimate <= high


def test_a_claim_is_the_difference_it_names(tmp_path):
  folder = world.write(tmp_path, TRUTH)
  found = study.load(folder, 0, subsets=30)
  by_id = {c.id: c for c in search.claims([found])}
  bins = found.bins['oracle']
  beam = found.search_arms['beam M=4'][16].question
  base = found.search_arms['best-of-N weighted'][16].question
  claim = by_id['search.beam-m-4-vs-best-of-n.bin3.n16']
  assert claim.estimate == pytest.approx(
    100 * (beam[bins == 3].mean() - base[bins == 3].mean())
  )
  whole = by_id['search.beam-m-4-vs-best-of-n.all.n16']
  assert whole.estimate == pytest.approx(100 * (beam - base).mean())


def test_right_to_wrong_is_counted_over_all_turns(tmp_path):
  folder = world.write(tmp_path, TRUTH)
  lost = right = 0
  for record in records.read_rows(folder / 'revise'):
    correct = {(r['chain'], r['turn']): r['correct'] for r in record['rows']}
    for (chain, turn), now in correct.items():
      after = correct.get((chain, turn + 1))
      if after is not None and now:
        right += 1
        lost += not after
  (claim,) = [
    c
    for c in catalogue.build([study.load(folder, 0)], None)
    if c.id == 'revisions.right-to-wrong'
  ]
  assert claim.estimate == pytest.approx(100 * lost / right)


def test_auc_within_questions_by_brute_force(tmp_path):
  folder = world.write(tmp_path, dataclasses.replace(TRUTH, questions=12))
  found = study.load(folder, 0)
  pool = found.base
  inner, final = [], []
  for q in range(12):
    wins, pairs = {'inner': 0.0, 'final': 0.0}, {'inner': 0, 'final': 0}
    for right in np.flatnonzero(pool.correct[q]):
      for wrong in np.flatnonzero(~pool.correct[q]):
        for step, where in ((0, 'inner'), (1, 'inner'), (2, 'final')):
          a, b = pool.values[q, right, step], pool.values[q, wrong, step]
          wins[where] += (a > b) + 0.5 * (a == b)
          pairs[where] += 1
    if pairs['final']:
      inner.append(wins['inner'] / pairs['inner'])
      final.append(wins['final'] / pairs['final'])
  by_id = {c.id: c for c in verifier.claims([found])}
  assert by_id['verifier.auc.inner'].estimate == pytest.approx(np.mean(inner))
  assert by_id['verifier.auc.final'].estimate == pytest.approx(np.mean(final))


def flat(accuracy):
  return {n: np.full(30, a) for n, a in accuracy.items()}


def test_factor_of_generations():
  baseline = flat({1: 0.1, 4: 0.2, 16: 0.3, 64: 0.4})
  factor = lambda accuracy: compare.factor(
    'id', 's', [flat({16: accuracy})], [baseline], 16
  )
  assert factor(0.4).estimate == pytest.approx(4)
  assert factor(0.4).holds is True
  assert factor(0.3).estimate == pytest.approx(1)
  assert factor(0.3).holds is None
  assert factor(0.25).estimate == pytest.approx(0.5)
  assert factor(0.25).holds is False
  # Beyond what was measured, both ways, the estimate understates.
  assert factor(0.9).estimate == pytest.approx(4)
  assert factor(0.01).estimate == pytest.approx(1 / 16)


def test_over_optimisation_is_a_fall(tmp_path):
  """A verifier that prefers wrong answers makes best-of-N fall with N."""
  folder = world.write(tmp_path, TRUTH, without=('search',))
  rng = np.random.default_rng(0)
  rows = []
  for q in range(TRUTH.questions):
    answers = [world.row(rng, rng.random() < 0.7, True, '') for _ in range(16)]
    for answer in answers:
      answer['values'] = [0.1 if answer['correct'] else 0.9]
    rows.append(world.record(q, world.BEST_OF_N, 16, answers))
  world.write_stage(folder / 'search', rows)
  by_id = {c.id: c for c in search.claims([study.load(folder, 0)])}
  assert by_id['over-optimisation.best-of-n.all'].holds is True


def test_several_seeds_stand_beside_each_other(tmp_path):
  few = dataclasses.replace(TRUTH, questions=20)
  studies = [
    study.load(world.write(tmp_path, few, seed), seed, subsets=10)
    for seed in (0, 1)
  ]
  alone = [{c.id: c for c in search.claims([s])} for s in studies]
  both = {c.id: c for c in search.claims(studies)}
  id = 'search.beam-m-4-vs-best-of-n.all.n16'
  assert both[id].seeds == pytest.approx([a[id].estimate for a in alone])
  assert both[id].estimate == pytest.approx(np.mean(both[id].seeds))
