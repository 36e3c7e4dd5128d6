"""Copies between KV caches, both ways of making them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ttc.models import moves
from ttc.models.cache import KVCache

LAYERS, HEADS, WIDTH, SIZE = 3, 2, 8, 4


def _cache(rows, positions, rng):
  make = lambda: tuple(
    jnp.asarray(rng.normal(size=(rows, HEADS, positions, WIDTH)), jnp.float32)
    for _ in range(LAYERS)
  )
  return KVCache(make(), make())


def _pieces(rng, read, write, parts, count, padding):
  """Distinct places to write, and places to read that nothing is written to."""
  places = [(w, p) for w in write for p in range(parts)]
  chosen = rng.permutation(len(places))[:count]
  made = [(rng.choice(read), *places[i]) for i in chosen]
  table = np.full((len(made) + padding, 3), -1, np.int32)
  for i, (r, w, part) in enumerate(made):
    table[i] = r, w, part * SIZE
  return table


@pytest.mark.parametrize('how', [moves.one_by_one, moves.together])
@pytest.mark.parametrize('seed', range(4))
def test_every_piece_is_where_it_belongs_and_nothing_else_changed(how, seed):
  rng = np.random.default_rng(seed)
  within = seed % 2
  target = _cache(7, 12, rng)
  source = target if within else _cache(5, 24, rng)
  read, write = ([0, 1, 2], [3, 4, 5, 6]) if within else (range(5), range(7))
  table = _pieces(rng, list(read), list(write), 3, 4 * seed, 3)
  wanted = jax.tree.map(np.array, target)
  for r, w, first in table[table[:, 0] >= 0]:
    for x, y in zip(
      jax.tree.leaves(source), jax.tree.leaves(wanted), strict=True
    ):
      y[w, :, first : first + SIZE] = x[r, :, first : first + SIZE]
  got = jax.jit(how, static_argnames='size')(
    None if within else source, target, jnp.asarray(table), size=SIZE
  )
  jax.tree.map(np.testing.assert_array_equal, got, wanted)


def test_accelerators_get_no_loop_over_pieces():
  """One gather and one scatter an array, however many pieces there are."""
  rng = np.random.default_rng(0)
  cache = _cache(7, 12, rng)
  text = (
    jax.jit(moves.together, static_argnames='size')
    .lower(cache, cache, jnp.zeros((64, 3), jnp.int32), size=SIZE)
    .as_text()
  )
  assert text.count('stablehlo.while') == 0
  assert text.count('"stablehlo.gather"') == 2 * LAYERS
  assert text.count('"stablehlo.scatter"') == 2 * LAYERS


def test_nothing_is_copied_but_pieces():
  """In place: temporaries are a few pieces, not a cache."""
  cache = _cache(64, 240, np.random.default_rng(0))
  compiled = (
    jax.jit(moves.one_by_one, static_argnames='size', donate_argnums=1)
    .lower(None, cache, jnp.zeros((16, 3), jnp.int32), size=SIZE)
    .compile()
  )
  temporaries = compiled.memory_analysis().temp_size_in_bytes
  assert temporaries < sum(x.nbytes for x in jax.tree.leaves(cache)) / 100
