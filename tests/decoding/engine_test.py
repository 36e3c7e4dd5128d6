"""Rows that grow, rewind and fork, with a model that sees its whole past."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests import testing
from ttc import partitioning
from ttc.decoding import engine
from ttc.decoding.sampling import Sampling
from ttc.decoding.stops import Stop
from ttc.models.transformer import Transformer

CFG = testing.small_config()
PARAMS = testing.random_params(CFG)
PROMPTS = jnp.array([[3, 4, 5], [6, 0, 0], [7, 8, 0], [9, 9, 9]])
LENGTH = jnp.array([3, 1, 2, 3])
END = np.arange(CFG.vocab_size) == 1
STEP_END = (np.arange(CFG.vocab_size) == 2) | END
SIZE, NEW = 16, 12


def fresh(seed=0, size=SIZE, order=(0, 1, 2, 3)):
  order = jnp.array(order)
  keys = jax.random.split(jax.random.key(seed), 4)[order]
  length = LENGTH[order]
  return engine.prefill(
      PARAMS, PROMPTS[order], length, length + NEW, keys, cfg=CFG, size=size)


def grow(state, steps=0, max_new=NEW, temperature=1.0):
  stop = Stop.create(STEP_END, END, steps)
  return engine.extend(PARAMS, state, stop, Sampling.create(temperature),
                       cfg=CFG, max_new=max_new)


def texts(state):
  return [t[:n].tolist() for t, n in zip(
      np.asarray(state.tokens), np.asarray(state.length), strict=True)]


def test_greedy_follows_the_full_model():
  state, count, _ = grow(fresh(), temperature=0.0)
  for text, start, new in zip(texts(state), LENGTH, count, strict=True):
    logits = Transformer(CFG).apply({'params': PARAMS}, jnp.array([text]))[0]
    best = jnp.argmax(logits, axis=-1)
    assert len(text) == start + new
    assert text[start:] == best[start - 1:-1].tolist()


def test_log_probability_is_the_models():
  state, _, _ = grow(fresh(), temperature=0.6)
  for row, (text, start) in enumerate(zip(texts(state), LENGTH, strict=True)):
    logits = Transformer(CFG).apply({'params': PARAMS}, jnp.array([text]))[0]
    log = jax.nn.log_softmax(logits)[jnp.arange(len(text) - 1), text[1:]]
    np.testing.assert_allclose(
        state.logprob[row], log[start - 1:].sum(), rtol=1e-4)


@pytest.mark.parametrize('rounds', [[(0, 1)] * 12, [(0, 5), (0, 7)],
                                    [(1, 4)] * 12, [(2, 12)] * 12])
def test_rounds_equal_one_shot(rounds):
  whole, _, _ = grow(fresh())
  state = fresh()
  for steps, max_new in rounds:
    state, _, _ = grow(state, steps, max_new)
  assert texts(state) == texts(whole)
  np.testing.assert_array_equal(state.done, whole.done)
  np.testing.assert_allclose(state.logprob, whole.logprob, rtol=1e-4)


def test_pauses_at_step_ends_ends_at_ends():
  for seed in range(5):
    state, count, ran = grow(fresh(seed), steps=1)
    assert ran == count.max()
    for text, start, done in zip(texts(state), LENGTH, state.done,
                                 strict=True):
      assert not STEP_END[text[start:-1]].any()
      assert STEP_END[text[-1]] or len(text) == start + NEW
      assert done == (END[text[-1]] or len(text) == start + NEW)


def test_rewind_is_exact():
  """Greedy or not, what was looked at ahead leaves no trace."""
  plain, _, _ = grow(fresh(), steps=1)
  plain, _, _ = grow(plain, steps=1)
  state, _, _ = grow(fresh(), steps=1)
  mark = engine.Mark.of(state)
  state, _, _ = grow(state, temperature=0.0)
  assert (state.length >= mark.length).all()
  state, _, _ = grow(engine.rewind(state, mark), steps=1)
  assert texts(state) == texts(plain)
  np.testing.assert_allclose(state.logprob, plain.logprob, rtol=1e-5)


def test_independent_of_batch_and_room():
  whole = texts(grow(fresh())[0])
  roomy = texts(grow(fresh(size=24))[0])
  shuffled = texts(grow(fresh(order=(2, 0, 3, 1)))[0])
  assert roomy == whole
  assert shuffled == [whole[i] for i in (2, 0, 3, 1)]


def test_a_done_row_stays_as_it_is():
  state, _, _ = grow(fresh())
  before = texts(state)
  again, count, ran = grow(state)
  assert texts(again) == before
  assert ran == 0
  assert not count.any()


def test_forked_children_share_the_past_and_nothing_else():
  state, _, _ = grow(fresh(), steps=1, max_new=2)
  prefix = texts(state)
  parent = jnp.array([[0, 0, 1, 1, 1], [1, 0, 1, 0, 0]])
  forked = jax.jit(engine.fork)(state, parent)
  chosen = [problem * 2 + p for problem in range(2)
            for p in np.asarray(parent)[problem]]
  assert texts(forked) == [prefix[i] for i in chosen]
  grown, _, _ = grow(forked)
  for text, source in zip(texts(grown), chosen, strict=True):
    assert text[:len(prefix[source])] == prefix[source]
    logits = Transformer(CFG).apply({'params': PARAMS}, jnp.array([text]))[0]
    assert np.isfinite(logits).all()
  keys = jax.random.key_data(grown.key)
  assert len({tuple(k) for k in np.asarray(keys)}) == len(chosen)
  assert len({tuple(t) for t in texts(grown)}) > 4


def test_fork_moves_nothing_between_devices():
  mesh = partitioning.make_mesh()
  parent = jnp.zeros((4, 8), int)
  with partitioning.use(mesh):
    whole = partitioning.rows(mesh)
    layered = jax.sharding.NamedSharding(
        mesh, jax.sharding.PartitionSpec(None, 'data'))
    state = fresh()
    cache = jax.device_put(state.cache, layered)
    placed = jax.device_put(state.replace(cache=None), whole)
    placed = placed.replace(cache=cache)
    compiled = jax.jit(engine.fork).lower(
        placed, jax.device_put(parent, whole)).compile().as_text()
  for collective in ('all-gather', 'all-to-all', 'collective-permute',
                     'all-reduce'):
    assert collective not in compiled


def test_one_program_for_all_temperatures_and_lengths():
  engine.extend.clear_cache()
  for temperature in (0.0, 0.5, 1.0):
    for steps in (0, 1, 3):
      grow(fresh(), steps, temperature=temperature)
  assert engine.extend._cache_size() == 1


def test_key_of_a_token_is_row_and_position():
  """The law that resumption and every scheduler rely on."""
  state = fresh()
  logits = Transformer(CFG).apply({'params': PARAMS}, PROMPTS)
  expected = [
      jax.random.categorical(
          jax.random.fold_in(state.key[b], LENGTH[b]), logits[b, LENGTH[b] - 1])
      for b in range(4)]
  grown, _, _ = grow(state, max_new=1)
  assert [t[-1] for t in texts(grown)] == [int(e) for e in expected]
