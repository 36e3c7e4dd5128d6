"""Step search against a slow reference, in the scripted world."""

import jax
import numpy as np
import pytest

from tests import testing
from tests.search import reference
from tests.testing import tokens
from ttc.inference.requests import fork, Question
from ttc.search.allocate import Beam, Dvts, ParticleFilter, Rebase
from ttc.search.sparse import Sparse
from ttc.search.strategies import (
  BestOfN,
  Greedy,
  StepSearch,
  stops_at_steps,
)

RNG = np.random.default_rng(0)
TABLE = RNG.normal(size=(testing.WORDS, testing.WORDS)) * 1.5
TABLE[:, testing.PAD] = -30
TABLE[:, testing.END] -= 0.5
VALUES = RNG.normal(size=testing.WORDS)
PROMPTS = [[3, 4], [5], [6, 7, 3]]
EVERY = [
  BestOfN(),
  StepSearch(Beam(4)),
  StepSearch(Rebase()),
  StepSearch(ParticleFilter()),
  StepSearch(Dvts(4), lookahead=1),
]


def solve(strategy, budget, devices=1, **capacity):
  models = testing.scripted_models(TABLE, VALUES, devices)
  return testing.solve(strategy, budget, models, *PROMPTS, **capacity)


@pytest.mark.parametrize('strategy', [Greedy(), *EVERY], ids=repr)
def test_what_stops_at_steps_is_known_before_it_runs(strategy):
  budget = 1 if strategy == Greedy() else 8
  assert stops_at_steps(strategy, budget) == strategy.verified
  assert stops_at_steps(Sparse(strategy), budget) == strategy.verified


@pytest.mark.parametrize(
  ('allocator', 'kept', 'trees'),
  [(Beam(4), 2, 1), (Beam(2), 4, 1), (Dvts(4), 1, 2), (Dvts(2), 1, 4)],
)
@pytest.mark.parametrize('lookahead', [0, 2])
def test_equals_the_reference(allocator, kept, trees, lookahead):
  strategy = StepSearch(allocator, lookahead=lookahead)
  solutions = solve(strategy, 8 * (lookahead + 1))
  for place, prompt in enumerate(PROMPTS):
    expected, spent = reference.step_search(
      TABLE,
      VALUES,
      prompt,
      10 + place,
      8,
      jax.random.key(0),
      kept=kept,
      k=lookahead,
      temperature=1.0,
      trees=trees,
    )
    assert tokens(solutions[place]) == expected
    cost = solutions[place].cost
    assert cost['proposer_decode'][0] == cost['verifier_decode'][0] == spent


def test_lookahead_changes_the_choice_at_k_steps_a_candidate():
  plain = solve(StepSearch(Beam(4)), 8)
  ahead = solve(StepSearch(Beam(4), lookahead=2), 24)
  assert any(tokens(a) != tokens(b) for a, b in zip(plain, ahead, strict=True))


def test_lookahead_is_inert_where_the_choice_is_forced():
  """With one row a problem there is nothing to choose: the rewind is exact."""
  plain = solve(StepSearch(Beam(1)), 1)
  ahead = solve(StepSearch(Beam(1), lookahead=2), 3)
  for one, other in zip(plain, ahead, strict=True):
    assert tokens(one) == tokens(other)
    assert one.attempts[0].values == other.attempts[0].values


@pytest.mark.parametrize('strategy', EVERY, ids=repr)
@pytest.mark.parametrize(
  'other',
  [
    dict(devices=4),
    dict(lanes=3, slots=9),
    dict(chunk=2, line=16),
    dict(lanes=32, slots=100, cache_len=128),
  ],
  ids=repr,
)
def test_independent_of_capacity_and_devices(strategy, other):
  here, there = solve(strategy, 8), solve(strategy, 8, **other)
  assert [tokens(s) for s in here] == [tokens(s) for s in there]
  for one, two in zip(here, there, strict=True):
    for mine, theirs in zip(one.attempts, two.attempts, strict=True):
      np.testing.assert_allclose(mine.values, theirs.values, atol=1e-6)


def test_depends_on_the_seed():
  models = testing.scripted_models(TABLE, VALUES)
  one, two = (
    testing.solve(BestOfN(), 8, models, *PROMPTS, seed=seed) for seed in (0, 1)
  )
  assert tokens(one[0]) != tokens(two[0])


@pytest.mark.parametrize('strategy', EVERY[:4], ids=repr)
def test_values_are_those_of_the_step_ends(strategy):
  for solution in solve(strategy, 8):
    for attempt in solution.attempts:
      ends = [t for t in attempt.tokens if t in (testing.STEP, testing.END)]
      if attempt.truncated and attempt.tokens[-1] != testing.STEP:
        ends.append(attempt.tokens[-1])
      np.testing.assert_allclose(
        attempt.values, 1 / (1 + np.exp(-VALUES[ends])), atol=1e-5
      )


