"""Records become arrays: every cell where it belongs, or a refusal."""

import numpy as np
import pytest

from tests.analysis import world
from ttc.analysis import pools
from ttc.pipeline import records


def answer(text, correct, **fields):
  return {
    'tokens': [1],
    'text': 'x',
    'answer': text,
    'correct': correct,
    'truncated': False,
    'logprob': -1.0,
    **fields,
  }


def test_cells(tmp_path):
  rows = [
    world.record(
      7,
      'BestOfN()',
      2,
      [
        answer('a', True, values=[0.1, 0.9], scores={'orm': 0.3, 'x': 1}),
        answer(None, False, values=[0.4], scores={'orm': 0.2}),
      ],
    ),
    world.record(
      3,
      'BestOfN()',
      2,
      [
        answer('b', False, values=[], scores={'orm': 0.5}),
        answer('b', False, values=[0.5, 0.2, 0.8], scores={'orm': 0.6}),
      ],
    ),
  ]
  world.write_stage(tmp_path / 's', rows)
  (pool,) = pools.read(tmp_path / 's')
  assert pool.problem.tolist() == [3, 7]
  assert pool.correct.tolist() == [[False, False], [True, False]]
  assert pool.answer.tolist() == [[0, 0], [0, -1]]
  np.testing.assert_allclose(pool.score('last'), [[0, 0.8], [0.9, 0.4]])
  np.testing.assert_allclose(pool.score('min'), [[0, 0.2], [0.1, 0.4]])
  np.testing.assert_allclose(pool.score('prod'), [[0, 0.08], [0.09, 0.4]])
  assert list(pool.scores) == ['orm']
  assert pool.scores['orm'].tolist() == [[0.5, 0.6], [0.3, 0.2]]
  assert pool.chain is None
  only = pool.at(np.array([7]))
  assert only.correct.tolist() == [[True, False]]
  assert only.cost['proposer_decode'].tolist() == [[200, 240, 12000, 18000]]
  assert only.truncated.tolist() == [[False, False]]
  with pytest.raises(ValueError, match='lacks 1 questions, first 4'):
    pool.at(np.array([3, 4]))


def test_likelihood_is_that_of_the_mean_token(tmp_path):
  rows = [
    answer('a', True, tokens=[1, 2, 3, 4], logprob=-2.0),
    answer('b', False, tokens=[], logprob=0.0),
    answer('c', False, tokens=[7], logprob=-800.0),
  ]
  world.write_stage(tmp_path / 's', [world.record(0, 'BestOfN()', 3, rows)])
  (pool,) = pools.read(tmp_path / 's')
  np.testing.assert_allclose(pool.likelihood, [[np.exp(-0.5), 0, 0]])
  assert pool.at(np.array([0])).likelihood.shape == (1, 3)
  del rows[1]['logprob']
  world.write_stage(tmp_path / 't', [world.record(0, 'BestOfN()', 3, rows)])
  (pool,) = pools.read(tmp_path / 't')
  assert pool.likelihood is None


def test_certainty_is_that_of_the_mean_token(tmp_path):
  rows = [
    answer('a', True, tokens=[1, 2, 3, 4], certainty=6.0),
    answer('b', False, tokens=[], certainty=0.0),
  ]
  record = world.record(0, 'BestOfN()', 2, rows)
  world.write_stage(tmp_path / 's', [record])
  (pool,) = pools.read(tmp_path / 's')
  assert pool.certainty.tolist() == [[1.5, 0.0]]
  assert pool.at(np.array([0])).certainty.shape == (1, 2)
  # What a strategy stopped before has none, and is no reason to have none.
  short = world.record(1, 'BestOfN()', 2, rows[:1])
  world.write_stage(tmp_path / 't', [record, {**short, 'stopped': True}])
  (pool,) = pools.read(tmp_path / 't')
  assert pool.certainty.tolist() == [[1.5, 0.0], [1.5, 0.0]]
  del rows[0]['certainty']
  world.write_stage(tmp_path / 'u', [world.record(0, 'BestOfN()', 2, rows)])
  (pool,) = pools.read(tmp_path / 'u')
  assert pool.certainty is None


