"""Drawing one token."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ttc.inference import sampling
from ttc.inference.generation import Generation

LOGITS = jnp.log(jnp.array([0.1, 0.4, 0.2, 0.3]))
DRAWS = 20_000


def frequencies(temperature, top_p=None):
  keys = jax.random.split(jax.random.key(0), DRAWS)
  tokens, logprob = sampling.draw(
    jnp.broadcast_to(LOGITS, (DRAWS, 4)),
    keys,
    jnp.full(DRAWS, temperature),
    top_p,
  )
  np.testing.assert_allclose(logprob, LOGITS[tokens], rtol=1e-5)
  return np.bincount(tokens, minlength=4) / DRAWS


def test_temperature_one_is_the_model():
  np.testing.assert_allclose(frequencies(1.0), jnp.exp(LOGITS), atol=0.01)


def test_temperature_sharpens():
  sharp = np.exp(np.asarray(LOGITS) / 0.5)
  np.testing.assert_allclose(frequencies(0.5), sharp / sharp.sum(), atol=0.01)


def test_zero_is_greedy():
  np.testing.assert_array_equal(frequencies(0.0), [0, 1, 0, 0])


def test_every_row_has_its_own_temperature():
  keys = jax.random.split(jax.random.key(0), 200)
  heat = jnp.where(jnp.arange(200) % 2 == 0, 0.0, 1.0)
  tokens, _ = sampling.draw(jnp.broadcast_to(LOGITS, (200, 4)), keys, heat)
  assert set(tokens[::2].tolist()) == {1}
  assert set(tokens[1::2].tolist()) == {0, 1, 2, 3}


@pytest.mark.parametrize(
  ('top_p', 'kept'),
  [(0.3, [1]), (0.4, [1]), (0.41, [1, 3]), (0.7, [1, 3]), (0.95, [0, 1, 2, 3])],
)
def test_nucleus_keeps_the_fewest_that_reach_the_mass(top_p, kept):
  mass = np.zeros(4)
  mass[kept] = np.exp(np.asarray(LOGITS))[kept]
  np.testing.assert_allclose(
    frequencies(1.0, top_p), mass / mass.sum(), atol=0.01
  )


def test_certainty_is_how_far_from_uniform_the_model_is():
  logits = np.random.default_rng(0).normal(size=(5, 9)) * 4
  p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
  expected = (np.log(1 / 9 / p) / 9).sum(1)
  found = sampling.certainty(jnp.array(logits, jnp.float32))
  np.testing.assert_allclose(found, expected, rtol=1e-5)
  # What is no less likely than anything else says nothing, whatever is added.
  equal = sampling.certainty(jnp.full((3, 7), 0.1) + jnp.arange(3)[:, None])
  np.testing.assert_allclose(equal, 0, atol=1e-6)
  assert (equal >= 0).all()


@pytest.mark.parametrize(
  'settings', [(-1.0, 1.0), (float('inf'), 1.0), (1.0, 0.0), (1.0, 1.1)]
)
def test_bad_settings(settings):
  with pytest.raises(ValueError, match=r'temperature|top_p'):
    Generation(*settings)
