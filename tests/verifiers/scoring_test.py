"""Reading only what is new gives the values of reading everything."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests import testing
from ttc.models.transformer import Transformer
from ttc.verifiers import scoring

CFG = testing.small_config()
PARAMS = testing.random_params(CFG, 'value')
ROWS, SIZE = 4, 12
TOKENS = jax.random.randint(jax.random.key(0), (ROWS, SIZE), 0, 16)
FULL = jax.nn.sigmoid(Transformer(CFG, head='value').apply(
    {'params': PARAMS}, TOKENS))


def begin(length, width=SIZE):
  return scoring.prefill(
      PARAMS, TOKENS[:, :width], jnp.array(length), cfg=CFG, size=SIZE)


def read(state, tokens, length, max_new):
  return scoring.score(
      PARAMS, state, tokens, jnp.array(length), cfg=CFG, max_new=max_new)


@pytest.mark.parametrize('rounds', [
    [[1, 1, 1, 1], [12, 12, 12, 12]],
    [[3, 1, 5, 2], [3, 6, 9, 4], [12, 7, 12, 4], [12, 12, 12, 12]],
])
def test_incremental_equals_full(rounds):
  state = begin(rounds[0], width=5)
  before = np.array(rounds[0])
  for length in rounds[1:]:
    state, count = read(state, TOKENS, length, SIZE)
    np.testing.assert_array_equal(count, np.array(length) - before)
    before = np.array(length)
    for row, end in enumerate(length):
      np.testing.assert_allclose(
          state.value[row, :end], FULL[row, :end], atol=1e-5)
      np.testing.assert_allclose(
          scoring.last_value(state)[row], FULL[row, end - 1], atol=1e-5)


def test_rewind_and_another_future():
  state = begin([4] * 4)
  other = TOKENS.at[:, 4:].set(0)
  ahead, _ = read(state, other, [9] * 4, SIZE)
  back = scoring.rewind(ahead, jnp.full(ROWS, 4))
  again, _ = read(back, TOKENS, [12] * 4, SIZE)
  np.testing.assert_allclose(again.value, FULL, atol=1e-5)


def test_what_does_not_fit_waits():
  state, count = read(begin([1] * 4), TOKENS, [2, 8, 12, 5], 5)
  np.testing.assert_array_equal(count, [1, 5, 5, 4])
  state, count = read(state, TOKENS, [2, 8, 12, 5], 5)
  np.testing.assert_array_equal(count, [0, 2, 5, 0])
  np.testing.assert_array_equal(state.scored, [2, 8, 11, 5])
  np.testing.assert_allclose(state.value[1, :8], FULL[1, :8], atol=1e-5)


def test_fork_copies_what_was_read():
  state = begin([5, 6, 7, 8])
  parent = jnp.array([[1, 1], [0, 1]])
  rows = jnp.array([1, 1, 2, 3])
  forked = scoring.fork(state, parent)
  np.testing.assert_array_equal(forked.scored, state.scored[rows])
  grown, _ = read(forked, TOKENS[rows], [12] * 4, SIZE)
  np.testing.assert_allclose(grown.value, FULL[rows], atol=1e-5)
