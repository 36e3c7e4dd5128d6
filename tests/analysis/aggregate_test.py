"""Selection against plain Python, one question at a time."""

import collections
import itertools

import numpy as np
import pytest

from ttc.analysis import aggregate


def _sums(answer, weight):
  sums = collections.defaultdict(float)
  for a, w in zip(answer, weight, strict=True):
    sums[a] += w
  if len(sums) > 1:
    sums.pop(-1, None)
  return sums


def _weighted(answer, score):
  sums = _sums(answer, score)
  winners = [a for a in sums if sums[a] == max(sums.values())]
  rows = [i for i, a in enumerate(answer) if a in winners]
  return max(rows, key=lambda i: (score[i], -i))


def _hierarchical(answer, score):
  sent = [_weighted(a, s) for a, s in zip(answer, score, strict=True)]
  chain = _weighted(
    [a[t] for a, t in zip(answer, sent, strict=True)],
    [s[t] for s, t in zip(score, sent, strict=True)],
  )
  return chain * len(answer[0]) + sent[chain]


def _pool(rng, *shape, ids=4):
  # Eighths add up exactly, so that ties are ties whatever the order.
  return rng.integers(-1, ids, shape), rng.integers(0, 9, shape) / 8


@pytest.mark.parametrize('ids', [2, 4, 1000])
def test_weighted_is_the_plain_vote(ids):
  answer, score = _pool(np.random.default_rng(0), 20, 30, 6, ids=ids)
  chosen = aggregate.weighted(answer, score)
  for at in np.ndindex(20, 30):
    assert chosen[at] == _weighted(answer[at].tolist(), score[at].tolist())


@pytest.mark.parametrize(('chains', 'turns'), [(1, 5), (5, 1), (3, 4)])
def test_hierarchical_is_two_plain_votes(chains, turns):
  answer, score = _pool(np.random.default_rng(1), 300, chains, turns)
  chosen = aggregate.hierarchical(answer, score)
  for i in range(300):
    assert chosen[i] == _hierarchical(answer[i].tolist(), score[i].tolist())


def test_hierarchical_can_differ_from_the_flat_vote():
  answer, score = [[0, -1, -1], [1, 1, 1]], [[0.8, 0, 0], [0.3, 0.3, 0.3]]
  assert aggregate.weighted(np.ravel(answer), np.ravel(score)) == 3
  assert aggregate.hierarchical(answer, score) == 0


def test_one_turn_chains_are_best_of_n():
  answer, score = _pool(np.random.default_rng(2), 200, 7)
  np.testing.assert_array_equal(
    aggregate.hierarchical(answer[..., None], score[..., None]),
    aggregate.weighted(answer, score),
  )


def test_best_is_the_highest_scored_parsable_row():
  answer, score = _pool(np.random.default_rng(3), 500, 5, ids=2)
  chosen = aggregate.best(answer, score)
  for a, s, i in zip(answer, score, chosen, strict=True):
    rows = [j for j in range(5) if a[j] >= 0] or range(5)
    assert i == max(rows, key=lambda j: (s[j], -j))


def _pessimistic(answer, score, doubt):
  kinds = [a for a in set(answer) if a >= 0] or [-1]
  rows = lambda a: [i for i, b in enumerate(answer) if a == b]
  worth = {
    a: sum(score[i] for i in rows(a)) / len(rows(a))
    - doubt * np.log(len(answer)) / (len(rows(a)) + 1)
    for a in kinds
  }
  winners = [a for a in kinds if worth[a] == max(worth.values())]
  return max(
    (i for a in winners for i in rows(a)), key=lambda i: (score[i], -i)
  )


@pytest.mark.parametrize('doubt', [0.0, 0.1, 1.0])
@pytest.mark.parametrize('ids', [2, 4, 1000])
def test_pessimistic_is_the_plain_bound(doubt, ids):
  answer, score = _pool(np.random.default_rng(11), 20, 30, 6, ids=ids)
  chosen = aggregate.pessimistic(answer, score, doubt=doubt)
  for at in np.ndindex(20, 30):
    assert chosen[at] == _pessimistic(
      answer[at].tolist(), score[at].tolist(), doubt
    )


@pytest.mark.parametrize('copies', [1, 5, 64])
def test_pessimism_about_equally_frequent_answers_is_the_weighted_vote(copies):
  """Also where each was given many times with one score, and none is rare."""
  _, score = _pool(np.random.default_rng(12), 200, 4)
  answer = np.tile(np.repeat(np.arange(4), copies), [200, 1])
  score = np.repeat(score, copies, axis=1)
  np.testing.assert_array_equal(
    aggregate.pessimistic(answer, score, doubt=3.0),
    aggregate.weighted(answer, score),
  )


def test_much_doubt_leaves_the_majority():
  answer, score = _pool(np.random.default_rng(13), 500, 7)
  chosen = aggregate.pessimistic(answer, score, doubt=1e3)
  for a, i in zip(answer.tolist(), chosen, strict=True):
    sums = _sums(a, np.ones(7))
    assert sums[a[i]] == max(sums.values())


