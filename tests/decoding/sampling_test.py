"""Drawing one token."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ttc.decoding.sampling import draw, Sampling
from ttc.decoding.stops import Stop

LOGITS = jnp.log(jnp.array([0.1, 0.4, 0.2, 0.3]))
DRAWS = 20_000


def frequencies(**settings):
  keys = jax.random.split(jax.random.key(0), DRAWS)
  tokens, logprob = draw(
      jnp.broadcast_to(LOGITS, (DRAWS, 4)), keys, Sampling.create(**settings))
  np.testing.assert_allclose(logprob, LOGITS[tokens], rtol=1e-5)
  return np.bincount(tokens, minlength=4) / DRAWS


def test_temperature_one_is_the_model():
  np.testing.assert_allclose(
      frequencies(temperature=1.0), jnp.exp(LOGITS), atol=0.01)


def test_temperature_sharpens():
  sharp = np.exp(np.asarray(LOGITS) / 0.5)
  np.testing.assert_allclose(
      frequencies(temperature=0.5), sharp / sharp.sum(), atol=0.01)


def test_zero_is_greedy():
  np.testing.assert_array_equal(frequencies(temperature=0.0), [0, 1, 0, 0])


@pytest.mark.parametrize(('top_p', 'kept'), [
    (0.3, [1]), (0.4, [1]), (0.41, [1, 3]), (0.7, [1, 3]),
    (0.95, [0, 1, 2, 3])])
def test_nucleus_keeps_the_fewest_that_reach_the_mass(top_p, kept):
  mass = np.zeros(4)
  mass[kept] = np.exp(np.asarray(LOGITS))[kept]
  np.testing.assert_allclose(
      frequencies(temperature=1.0, top_p=top_p), mass / mass.sum(), atol=0.01)


@pytest.mark.parametrize('make', [
    lambda: Sampling.create(-1.0), lambda: Sampling.create(float('inf')),
    lambda: Sampling.create(1.0, 0.0), lambda: Sampling.create(1.0, 1.1),
    lambda: Stop.create(np.ones(3, bool), np.ones(4, bool), 1),
    lambda: Stop.create(np.ones(3, bool), np.zeros(3, bool), 1)])
def test_bad_settings(make):
  with pytest.raises(ValueError, match=r'temperature|top_p|token'):
    make()
