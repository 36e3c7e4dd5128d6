"""Guided revision against a slow reference, and contexts written by hand."""

import dataclasses
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests import testing
from tests.search import reference
from ttc.data.vocabulary import end_table, step_end_table
from ttc.examples.marks import Marks
from ttc.inference.without_history import WithoutHistory
from ttc.search.allocate import Beam
from ttc.search.guided import Guided
from ttc.search.strategies import longest, StepSearch
from ttc.search.tempered import Tempered

RNG = np.random.default_rng(3)
TABLE = RNG.normal(size=(testing.WORDS, testing.WORDS)) * 1.5
TABLE[:, testing.PAD] = -30
TABLE[:, [1, 2]] -= 0.7  # the two ends
VALUES = RNG.normal(size=testing.WORDS)
# Short attempts of which many are cut off: their values differ, and they recur.
ROOM, MOST = 4, 2
PROMPTS = [[3, 4], [5], [6, 7, 3]]
TASK = testing.Spelling()
MARKS = Marks(TASK, good='d', bad='e', threshold=0.9)
STEP, REVISE = TASK.vocabulary.encode('a')[0], TASK.vocabulary.revise_id
STRATEGIES = [
  Guided(),
  Guided(marks=MARKS),
  Guided(first=3, width=2, keep=2, marks=MARKS),
  Guided(first=2, width=4, keep=9),
  Guided(marks=MARKS, accept=0.6),
  Guided(StepSearch(Beam(2)), first=2, width=2, marks=MARKS),
]


def world(alone=False):
  models = testing.scripted_models(
    TABLE, VALUES, max_tokens=ROOM, max_step_tokens=MOST
  )
  return tied(models, TASK, alone)


def tied(models, task, alone):
  """Models whose steps and ends are those of a task."""
  vocabulary = task.vocabulary
  ends = {vocabulary.revise_id: vocabulary.eos_id}
  prompts = dict(enumerate(PROMPTS, start=10))
  return dataclasses.replace(
    models,
    step_end=step_end_table(vocabulary, task.delimiter),
    end=end_table(vocabulary),
    ends=ends,
    bridge=WithoutHistory(prompts, ends) if alone else None,
  )


def value(token):
  """An end that the verifier reads is `<eos>`."""
  token = testing.END if token == REVISE else token
  return 1 / (1 + math.exp(-VALUES[token]))


def written(marks, attempt):
  """An attempt in a context, without the code under test."""
  bare = attempt[:-1] if attempt[-1] in (testing.END, REVISE) else attempt
  if marks == Marks():
    return [*bare, REVISE]
  tokens, before, fresh = [], 1.0, True
  for place, token in enumerate(attempt):
    if fresh:
      ahead = [*attempt[place:-1], None]
      end = place + next(
        i for i, t in enumerate(ahead) if t is None or t == STEP
      )
      now = value(attempt[end])
      fell = now < marks.threshold * before
      tokens += TASK.vocabulary.encode(marks.bad if fell else marks.good)
      before = now
    if place < len(bare):
      tokens.append(token)
    fresh = token == STEP
  return [*tokens, REVISE]


def sample(strategy, context, key, count):
  """Attempts of one turn, and how many tokens were drawn."""
  if isinstance(strategy.strategy, StepSearch):
    return beam(context, key, count)
  found = []
  for ordinal in range(count):
    own = reference.fold(key, ordinal)
    row = reference.Row(list(context), own, len(context), len(context) + ROOM)
    found.append(grow(row))
  return found, sum(map(len, found))


def grow(row, most=None):
  """As `reference.grow`, with the ends of the task; `most` tokens of a step."""
  tokens = list(row.tokens)
  while len(tokens) < row.limit:
    logits = TABLE[tokens[-1]].astype(np.float32)
    tokens.append(int(reference.draw(row.key, len(tokens), logits)))
    grown = len(tokens) - len(row.tokens)
    paused = most and (tokens[-1] == STEP or grown == most)
    if paused or tokens[-1] in (testing.END, REVISE):
      break
  return tokens[row.start :]


def beam(context, key, count):
  """Two prefixes at a time, of which the better one has both children."""
  drawn = 0
  done = lambda new: new[-1] in (testing.END, REVISE) or len(new) == ROOM
  rows = [([], reference.fold(key, i)) for i in range(count)]
  while True:
    grown = []
    for new, own in rows:
      row = reference.Row(
        [*context, *new], own, len(context), len(context) + ROOM
      )
      grown.append(new if new and done(new) else grow(row, MOST))
      drawn += len(grown[-1]) - len(new)
    if all(map(done, grown)):
      return grown, drawn
    counts = reference.beam_counts(
      [value(new[-1]) for new in grown], [*map(done, grown)], count // 2
    )
    rows = [
      (new, reference.fold(own, i))
      for new, (_, own), n in zip(grown, rows, counts, strict=True)
      for i in range(n)
    ]