def test_pools_of_a_stage(tmp_path):
  folder = world.write(tmp_path) / 'search'
  found = pools.read(folder)
  assert {(p.strategy, p.budget) for p in found} == {
    (world.BEST_OF_N, 16),
    (world.BEAM, 4),
    (world.BEAM, 16),
    (world.SQRT, 4),
    (world.SQRT, 16),
    (world.AHEAD, 8),
  }
  assert pools.largest(found, 'BestOfN').width == 16
  assert pools.largest(found, 'Mcts') is None
  (ahead,) = [p for p in found if p.strategy == world.AHEAD]
  assert ahead.width == 4  # of a budget of 8: each beam looks one step ahead


def test_chains(tmp_path):
  folder = world.write(tmp_path) / 'revise'
  (pool,) = pools.read(folder)
  chains = pool.chains()
  assert chains.turns.tolist() == [8, 4, 2, 2, 1, 1, 1, 1]
  first = records.read_rows(folder)[0]
  for row in first['rows']:
    assert chains.correct[0, row['chain'], row['turn'] - 1] == row['correct']
    assert chains.score[0, row['chain'], row['turn'] - 1] == pytest.approx(
      row['values'][-1]
    )
  by_other = pool.chains('no_history').score
  assert by_other[0, 0, 0] == first['rows'][0]['scores']['no_history']


def test_what_each_turn_cost(tmp_path):
  folder = world.write(tmp_path) / 'revise'
  (pool,) = pools.read(folder)
  alive = (pool.chains().turns[:, None] > np.arange(8)).sum(0)
  assert (pool.spent['proposer_prefill'][:, 0] == world.PROMPT).all()
  assert not pool.spent['proposer_prefill'][:, 1:].any()
  for turn, count in enumerate(alive, start=1):
    assert (
      pool.spent['verifier_decode'][:, turn] == count * world.ANSWER
    ).all()
  for kind, spent in pool.spent.items():
    np.testing.assert_allclose(spent.sum(1), pool.cost[kind])


def test_skipped_questions_are_in_no_pool(tmp_path):
  """Neither wrong nor right; a strategy that answered nothing is not there."""
  rows = [
    world.record(1, 'BestOfN()', 1, [answer('a', True)]),
    world.skipped(2, 'BestOfN()', 1, 'long'),
    world.record(3, 'BestOfN()', 1, [answer('a', False)]),
    *(world.skipped(q, 'BestOfN()', 4, 'longer') for q in (1, 2, 3)),
  ]
  del rows[1]['cost']
  world.write_stage(tmp_path / 's', rows)
  stage = pools.read_stage(tmp_path / 's')
  (pool,) = stage.pools
  assert pool.budget == 1
  assert pool.problem.tolist() == [1, 3]
  assert pool.correct.tolist() == [[True], [False]]
  assert len(pool.cost['proposer_decode']) == 2
  assert stage.skipped == {1: 'longer', 2: 'longer', 3: 'longer'}


def test_costs_of_two_numbers_are_refused(tmp_path):
  old = world.record(1, 'BestOfN()', 1, [answer('a', True)])
  old['cost'] = {kind: [100, 120] for kind in old['cost']}
  world.write_stage(tmp_path / 's', [old])
  with pytest.raises(ValueError, match='not 4 numbers'):
    pools.read(tmp_path / 's')


def test_no_folder_is_no_pool(tmp_path):
  assert pools.read(tmp_path / 'nowhere') == []


def test_unfinished_stage_is_refused(tmp_path):
  folder = world.write(tmp_path) / 'search'
  (folder / records.MARK).unlink()
  with pytest.raises(records.IncompleteError, match='incomplete'):
    pools.read(folder)


@pytest.mark.parametrize(
  ('second', 'words'),
  [
    (world.record(1, 'BestOfN()', 1, [answer('a', True)]), 'comes twice'),
    (world.skipped(1, 'BestOfN()', 1, 'too long'), 'comes twice'),
    (world.record(2, 'BestOfN()', 1, [answer('a', True)] * 2), '1 to 2'),
  ],
)
def test_records_that_disagree_are_refused(tmp_path, second, words):
  first = world.record(1, 'BestOfN()', 1, [answer('a', True)])
  world.write_stage(tmp_path / 's', [first, second])
  with pytest.raises(ValueError, match=words):
    pools.read(tmp_path / 's')