def test_a_lone_answer_that_is_liked_is_doubted():
  answer, score = [0, 1, 1, 1, 1], [0.9, 0.85, 0.8, 0.85, 0.8]
  assert aggregate.pessimistic(answer, score, doubt=0.0) == 0
  assert aggregate.pessimistic(answer, score, doubt=0.3) == 1


@pytest.mark.parametrize(
  'select', [aggregate.weighted, aggregate.best, aggregate.pessimistic]
)
def test_no_questions_have_no_selection(select):
  assert select(np.zeros((0, 3), int), np.zeros((0, 3))).shape == (0,)


def test_majority_breaks_ties_evenly_between_answers():
  answer = np.tile([5, 3, 5, 3, 2, -1, -1, -1], [9000, 1])
  rng = np.random.default_rng(4)
  won = np.take_along_axis(
    answer, aggregate.majority(answer, None, rng)[:, None], axis=1
  )
  assert set(won.ravel()) == {3, 5}
  assert abs((won == 3).mean() - 0.5) < 0.03


def test_majority_wins_by_count():
  answer, _ = _pool(np.random.default_rng(5), 500, 7)
  chosen = aggregate.majority(answer, None, np.random.default_rng(6))
  for a, i in zip(answer.tolist(), chosen, strict=True):
    sums = _sums(a, np.ones(7))
    assert sums[a[i]] == max(sums.values())


@pytest.mark.parametrize(
  'select', [aggregate.weighted, aggregate.best, aggregate.pessimistic]
)
def test_order_of_rows_does_not_matter(select):
  rng = np.random.default_rng(7)
  answer, _ = _pool(rng, 1, 6)
  score = rng.random([1, 6])
  row = select(answer, score)[0]
  for order in itertools.permutations(range(6)):
    order = np.array(order)
    assert order[select(answer[:, order], score[:, order])[0]] == row


def test_order_of_attempts_does_not_matter_to_the_flat_majority():
  answer = np.array([[1, 0, 0], [1, 2, 0]])
  rng = np.random.default_rng(8)
  for order in itertools.permutations(range(6)):
    mixed = answer.ravel()[list(order)].reshape(2, 3)
    assert mixed.ravel()[aggregate.flat_majority(mixed, None, rng)] == 0


@pytest.mark.parametrize(
  'select',
  [
    aggregate.weighted,
    aggregate.best,
    aggregate.pessimistic,
    aggregate.majority,
  ],
)
def test_unparsable_wins_only_alone(select):
  rng = np.random.default_rng(9)
  assert select([-1, -1, 0], [0.9, 0.9, 0.0], rng) == 2
  assert select([-1, -1], [0.2, 0.9], rng) in (0, 1)


def test_a_chain_without_a_parsable_answer_loses():
  answer = [[-1, -1], [0, -1]]
  assert aggregate.hierarchical(answer, [[0.9, 0.9], [0.1, 0.9]]) == 2


def test_answer_ids_are_equal_exactly_for_equal_answers():
  answers = ['7', None, '1/2', '7', None, '']
  assert aggregate.answer_ids(answers).tolist() == [0, -1, 1, 0, -1, 2]
  assert aggregate.answer_ids([]).shape == (0,)


@pytest.mark.parametrize(
  ('how', 'reduce'),
  [
    ('last', lambda v: v[-1]),
    ('min', min),
    ('prod', np.prod),
    ('mean', np.mean),
  ],
)
def test_step_score_reads_only_the_used_cells(how, reduce):
  rng = np.random.default_rng(10)
  values, count = rng.random([30, 4, 5]), rng.integers(1, 6, [30, 4])
  expected = [
    [reduce(values[i, j, : count[i, j]]) for j in range(4)] for i in range(30)
  ]
  values[np.arange(5) >= count[..., None]] = np.nan
  score = aggregate.step_score(values, how, count)
  np.testing.assert_allclose(score, expected, rtol=1e-12)
  assert aggregate.step_score([0.5, 0.25], how) == reduce([0.5, 0.25])


@pytest.mark.parametrize('how', ['last', 'min', 'prod', 'mean'])
def test_no_step_scores_zero(how):
  assert aggregate.step_score([], how) == 0
  assert aggregate.step_score([[0.5, 0.5]], how, [0]).tolist() == [0]


@pytest.mark.parametrize('value', [np.nan, -0.1, 1.5])
def test_what_is_not_a_value_is_refused(value):
  with pytest.raises(ValueError, match=r'outside \[0, 1\]'):
    aggregate.step_score([0.5, value])


@pytest.mark.parametrize(
  'select',
  [
    aggregate.weighted,
    aggregate.best,
    aggregate.pessimistic,
    aggregate.hierarchical,
  ],
)
def test_scores_that_cannot_weigh_are_refused(select):
  with pytest.raises(ValueError, match='at least 0'):
    select([[0, 1]], [[0.5, -1.0]])
  with pytest.raises(ValueError, match='one score for each'):
    select([[0, 1]], [[0.5]])


def test_unknown_reduction_is_refused():
  with pytest.raises(ValueError, match="'median'"):
    aggregate.step_score([0.5], 'median')
