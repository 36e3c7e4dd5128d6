"""Keys on the host are JAX's own."""

import jax
import numpy as np
import pytest

from ttc.inference import keys

SEEDS = [0, 1, 2**31, 2**32 - 1]


@pytest.mark.parametrize('seed', SEEDS)
def test_equal_to_jax(seed):
  key, numbers = jax.random.key(seed), [0, 1, 7, 2**31, 2**32 - 1]
  np.testing.assert_array_equal(keys.root(seed), jax.random.key_data(key))
  folded = [
    jax.random.key_data(jax.random.fold_in(key, np.uint32(n))) for n in numbers
  ]
  np.testing.assert_array_equal(keys.fold(keys.root(seed), numbers), folded)
  again = keys.fold(np.array(folded), numbers)  # a key of its own for each
  for key, number, result in zip(folded, numbers, again, strict=True):
    np.testing.assert_array_equal(keys.fold(key, [number])[0], result)


def test_uniform():
  draws = [keys.uniform(key) for key in keys.fold(keys.root(0), range(4000))]
  assert 0 <= min(draws) < 0.01
  assert 0.99 < max(draws) < 1
  counts, _ = np.histogram(draws, 10, (0, 1))
  assert abs(counts - 400).max() < 5 * np.sqrt(400)
