"""Merging a window into rows of different lengths."""

import jax.numpy as jnp
import numpy as np

from tests import testing
from ttc.models.cache import KVCache, merge, splice


def test_splice_equals_a_loop():
  rng = np.random.default_rng(0)
  for _ in range(50):
    rows, size, width = [(4, 6, 3), (2, 3, 5)][rng.integers(2)]
    past, window = rng.random((rows, size, 2)), rng.random((rows, width, 2))
    start = rng.integers(0, size + 1, rows)
    count = rng.integers(0, width + 1, rows)
    expected = past.copy()
    for b in range(rows):
      for j in range(count[b]):
        if start[b] + j < size:
          expected[b, start[b] + j] = window[b, j]
    np.testing.assert_array_equal(
        splice(jnp.asarray(past), jnp.asarray(window), jnp.asarray(start),
               jnp.asarray(count)),
        expected.astype(np.float32))


def test_merge_is_splice_for_every_layer_and_head():
  cfg = testing.small_config()
  rng = np.random.default_rng(0)
  fill = lambda size: KVCache(*(
      jnp.asarray(rng.random((2, 3, 2, size, 8)), jnp.float32)
      for _ in range(2)))
  past, window = fill(7), fill(3)
  start, count = jnp.array([0, 2, 5]), jnp.array([3, 1, 2])
  merged = merge(past, window, start, count)
  assert past.size == 7
  assert KVCache.empty(cfg, 3, 7).k.shape == past.k.shape
  for layer, head in ((0, 0), (0, 1), (1, 0), (1, 1)):
    expected = splice(
        past.v[layer, :, head], window.v[layer, :, head], start, count)
    np.testing.assert_array_equal(merged.v[layer, :, head], expected)
  np.testing.assert_array_equal(
      merged.k[1, :, 0], splice(past.k[1, :, 0], window.k[1, :, 0], start,
                                count))


def test_write_changes_one_layer_only():
  cfg = testing.small_config()
  cache = KVCache.empty(cfg, 3, 5)
  new = jnp.ones((3, 2, 1, 8))
  written = cache.write(jnp.int32(1), new, 2 * new, jnp.int32(4))
  assert written.k.sum() == new.sum()
  assert (written.k[1, :, :, 4] == 1).all()
  assert (written.v[1, :, :, 4] == 2).all()