def test_greedy_takes_the_most_likely_tokens():
  for prompt, solution in zip(PROMPTS, solve(Greedy(), 1), strict=True):
    last = prompt[-1]
    for token in solution.attempts[0].tokens:
      assert token == TABLE[last].argmax()
      last = token


def test_truncation_is_marked_and_limited():
  attempts = [a for s in solve(BestOfN(), 64) for a in s.attempts]
  assert {a.truncated for a in attempts} == {True, False}
  for attempt in attempts:
    assert attempt.truncated == (attempt.tokens[-1] != testing.END)
    assert len(attempt.tokens) == 12 or not attempt.truncated


def test_a_sparse_search_chooses_every_few_steps():
  """Its rows are those of a search whose steps are as long."""
  longer = TABLE.copy()
  longer[:, testing.STEP] = -60  # steps end when they are full
  dense = testing.scripted_models(longer, VALUES, max_step_tokens=4)
  short = testing.scripted_models(longer, VALUES, max_step_tokens=2)
  expected = testing.solve(StepSearch(Beam(2)), 8, dense, *PROMPTS)
  found = testing.solve(Sparse(StepSearch(Beam(2)), 2), 8, short, *PROMPTS)
  assert [s.attempts for s in found] == [s.attempts for s in expected]
  every = testing.solve(StepSearch(Beam(2)), 8, short, *PROMPTS)
  assert [s.attempts for s in found] != [s.attempts for s in every]
  for solution in found:
    cost = solution.cost
    assert cost['verifier_decode'][0] == cost['proposer_decode'][0]


def test_a_round_limit_still_finishes_every_row():
  for solution in solve(StepSearch(Beam(4), rounds=1), 8):
    for attempt in solution.attempts:
      assert not attempt.truncated or len(attempt.tokens) == 12


def test_costs_count_each_prompt_once_and_every_token():
  for prompt, solution in zip(PROMPTS, solve(BestOfN(), 8), strict=True):
    cost, attempts = solution.cost, tokens(solution)
    assert cost['proposer_prefill'][0] == len(prompt) - 1  # the last is pending
    assert cost['verifier_prefill'][0] == len(prompt)
    drawn = sum(len(t) for t in attempts)
    assert cost['proposer_decode'][0] == cost['verifier_decode'][0] == drawn
    seen = sum(len(prompt) + i for t in attempts for i in range(len(t)))
    assert cost['proposer_decode'][2] == seen
    assert cost['verifier_decode'][2] == seen + drawn
    for useful, executed, keys, executed_keys in cost.values():
      assert useful <= executed
      assert keys <= executed_keys


@pytest.mark.parametrize(
  ('strategy', 'budget', 'words'),
  [
    (StepSearch(Beam(4)), 6, 'multiple of 4'),
    (StepSearch(Beam('sqrt')), 8, '4 or 9'),
    (StepSearch(Beam(4), lookahead=1), 7, 'multiple of lookahead'),
    (BestOfN(), 0, 'at least 1'),
    (Greedy(), 2, 'budget is 1'),
    (StepSearch(Dvts(4)), 2, 'multiple of 4'),
  ],
)
def test_budgets_that_do_not_fit(strategy, budget, words):
  with pytest.raises(ValueError, match=words):
    strategy.rows(budget)


def test_parents_are_the_best_rows_copies_among_them():
  question = Question(0, [3, 4], np.zeros(2, np.uint32), 8)
  rows = fork([question.root()], [0] * 4)
  for row, token in zip(rows, [5, 6, 5, 7], strict=True):
    row.tokens.append(token)
  choose = lambda allocator: StepSearch(allocator).parents(
    question.key, 0, rows, [0.9, 0.2, 0.9, 0.4]
  )
  assert choose(Beam(2)) == [0, 0, 2, 2]
  assert choose(Dvts(2)) == [0, 0, 2, 2]
  assert choose(Beam(1)) == [0, 1, 2, 3]


def test_copies_have_one_value_however_it_was_rounded():
  question = Question(0, [3, 4], np.zeros(2, np.uint32), 8)
  rows = fork([question.root()], [0] * 4)
  for row in rows:
    row.tokens.append(5)
  for values in ([0.5, 0.5, 0.5, 0.5], [0.5, 0.5000001, 0.4999999, 0.5]):
    chosen = StepSearch(Beam(2)).parents(question.key, 0, rows, values)
    assert chosen == [0, 0, 1, 1]
