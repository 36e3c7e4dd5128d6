"""The sequential x parallel grid against enumeration."""

import itertools

import numpy as np
import pytest

from ttc.analysis import aggregate, chains


def _rows(rng, turns, questions=6):
  """The rows of a pool as records give them: shuffled, flat [Q, W]."""
  places = np.array([(c, t + 1) for c, n in enumerate(turns) for t in range(n)])
  places = np.stack([rng.permutation(places) for _ in range(questions)])
  answer = rng.integers(-1, 3, places.shape[:2])
  return dict(
    correct=answer == 1,
    answer=answer,
    score=rng.random(answer.shape),
    chain=places[..., 0],
    turn=places[..., 1],
  )


@pytest.mark.parametrize('budget', [1, 2, 6, 8, 12, 64])
def test_splits_spend_the_budget_exactly(budget):
  found = chains.splits(budget)
  assert all(s * p == budget for s, p in found)
  assert found[0] == (1, budget)
  assert found[-1] == (budget, 1)
  assert len(found) == sum(budget % s == 0 for s in range(1, budget + 1))


@pytest.mark.parametrize('budget', [1, 8, 12, 64])
def test_the_nested_pool_holds_every_split_and_no_turn_more(budget):
  turns = chains.turns_needed(budget)
  found = chains.splits(budget)
  for s, p in found:
    assert (turns[:p] >= s).all()
  for j, length in enumerate(turns):
    assert any(s == length and p > j for s, p in found)


def test_the_nested_pool_serves_smaller_powers_of_two():
  turns = chains.turns_needed(64)
  for n in (1, 2, 4, 8, 16, 32):
    for s, p in chains.splits(n):
      assert (turns >= s).sum() >= p


def test_attempts_come_to_their_places():
  rows = _rows(np.random.default_rng(0), [3, 1])
  pool = chains.arrange(**rows)
  assert pool.turns.tolist() == [3, 1]
  for q, w in np.ndindex(rows['answer'].shape):
    at = q, rows['chain'][q, w], rows['turn'][q, w] - 1
    assert pool.answer[at] == rows['answer'][q, w]
    assert pool.correct[at] == rows['correct'][q, w]
    assert pool.score[at] == rows['score'][q, w]
  assert (pool.answer[:, 1, 1:] == -1).all()
  assert not pool.correct[:, 1, 1:].any()


@pytest.mark.parametrize(
  'change', [dict(turn=3), dict(chain=1), dict(chain=2), dict(turn=0)]
)
def test_chains_with_a_gap_are_refused(change):
  rows = _rows(np.random.default_rng(1), [2, 2])
  first = (rows['chain'][4] == 0) & (rows['turn'][4] == 2)
  for name, value in change.items():
    rows[name][4, first] = value
  with pytest.raises(ValueError, match='in row 4 are not'):
    chains.arrange(**rows)


@pytest.mark.parametrize(
  ('sequential', 'parallel'), [(1, 1), (1, 3), (2, 2), (2, 1), (4, 1)]
)
def test_accuracy_is_the_mean_over_all_draws_of_chains(sequential, parallel):
  rng = np.random.default_rng(2)
  pool = chains.arrange(**_rows(rng, [4, 2, 2, 1], questions=30))
  long = np.flatnonzero(pool.turns >= sequential)
  expected = []
  for drawn in itertools.permutations(long, parallel):
    cut = np.s_[:, list(drawn), :sequential]
    index = aggregate.hierarchical(pool.answer[cut], pool.score[cut])
    expected.append(pool.correct[cut].reshape(30, -1)[np.arange(30), index])
  found = chains.split_accuracy(
    pool, sequential, parallel, aggregate.hierarchical, rng, subsets=3000
  )
  np.testing.assert_allclose(
    found.question, np.mean(expected, axis=0), atol=0.05
  )


def test_a_flat_majority_sees_only_the_cut():
  # The answer of turn 3 would win if it were seen.
  answer = np.tile([0, 0, 1, 1, 1], [4, 1])
  pool = chains.arrange(
    correct=answer == 1,
    answer=answer,
    score=None,
    chain=np.zeros_like(answer),
    turn=np.tile(np.arange(5) + 1, [4, 1]),
  )
  rng = np.random.default_rng(3)
  vote = aggregate.flat_majority
  assert chains.split_accuracy(pool, 2, 1, vote, rng, 3).question.max() == 0
  assert chains.split_accuracy(pool, 5, 1, vote, rng, 3).question.min() == 1


def test_a_split_that_the_pool_lacks_is_refused():
  rng = np.random.default_rng(4)
  pool = chains.arrange(**_rows(rng, [4, 2]))
  with pytest.raises(ValueError, match=r'2 chains of 3 turns .* has 1 so long'):
    chains.split_accuracy(pool, 3, 2, aggregate.hierarchical, rng)