def search(strategy, prompt, problem, budget):
  """Attempts in order, tokens drawn, and the context of every turn."""
  key = reference.fold(jax.random.key(0), jnp.uint32(problem))
  found, contexts, drawn = [], [], 0
  while len(found) < budget:
    different = {}
    for attempt in found:
      end = attempt[-1] in (testing.END, REVISE)
      different.setdefault(tuple(attempt[:-1] if end else attempt), attempt)
    best = sorted(different.values(), key=lambda new: -value(new[-1]))
    context = list(prompt)
    for attempt in best[: strategy.keep][::-1]:
      context += written(strategy.marks, attempt)
    contexts.append(context)
    count = min(
      strategy.width if found else strategy.first, budget - len(found)
    )
    turn = reference.fold(key, len(contexts))
    new, spent = sample(strategy, context, turn, count)
    found, drawn = found + new, drawn + spent
    if strategy.accept and max(value(a[-1]) for a in found) >= strategy.accept:
      break
  return found, drawn, contexts


def common(one, other):
  pairs = itertools.takewhile(
    lambda p: p[0] == p[1], zip(one, other, strict=False)
  )
  return sum(1 for _ in pairs)


@pytest.mark.parametrize('alone', [False, True])
@pytest.mark.parametrize('strategy', STRATEGIES, ids=repr)
def test_equals_the_reference(strategy, alone):
  budget = 8
  solutions = testing.solve(strategy, budget, world(alone), *PROMPTS)
  stopped = repeated = 0
  for place, solution in enumerate(solutions):
    prompt = PROMPTS[place]
    expected, drawn, contexts = search(strategy, prompt, 10 + place, budget)
    assert testing.tokens(solution) == expected
    cost = solution.cost
    assert cost['proposer_decode'][0] == drawn
    # A context is read from where it differs from the one before it. The last
    # token is pending: the proposer reads it when it samples.
    proposed, verified = len(prompt) - 1, len(prompt)
    for old, new in itertools.pairwise(contexts):
      shared = common(old, new)
      proposed += len(new) - 1 - min(shared, len(old) - 1, len(new) - 1)
      verified += 0 if alone else len(new) - shared
    assert cost['proposer_prefill'][0] == proposed
    assert cost['verifier_prefill'][0] == verified
    assert cost['verifier_decode'][0] == drawn
    stopped += len(expected) < budget
    repeated += len(set(map(tuple, expected))) < len(expected)
  assert bool(stopped) == (strategy.accept is not None)
  assert strategy.accept or repeated  # which no context has twice


@pytest.mark.parametrize('alone', [False, True])
def test_attempts_follow_the_contexts_they_should(alone):
  """With models that look back: probability and values of whole rows."""
  task = testing.Spelling(16)
  models = tied(testing.looking_back(max_step_tokens=12), task, alone)
  marks = Marks(task, good='b', bad='c', threshold=0.99)
  strategy, changed = Guided(width=2, keep=2, marks=marks), 0
  for solution in testing.solve(strategy, 7, models, *PROMPTS):
    prompt, attempts = solution.question.prompt, solution.attempts
    for place, attempt in enumerate(attempts):
      # A turn of one, then of two: its context has what was there before it.
      before = attempts[: place - (place + 1) % 2 if place else 0]
      different = {}
      for each in before:
        end = each.tokens[-1] in (testing.END, REVISE)
        bare = each.tokens[:-1] if end else each.tokens
        different.setdefault(tuple(bare), each)
      best = sorted(different.values(), key=lambda a: -a.values[-1])[:2]
      context = list(prompt)
      for each in reversed(best):
        context += marks(each.tokens, each.values)
      changed += place > 1 and best[:1] != [attempts[0]]
      log, _ = testing.read_whole(models, context, attempt.tokens, 96)
      np.testing.assert_allclose(attempt.logprob, log.sum(), rtol=1e-3)
      new = attempt.tokens
      as_read = [*new[:-1], models.ends.get(new[-1], new[-1])]
      read = prompt if alone else context
      _, values = testing.read_whole(models, read, as_read, 96)
      ends = models.step_end[new]
      ends[-1] = True
      np.testing.assert_allclose(attempt.values, values[ends], atol=1e-4)
  assert changed


def test_rows_are_no_longer_than_said():
  for strategy in STRATEGIES:
    most = 0
    for place, prompt in enumerate(PROMPTS):
      _, _, contexts = search(strategy, prompt, 10 + place, 8)
      most = max(most, *(len(context) + ROOM for context in contexts))
    assert most <= longest(Tempered(strategy), 3, ROOM)
  assert longest(Tempered(StepSearch()), 3, 12) == 15


def test_turns_that_the_search_cannot_spend_are_refused():
  strategy = Guided(StepSearch(Beam(4)), first=4, width=4)
  assert strategy.rows(8) == 8
  with pytest.raises(ValueError, match='does not divide 2 rows'):
    strategy.rows(6)
  assert Guided(StepSearch(lookahead=1), first=8, width=8).rows(16) == 8


@pytest.mark.parametrize(
  ('fields', 'word'),
  [
    (dict(first=0), 'first'),
    (dict(width=1.5), 'width'),
    (dict(keep=0), 'keep'),
    (dict(accept=1.5), 'accept'),
  ],
)
def test_bad_settings(fields, word):
  with pytest.raises(ValueError, match=word):
    Guided(**fields)
