"""Backtracking against a slow reference, in the scripted world."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests import testing
from tests.search import reference
from tests.testing import tokens
from ttc.inference.capacity import Capacity
from ttc.inference.scheduler import Scheduler
from ttc.models import partitioning
from ttc.search.backtrack import Backtrack

RNG = np.random.default_rng(2)
TABLE = RNG.normal(size=(testing.WORDS, testing.WORDS)) * 1.5
TABLE[:, testing.PAD] = -30
TABLE[:, testing.END] -= 0.5
VALUES = RNG.normal(size=testing.WORDS)
PROMPTS = [[3, 4], [5], [6, 7, 3]]
MOST = 2  # tokens of a step, so that steps end in many ways
STRATEGIES = [
  Backtrack(),
  Backtrack(threshold=0.5),
  Backtrack(first=1, width=1, batch=1),
  Backtrack(first=2, width=3, batch=4),
  Backtrack(threshold=0.0),
  Backtrack(first=3, batch=1, threshold=1.0),
]


@functools.cache
def world(devices=1, **capacity):
  models = testing.scripted_models(TABLE, VALUES, devices, max_step_tokens=MOST)
  return models, testing.scheduler(models, **capacity)


def solve(strategy, budget, **sizes):
  models, scheduler = world(**sizes)
  return testing.run(
    scheduler,
    models,
    [
      (q, strategy.plan(q, budget), strategy.slots(budget))
      for q in testing.questions(models, *PROMPTS)
    ],
  )


def value(token):
  return 1 / (1 + math.exp(-VALUES[token]))


def steps_of(new):
  """Numbers of tokens after each step."""
  ends, since = [], 0
  for place, token in enumerate(new, start=1):
    since += 1
    if token in (testing.STEP, testing.END) or since == MOST:
      ends.append(place)
      since = 0
  return ends if since == 0 else [*ends, len(new)]


def kept_tokens(strategy, new):
  ends = steps_of(new)
  values = [value(new[end - 1]) for end in ends]
  bad = next((i for i, v in enumerate(values) if v < strategy.threshold), None)
  if bad is None:
    falls = [values[i - 1] - values[i] for i in range(1, len(values))]
    bad = falls.index(max(falls)) + 1 if falls else 0
  return new[: ends[bad - 1]] if bad else []


def search(strategy, prompt, problem, budget):
  """New tokens of each attempt, in order, and how many were drawn in all."""
  key = reference.fold(jax.random.key(0), jnp.uint32(problem))
  # A prefix: its tokens, key, number of turns and of continuations.
  known, found, firsts, drawn = [[[], key, 0, 0]], [], [], 0

  def worth(prefix):
    return value(prefix[0][-1]) if prefix[0] else sum(firsts) / len(firsts)

  while len(found) < budget:
    if not found:
      turn, width = known[:1], strategy.first
    else:
      order = sorted(
        range(len(known)), key=lambda i: (known[i][2], -worth(known[i]), i)
      )
      turn = [known[i] for i in order[: strategy.batch]]
      width = strategy.width
    attempts = []
    for prefix in turn:
      prefix[2] += 1
      for _ in range(width):
        if len(found) + len(attempts) == budget:
          break
        own = reference.fold(prefix[1], prefix[3])
        prefix[3] += 1
        row = reference.Row([*prompt, *prefix[0]], own, len(prompt), 12)
        row = reference.grow(row, TABLE, 1.0, 0, 99)
        new = row.tokens[len(prompt) :]
        drawn += len(new) - len(prefix[0])
        attempts.append((prefix, own, new))
    for prefix, own, new in attempts:
      found.append(new)
      if not prefix[0]:
        firsts.append(value(new[steps_of(new)[0] - 1]))
      kept = kept_tokens(strategy, new)
      if kept not in [tokens for tokens, *_ in known]:
        known.append([kept, own, 0, 0])
  return found, drawn


@pytest.mark.parametrize('strategy', STRATEGIES, ids=repr)
def test_equals_the_reference(strategy):
  saved = 0
  for place, solution in enumerate(solve(strategy, 14)):
    expected, drawn = search(strategy, PROMPTS[place], 10 + place, 14)
    assert tokens(solution) == expected
    cost = solution.cost
    assert cost['proposer_decode'][0] == drawn
    saved += sum(map(len, expected)) - drawn
  # Prefixes are not sampled again; where no step is good there are none.
  assert (saved > 0) == (strategy.threshold < 1)


@pytest.mark.parametrize('strategy', STRATEGIES, ids=repr)
@pytest.mark.parametrize('budget', [1, 2, 3, 8, 31])
def test_a_budget_is_spent_exactly(strategy, budget):
  assert strategy.rows(budget) == budget
  for solution in solve(strategy, budget):
    assert len(solution.attempts) == budget
    for attempt in solution.attempts:
      new = attempt.tokens
      assert new[-1] == testing.END or len(new) == 12
      ends = [t for t in new if t in (testing.STEP, testing.END)]
      if attempt.truncated and new[-1] != testing.STEP:
        ends.append(new[-1])
      np.testing.assert_allclose(
        attempt.values, [value(t) for t in ends], atol=1e-5
      )


def test_log_probabilities_are_those_of_whole_attempts():
  log = TABLE - np.log(np.exp(TABLE).sum(axis=1, keepdims=True))
  for prompt, solution in zip(PROMPTS, solve(Backtrack(), 14), strict=True):
    for attempt in solution.attempts:
      before = [prompt[-1], *attempt.tokens[:-1]]
      whole = log[before, attempt.tokens].sum()
      assert attempt.logprob == pytest.approx(whole, abs=1e-3)


def test_the_prompt_is_read_once_and_a_prefix_once_a_turn():
  strategy = Backtrack(first=1, width=5, batch=1, threshold=0.0)
  for prompt, solution in zip(PROMPTS, solve(strategy, 6), strict=True):
    kept = len(kept_tokens(strategy, solution.attempts[0].tokens))
    cost = solution.cost
    assert cost['proposer_prefill'][0] == len(prompt) - 1 + kept
    assert cost['verifier_prefill'][0] == len(prompt)
    again = cost['verifier_decode'][0] - cost['proposer_decode'][0]
    assert again == kept


def test_what_was_read_again_is_what_was_there():
  """With models that look back: probability and values of whole attempts."""
  models = testing.looking_back(max_step_tokens=12)
  strategy = Backtrack(first=2, width=3, threshold=0.0)
  resumed = 0
  for solution in testing.solve(strategy, 14, models, *PROMPTS):
    prompt = solution.question.prompt
    resumed += solution.cost['proposer_prefill'][0] - len(prompt) + 1
    for attempt in solution.attempts:
      log, values = testing.read_whole(models, prompt, attempt.tokens)
      np.testing.assert_allclose(attempt.logprob, log.sum(), rtol=1e-3)
      ends = models.step_end[attempt.tokens]
      ends[-1] = True
      np.testing.assert_allclose(attempt.values, values[ends], atol=1e-4)
  assert resumed > 0


@pytest.mark.parametrize(
  ('strategy', 'budget', 'slots'),
  [
    (Backtrack(), 1, 1),
    (Backtrack(), 4, 4),
    (Backtrack(), 14, 5),
    (Backtrack(first=2, width=3, batch=2), 14, 7),
    (Backtrack(first=2, width=3, batch=2), 4, 3),
  ],
  ids=repr,
)
def test_never_more_slots_than_said(strategy, budget, slots):
  assert strategy.slots(budget) == slots
  held, (models, _) = [], world()
  with partitioning.use(models.mesh):
    crowded = Scheduler(
      models, Capacity(8, slots, 64, 32, 2), lambda load: held.append(load.rows)
    )
  found = testing.run(
    crowded,
    models,
    [
      (q, strategy.plan(q, budget), slots)
      for q in testing.questions(models, *PROMPTS)
    ],
  )
  assert max(held) <= slots
  assert [tokens(s) for s in found] == [
    tokens(s) for s in solve(strategy, budget)
  ]


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
def test_independent_of_capacity_and_devices(other):
  here, there = solve(Backtrack(), 14), solve(Backtrack(), 14, **other)
  assert [tokens(s) for s in here] == [tokens(s) for s in there]


def test_it_mends_the_step_that_went_wrong():
  """Good first steps are kept, and the bad second ones are drawn again."""
  start, good, right, wrong = 3, 4, 5, 6
  table = np.full((testing.WORDS, testing.WORDS), -30.0)
  table[start, good] = table[good, testing.STEP] = 0
  table[testing.STEP, [right, wrong]] = [0, 2]
  table[[right, wrong], testing.END] = 0
  values = np.zeros(testing.WORDS)
  values[testing.STEP] = 2
  models = testing.scripted_models(table, values)
  (solution,) = testing.solve(Backtrack(first=1, width=8), 9, models, [start])
  first, *others = tokens(solution)
  assert first == [good, testing.STEP, *first[2:]]
  assert solution.cost['proposer_decode'][0] == 4 + 8 * 2
  assert {attempt[2] for attempt in others} == {right, wrong}


@pytest.mark.parametrize(
  ('fields', 'word'),
  [
    (dict(first=0), 'first'),
    (dict(width=0), 'width'),
    (dict(batch=2.5), 'batch'),
    (dict(threshold=1.5), 'threshold'),
    (dict(threshold=math.nan), 'threshold'),
  ],
)
def test_bad_settings(fields, word):
  with pytest.raises(ValueError, match=word):
    Backtrack(**fields)
