"""Every pool counted: against its records, and by hand."""

import dataclasses

import numpy as np
import pytest

from tests.analysis import world
from ttc.analysis import flops, pool_tables, study
from ttc.reporting import terminal

TRUTH = world.Truth(questions=12, width=4, chains=4)


@pytest.fixture(scope='module')
def studies(tmp_path_factory):
  folder = tmp_path_factory.mktemp('runs')
  return [
    study.load(world.write(folder, TRUTH, seed), seed, subsets=2)
    for seed in (0, 1)
  ]


def row(rows, stage, budget, of='all'):
  (found,) = [
    r
    for r in rows
    if (r['stage'], r['budget']) == (stage, budget) and r['of'].startswith(of)
  ]
  return found


def test_pools_of_all_seeds_in_one_order(studies):
  spent, given = pool_tables.costs(studies), pool_tables.answers(studies)
  key = lambda r: (r['stage'], r['strategy'], r['budget'], r['answers'])
  assert [key(r) for r in spent] == [key(r) for r in given]
  assert ('search', 'beam M=4', 4, 4) in map(key, spent)
  less = dataclasses.replace(studies[1], search=())
  assert not any(
    r['stage'] == 'search' for r in pool_tables.costs([studies[0], less])
  )


def test_costs_are_means_a_question(studies):
  found = row(pool_tables.costs(studies), 'revise', 4)
  rows = 8  # turns of chains of 4, 2, 1 and 1
  assert found['answers'] == rows
  assert found['tokens']['proposer_decode'] == [100 * rows, 120 * rows]
  assert found['keys']['verifier_prefill'] == [55, 256]
  exact = sum(
    flops.exact(world.cost(rows, True), world.SMALL, world.SMALL).values()
  )
  assert [found['flops']['useful'], found['flops']['executed']] == (
    pytest.approx(exact.tolist())
  )
  assert found['flops']['paper'] == pytest.approx(
    2 * world.SMALL.num_params * 100 * rows
  )


def test_parts_of_chains_are_of_the_size_of_other_pools(studies):
  spent, given = pool_tables.costs(studies), pool_tables.answers(studies)
  exact = sum(
    flops.exact(world.cost(4, True), world.SMALL, world.SMALL).values()
  )
  for turns, chains in ((1, 4), (2, 2), (4, 1)):
    of = f'{chains} chains × {turns} turns'
    cost, outcome = (row(x, 'revise', 4, of) for x in (spent, given))
    assert cost['answers'] == outcome['answers'] == 4
    assert cost['tokens']['proposer_decode'] == pytest.approx([400, 480])
    assert cost['flops']['executed'] == pytest.approx(exact[1])
    right = []
    for study_ in studies:
      chain, turn = study_.revise.chain, study_.revise.turn
      long = {c for c in range(4) if (chain[0] == c).sum() >= turns}
      used = (turn <= turns) & np.isin(chain, list(long))
      right.append(study_.revise.correct[used].mean())
    assert outcome['right'] == pytest.approx(100 * np.mean(right))
  assert row(spent, 'revise', 4)['of'] == 'all 8 attempts, for every split'


def test_answers_cut_short_are_counted_apart(studies):
  correct = np.array([[1, 0, 0, 0], [1, 1, 0, 0]], bool)
  cut = np.array([[0, 1, 1, 0], [0, 1, 0, 0]], bool)
  pool = dataclasses.replace(
    studies[0].search[0].at(np.arange(2)),
    correct=correct,
    truncated=cut,
    answer=np.array([[0, 1, -1, 1], [0, 0, 1, 1]]),
  )
  only = study.Study(0, pool.problem, search=(pool,))
  (found,) = pool_tables.answers([only])
  assert found['right'] == pytest.approx(100 * 3 / 8)
  assert found['finished'] == pytest.approx(100 * 2 / 5)
  assert found['truncated'] == pytest.approx(100 * 3 / 8)
  assert found['unparsable'] == pytest.approx(100 * 1 / 8)
  all_cut = dataclasses.replace(pool, truncated=np.ones_like(cut))
  (found,) = pool_tables.answers(
    [study.Study(0, pool.problem, search=(all_cut,))]
  )
  assert found['finished'] is None


def test_text_of_pools_with_and_without_flops(studies):
  strip = lambda s: dataclasses.replace(
    s, search=tuple(dataclasses.replace(p, models=None) for p in s.search)
  )
  bare = [strip(s) for s in studies]
  for group, known in ((studies, True), (bare, False)):
    text = terminal.pools(pool_tables.answers(group), pool_tables.costs(group))
    (line,) = [
      x for x in text.splitlines() if x.startswith('search: beam M=4, N=4, all')
    ]
    assert len(line.split()) == 7 + 4 + 3 * known
    if known:
      spent = row(pool_tables.costs(group), 'revise', 4, '1 chains')['flops']
      assert f'{spent["executed"] / spent["useful"]:.2f}' in text


def test_skipped_questions_are_told_once_a_stage(studies):
  holed = dataclasses.replace(
    studies[0],
    skipped={
      'search': {99: 'long', 100: 'longer'},
      'control_samples': dict.fromkeys(range(12), 'short'),
    },
  )
  rows = pool_tables.skipped([holed, studies[1]])
  assert len(rows) == 14
  assert {r['dropped'] for r in rows if r['stage'] == 'search'} == {True}
  lines = terminal.skipped(rows).splitlines()
  assert len(lines) == 2
  assert (
    'skipped by search (seed 0): 2 questions, left out of all arms; '
    'question 99: long'
  ) in lines
  assert terminal.skipped([]) == ''
