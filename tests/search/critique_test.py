"""Critiques between attempts, in a scripted world and with whole contexts."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests import testing
from tests.search import reference
from ttc.inference import keys
from ttc.search.critique import Critique
from ttc.search.strategies import longest

RNG = np.random.default_rng(4)
TABLE = RNG.normal(size=(testing.WORDS, testing.WORDS)) * 1.5
TABLE[:, testing.PAD] = -30
VALUES = RNG.normal(size=testing.WORDS)
PROMPTS = [[3, 4], [5], [6, 7, 3]]
ROOM = 4
TASK = testing.Spelling()
ASK, AGAIN = TASK.vocabulary.encode('b c'), TASK.vocabulary.encode('d')
STRATEGIES = [
  Critique(),
  Critique(TASK, 'b c', 'd'),
  Critique(TASK, 'b c', 'd', turns=3),
  Critique(TASK, ask='b c', turns=1),
]


def bare(tokens):
  return tokens[:-1] if tokens[-1] in (1, 2) else tokens


def search(strategy, prompt, problem, budget):
  """Attempts in order, tokens drawn, and those that the proposer is given."""
  key = reference.fold(jax.random.key(0), jnp.uint32(problem))
  aside = reference.fold(key, jnp.uint32(keys.ASIDE))
  ask, again = (ASK, AGAIN) if strategy.ask else ([], [])
  chains, single = divmod(budget, 2 * strategy.turns - 1)
  drawn, given = 0, len(prompt) - 1

  def grow(context, own):
    nonlocal drawn
    row = reference.Row(list(context), own, len(context), ROOM)
    grown = reference.grow(row, TABLE, 1.0, 0, 99).tokens[len(context) :]
    drawn += len(grown)
    return grown

  first = [grow(prompt, reference.fold(key, i)) for i in range(chains + single)]
  found, heads = first[:], first[single:]
  contexts = [list(prompt)] * chains
  for turn in range(1, strategy.turns):
    for said, part in ((ask, 2 * turn), (again, 2 * turn + 1)):
      stream = reference.fold(aside, part)
      for chain in range(chains):
        whole = [*contexts[chain], *heads[chain]]
        context = [*bare(whole), *said]
        # The last token of what was sampled is new to the caches, if kept.
        cached = min(len(whole) - 1, len(context) - 1)
        given += len(context) - 1 - cached
        contexts[chain] = context
        heads[chain] = grow(context, reference.fold(stream, chain))
    found += heads
  return found, drawn, given


@pytest.mark.parametrize('strategy', STRATEGIES, ids=repr)
@pytest.mark.parametrize('budget', [1, 4, 7])
def test_equals_the_reference(strategy, budget):
  models = testing.scripted_models(
    TABLE, VALUES, max_tokens=ROOM, max_step_tokens=ROOM
  )
  for slots in (32, strategy.slots(budget)):
    solutions = testing.solve(strategy, budget, models, *PROMPTS, slots=slots)
    for place, solution in enumerate(solutions):
      expected, drawn, given = search(
        strategy, PROMPTS[place], 10 + place, budget
      )
      assert testing.tokens(solution) == expected
      assert len(expected) == strategy.rows(budget)
      assert solution.cost['proposer_decode'][0] == drawn
      assert solution.cost['proposer_prefill'][0] == given


def test_a_budget_is_shared_out_whole():
  for strategy in STRATEGIES:
    whole = 2 * strategy.turns - 1
    for budget in range(1, 12):
      chains, single = divmod(budget, whole)
      assert strategy.rows(budget) == chains * strategy.turns + single
      # Attempts, and the critiques between those of a chain.
      critiques = chains * (strategy.turns - 1)
      assert strategy.rows(budget) + critiques == budget


def test_attempts_follow_what_was_said():
  """With models that look back: the probability of whole contexts."""
  task = testing.Spelling(16)
  models = testing.looking_back(max_step_tokens=12)
  ask, again = task.vocabulary.encode('c d'), task.vocabulary.encode('e')
  strategy = Critique(task, ask='c d', again='e')
  heard = []

  def listened(plan):
    """The plan, and what its rows hold after each request."""
    while True:
      try:
        request = next(plan)
      except StopIteration as stop:
        return stop.value
      yield request
      heard.extend((row.start, list(row.tokens)) for row in request.rows)

  questions = testing.questions(models, PROMPTS[0])
  (solution,) = testing.run(
    testing.scheduler(models),
    models,
    [(q, listened(strategy.plan(q, 3)), 2) for q in questions],
  )
  *_, (at, critique), (start, last) = heard
  first, second = solution.attempts
  assert critique[:at] == [*PROMPTS[0], *bare(first.tokens), *ask]
  assert last[:start] == [*bare(critique), *again]
  assert last[start:] == second.tokens
  for context, attempt in ((PROMPTS[0], first), (last[:start], second)):
    log, values = testing.read_whole(models, context, attempt.tokens, 96)
    np.testing.assert_allclose(attempt.logprob, log.sum(), rtol=1e-3)
    np.testing.assert_allclose(attempt.values[-1], values[-1], atol=1e-4)
  assert len(last) <= longest(strategy, len(PROMPTS[0]), 12)


@pytest.mark.parametrize(
  ('fields', 'word'),
  [
    (dict(turns=0), 'turns'),
    (dict(ask='b'), 'Critique.task'),
    (dict(task=TASK, again='zz'), "Critique.again='zz'"),
  ],
)
def test_bad_settings(fields, word):
  with pytest.raises(ValueError, match=word):
    Critique(**fields)


def test_its_name_says_what_is_asked():
  strategy = dataclasses.replace(STRATEGIES[1], turns=3)
  assert repr(strategy) == "Critique(ask='b c', again='d', turns=3)"
