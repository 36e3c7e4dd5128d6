"""Step search against a slow reference, in the scripted world."""

import jax
import numpy as np
import pytest

from tests import testing
from tests.search import reference
from ttc import partitioning
from ttc.search.allocate import Beam, Dvts, ParticleFilter, Rebase
from ttc.search.strategies import BestOfN, StepSearch

RNG = np.random.default_rng(0)
TABLE = RNG.normal(size=(testing.WORDS, testing.WORDS)) * 1.5
TABLE[:, testing.PAD] = -30
TABLE[:, testing.END] -= 0.5
VALUES = RNG.normal(size=testing.WORDS)
PROMPTS = [[3, 4], [5], [6, 7, 3]]


def run(strategy, budget, devices=1, problems=4, seed=0, **generation):
  models = testing.scripted_models(TABLE, VALUES, devices, **generation)
  prompts = testing.prompts(*PROMPTS, problems=problems)
  with partitioning.use(models.mesh):
    return strategy(models, prompts, budget=budget, key=jax.random.key(seed))


def tokens(solutions, problem):
  rows = solutions.length.shape[1]
  return [solutions.attempt(problem, r).tokens for r in range(rows)]


@pytest.mark.parametrize(('allocator', 'kept', 'trees'), [
    (Beam(4), 2, 1), (Beam(2), 4, 1), (Dvts(4), 1, 2)])
@pytest.mark.parametrize(('lookahead', 'distinct'), [
    (0, True), (0, False), (2, True)])
def test_equals_the_reference(allocator, kept, trees, lookahead, distinct):
  strategy = StepSearch(allocator, lookahead=lookahead, distinct=distinct)
  solutions = run(strategy, 8 * (lookahead + 1))
  for place, prompt in enumerate(PROMPTS):
    expected, spent = reference.step_search(
        TABLE, VALUES, prompt, 10 + place, 8, jax.random.key(0), kept=kept,
        k=lookahead, temperature=1.0, distinct=distinct, trees=trees)
    assert tokens(solutions, place) == expected
    cost = solutions.cost.row(place)
    assert cost['proposer_decode'][0] == cost['verifier_decode'][0] == spent


def test_lookahead_changes_the_choice():
  plain, ahead = run(StepSearch(Beam(4)), 8), run(
      StepSearch(Beam(4), lookahead=2), 24)
  assert any(tokens(plain, p) != tokens(ahead, p) for p in range(3))


def test_lookahead_is_inert_where_the_choice_is_forced():
  """With one row a problem there is nothing to choose: the rewind is exact."""
  plain = run(StepSearch(Beam(1)), 1)
  ahead = run(StepSearch(Beam(1), lookahead=2), 3)
  for p in range(3):
    assert tokens(plain, p) == tokens(ahead, p)
    np.testing.assert_array_equal(
        plain.attempt(p, 0).values, ahead.attempt(p, 0).values)


@pytest.mark.parametrize(
    'strategy', [BestOfN(), StepSearch(ParticleFilter())])
def test_independent_of_batch_padding_and_devices(strategy):
  alone = run(strategy, 8)
  for devices, problems in ((1, 3), (4, 4)):
    other = run(strategy, 8, devices=devices, problems=problems)
    for p in range(3):
      assert tokens(alone, p) == tokens(other, p)
  assert tokens(alone, 0) != tokens(run(strategy, 8, seed=1), 0)


@pytest.mark.parametrize('strategy', [
    BestOfN(), StepSearch(Beam(4)), StepSearch(Rebase()),
    StepSearch(ParticleFilter())])
def test_values_are_those_of_the_step_ends(strategy):
  solutions = run(strategy, 8)
  sigmoid = lambda x: 1 / (1 + np.exp(-x))
  for p in range(3):
    for r in range(8):
      attempt = solutions.attempt(p, r)
      ends = [t for t in attempt.tokens if t in (testing.STEP, testing.END)]
      if attempt.truncated and attempt.tokens[-1] != testing.STEP:
        ends.append(attempt.tokens[-1])
      np.testing.assert_allclose(
          attempt.values, sigmoid(VALUES[ends]), atol=1e-5)


def test_truncation_is_marked_and_limited():
  solutions = run(BestOfN(), 64)
  attempts = [solutions.attempt(p, r) for p in range(3) for r in range(64)]
  assert {a.truncated for a in attempts} == {True, False}
  for attempt in attempts:
    assert attempt.truncated == (attempt.tokens[-1] != testing.END)
    assert len(attempt.tokens) == 12 or not attempt.truncated


def test_what_was_started_counts_against_the_limit():
  models = testing.scripted_models(TABLE)
  started = testing.prompts(
      [3, 4, 5, 6], [3, 4, 5, 6], [3, 4, 5, 6], started=[0, 3, 11])
  with partitioning.use(models.mesh):
    solutions = BestOfN()(
        models, started, budget=16, key=jax.random.key(0))
  for place, most in enumerate((12, 9, 1)):
    attempts = [solutions.attempt(place, row) for row in range(16)]
    assert max(len(a.tokens) for a in attempts) == most
    assert all(a.truncated == (a.tokens[-1] != testing.END) for a in attempts)


def test_a_round_limit_still_finishes_every_row():
  solutions = run(StepSearch(Beam(4), rounds=1), 8)
  for p in range(3):
    for r in range(8):
      attempt = solutions.attempt(p, r)
      assert not attempt.truncated or len(attempt.tokens) == 12


def test_costs_count_each_prompt_once_and_every_token():
  solutions = run(BestOfN(), 8)
  for p, prompt in enumerate(PROMPTS):
    cost = solutions.cost.row(p)
    assert cost['proposer_prefill'] == [len(prompt), 3]
    assert cost['verifier_prefill'] == [len(prompt), 3]
    useful, executed = cost['proposer_decode']
    assert useful == sum(len(t) for t in tokens(solutions, p)) <= executed
    assert cost['verifier_decode'][0] == useful
  assert solutions.cost.row(3)['proposer_decode'][0] == 0  # padding


@pytest.mark.parametrize(('strategy', 'budget', 'words'), [
    (StepSearch(Beam(4)), 6, 'multiple of 4'),
    (StepSearch(Beam('sqrt')), 8, '4 or 9'),
    (StepSearch(Beam(4), lookahead=1), 7, 'multiple of lookahead'),
    (BestOfN(), 0, 'at least 1'),
    (StepSearch(Dvts(4)), 2, 'multiple of 4'),
])
def test_budgets_that_do_not_fit(strategy, budget, words):
  with pytest.raises(ValueError, match=words):
    strategy.rows(budget)


def test_step_search_needs_a_verifier():
  models = testing.scripted_models(TABLE)
  with pytest.raises(ValueError, match='needs a verifier'):
    StepSearch()(models, testing.prompts([3]), budget=4, key=jax.random.key(0))
