"""Chains: what each attempt was conditioned on, read off its probability."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests import testing
from ttc.data.vocabulary import WordVocabulary
from ttc.inference.generation import Generation
from ttc.inference.models import Model, Models
from ttc.models.transformer import Transformer
from ttc.search.revisions import Chains, Trail

CFG = testing.small_config()
VOCABULARY = WordVocabulary(tuple(map(str, range(CFG.vocab_size - 3))))
REVISE, END = VOCABULARY.revise_id, VOCABULARY.eos_id
PROPOSER = testing.random_params(CFG)
VERIFIER = testing.random_params(CFG, 'value', seed=1)
IDS = np.arange(CFG.vocab_size)
PROMPTS = [[3, 4], [5, 6, 7]]
TURNS = (6, 3, 1)
CHAINS = Chains(TURNS, VOCABULARY, keep=2)


@pytest.fixture(scope='module')
def models():
  return Models(
    Model(PROPOSER, CFG),
    Model(VERIFIER, CFG),
    step_end=(IDS == 3) | (IDS <= REVISE),
    end=(IDS == END) | (IDS == REVISE),
    generation=Generation(1.0, 1.0, max_tokens=5, max_step_tokens=5),
    mesh=testing.mesh(),
    ends={END: END, REVISE: END},
  )


def revise(models, *prompts, **capacity):
  questions = testing.questions(models, *prompts)
  trails = [Trail() for _ in questions]
  solutions = testing.run(
    testing.scheduler(models, **capacity),
    models,
    [
      (q, CHAINS.plan(q, models, t), CHAINS.slots)
      for q, t in zip(questions, trails, strict=True)
    ],
  )
  order = lambda r: (r.chain, r.turn)
  for trail, solution in zip(trails, solutions, strict=True):
    assert trail.spent[-1] == solution.cost
    _check_spent(trail)
  return (
    [sorted(t.revisions, key=order) for t in trails],
    [s.cost for s in solutions],
  )


def _check_spent(trail):
  """The prompt alone, then every turn's new tokens."""
  sampled = [spent['proposer_decode'][0] for spent in trail.spent]
  assert len(sampled) == 1 + max(TURNS)
  new = [
    sum(len(r.attempt.tokens) for r in trail.revisions if r.turn <= turn)
    for turn in range(1 + max(TURNS))
  ]
  assert sampled == new


@pytest.fixture(scope='module')
def result(models):
  return revise(models, *PROMPTS)


def strip(tokens):
  return tokens[:-1] if tokens[-1] in (END, REVISE) else tokens


def context_of(prompt, chain, revision):
  """Written out by hand."""
  tokens = list(prompt)
  earlier = [
    r.attempt.tokens
    for r in chain
    if r.chain == revision.chain and r.turn < revision.turn
  ]
  for attempt in earlier[-2:]:
    tokens += [*strip(attempt), REVISE]
  return tokens


def test_every_chain_has_its_turns(result):
  expected = [(c, t) for c, n in enumerate(TURNS) for t in range(1, n + 1)]
  for chain in result[0]:
    assert [(r.chain, r.turn) for r in chain] == expected


def test_each_attempt_follows_the_most_recent_ones(result):
  """Its log-probability is that of the context written out by hand."""
  longest = CHAINS.longest(3, 5)
  assert longest == 3 + 2 * 6 + 5
  read = jax.jit(
    lambda t: (
      jax.nn.log_softmax(Transformer(CFG).apply({'params': PROPOSER}, t)),
      jax.nn.sigmoid(
        Transformer(CFG, head='value').apply({'params': VERIFIER}, t)
      ),
    )
  )
  truncated, ends = 0, set()
  for prompt, chain in zip(PROMPTS, result[0], strict=True):
    for revision in chain:
      context = context_of(prompt, chain, revision)
      new = revision.attempt.tokens
      truncated += revision.attempt.truncated
      whole = np.zeros((1, longest), int)
      whole[0, : len(context) + len(new)] = context + new
      log, value = read(jnp.asarray(whole))
      at = np.arange(len(context), len(context) + len(new))
      ends.add(new[-1])
      one_end = [*new[:-1], END] if new[-1] == REVISE else new
      whole[0, at] = one_end
      _, value = read(jnp.asarray(whole))
      np.testing.assert_allclose(
        revision.attempt.logprob, log[0, at - 1, new].sum(), rtol=1e-3
      )
      np.testing.assert_allclose(
        revision.attempt.values[-1], value[0, at[-1]], atol=1e-4
      )
  assert truncated  # such attempts are in contexts too
  assert {END, REVISE} <= ends


def test_independent_of_rows_and_neighbours(models, result):
  alone, _ = revise(models, PROMPTS[0], lanes=2, slots=3)
  texts = lambda chain: [r.attempt.tokens for r in chain]
  assert texts(alone[0]) == texts(result[0][0])


def test_contexts_are_not_read_again_while_they_grow(result):
  """Until the window slides, only `<revise>` is new to the models."""
  for prompt, chain, cost in zip(PROMPTS, *result, strict=True):
    new = sum(len(r.attempt.tokens) for r in chain)
    assert cost['proposer_decode'][0] == cost['verifier_decode'][0] == new
    read = len(prompt) - 1
    for revision in chain:
      context = context_of(prompt, chain, revision)
      if revision.turn == 1:
        continue
      # The prompt's last token is pending at first, later the <revise>.
      before = chain[chain.index(revision) - 1]
      whole = context_of(prompt, chain, before) + before.attempt.tokens
      shared = 0
      for old, now in zip(whole, context, strict=False):
        if old != now:
          break
        shared += 1
      cached = min(shared, len(whole) - 1)
      read += max(0, len(context) - 1 - cached)
    assert cost['proposer_prefill'][0] == read


@pytest.mark.parametrize('turns', [(), (0,), (1, 2)])
def test_bad_plans(turns):
  with pytest.raises(ValueError, match=r'Chains\.turns'):
    Chains(turns, VOCABULARY)
