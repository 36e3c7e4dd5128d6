"""Chains: what each attempt was conditioned on, read off its probability."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests import testing
from ttc import partitioning
from ttc.models.transformer import Transformer
from ttc.search.frontier import Generation, Model, Models
from ttc.search.revisions import Chains

REVISE, END = 2, 1
CFG = testing.small_config()
PROPOSER = testing.random_params(CFG)
VERIFIER = testing.random_params(CFG, 'value', seed=1)
IDS = np.arange(CFG.vocab_size)
PROMPTS = [[3, 4], [5, 6, 7]]
TURNS = (6, 3, 1)


@pytest.fixture(scope='module')
def models():
  return Models(
      Model(PROPOSER, CFG), Model(VERIFIER, CFG),
      step_end=(IDS == 3) | (IDS <= REVISE), end=(IDS == END) | (IDS == REVISE),
      generation=Generation(1.0, 1.0, max_tokens=5, max_step_tokens=5),
      mesh=testing.mesh())


@pytest.fixture(scope='module')
def result(models):
  chains = Chains(TURNS, revise_id=REVISE, keep=2, rows=4)
  with partitioning.use(models.mesh):
    return chains(models, testing.prompts(*PROMPTS, problems=3),
                  key=jax.random.key(0))


def strip(tokens):
  return tokens[:-1] if tokens[-1] in (END, REVISE) else tokens


def test_every_chain_has_its_turns(result):
  revisions, _ = result
  expected = [(c, t) for c, n in enumerate(TURNS) for t in range(1, n + 1)]
  assert [(r.chain, r.turn) for r in revisions[0]] == expected
  assert [(r.chain, r.turn) for r in revisions[1]] == expected
  assert revisions[2] == []  # padding


def test_each_attempt_follows_the_most_recent_ones(result):
  """Its log-probability is that of the context written out by hand."""
  revisions, _ = result
  longest = 3 + 2 * 6 + 5
  read = jax.jit(lambda t: (
      jax.nn.log_softmax(Transformer(CFG).apply({'params': PROPOSER}, t)),
      jax.nn.sigmoid(Transformer(CFG, head='value').apply(
          {'params': VERIFIER}, t))))
  truncated = 0
  for prompt, chain in zip(PROMPTS, revisions[:2], strict=True):
    for revision in chain:
      earlier = [r.attempt.tokens for r in chain
                 if r.chain == revision.chain and r.turn < revision.turn]
      context = list(prompt)
      for tokens in earlier[-2:]:
        context += [*strip(tokens), REVISE]
      new = revision.attempt.tokens
      truncated += revision.attempt.truncated
      whole = np.zeros((1, longest), int)
      whole[0, :len(context) + len(new)] = context + new
      log, value = read(jnp.asarray(whole))
      at = np.arange(len(context), len(context) + len(new))
      np.testing.assert_allclose(
          revision.attempt.logprob, log[0, at - 1, new].sum(), rtol=1e-3)
      np.testing.assert_allclose(
          revision.attempt.values[-1], value[0, at[-1]], atol=1e-4)
  assert truncated  # such attempts are in contexts too


def test_independent_of_rows_and_neighbours(models, result):
  revisions, _ = result
  chains = Chains(TURNS, revise_id=REVISE, keep=2, rows=6)
  with partitioning.use(models.mesh):
    alone, _ = chains(
        models, testing.prompts(PROMPTS[0], width=3), key=jax.random.key(0))
  texts = lambda problem: [r.attempt.tokens for r in problem]
  assert texts(alone[0]) == texts(revisions[0])


def test_cost_counts_contexts_and_attempts(result):
  revisions, cost = result
  for place, prompt in enumerate(PROMPTS):
    new = sum(len(r.attempt.tokens) for r in revisions[place])
    assert cost['proposer_decode'][place, 0] == new
    assert cost['verifier_decode'][place, 0] == new
    assert cost['proposer_prefill'][place, 0] > len(prompt) * sum(TURNS)
  assert (cost['proposer_decode'][2] == 0).all()


@pytest.mark.parametrize('turns', [(), (0,), (1, 2)])
def test_bad_plans(turns):
  with pytest.raises(ValueError, match=r'Chains\.turns'):
    Chains(turns, revise_id=REVISE)
