"""Cells of rows."""

import jax
import jax.numpy as jnp
import numpy as np

from tests import testing
from ttc.models.cache import KVCache

CFG = testing.small_config()


def test_write_puts_each_token_into_its_cell():
  rng = np.random.default_rng(0)
  cache = KVCache.empty(CFG, 5, 7)
  expected = np.zeros((2, 2, *cache.k[0].shape), np.float32)
  for layer in (0, 1, 1):
    row, cell = rng.permutation(5)[:3], rng.integers(0, 7, 3)
    new = rng.random((2, 3, 2, 8)).astype(np.float32)
    cache = cache.write(
      layer, *jnp.asarray(new), jnp.asarray(row), jnp.asarray(cell)
    )
    for i in range(3):
      expected[:, layer, row[i], :, cell[i]] = new[:, i]
  np.testing.assert_array_equal(np.stack([cache.k, cache.v]), expected)


def test_writing_is_one_scatter_a_buffer():
  """Nothing else moves: a copy a token would be the whole cost of a step."""
  text = (
    jax.jit(lambda c, x, i: c.write(1, x, x, i, i))
    .lower(KVCache.empty(CFG, 5, 7), jnp.zeros((3, 2, 8)), jnp.arange(3))
    .as_text()
  )
  assert text.count('"stablehlo.scatter"') == 2
