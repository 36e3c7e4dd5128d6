"""Keys and values of the tokens already read, in two places.

A row's past lives in a `KVCache`, addressed by the row's own length: cell s
holds the token at position s, and cells at or beyond the row's pointer are
stale. While a program runs, the tokens it adds live in a small second cache,
the *window*, addressed by the program's own loop counter, which all rows share:

      past    [B, S]   | t0 t1 t2 .  .  .  . |   row 0, pointer 3
                       | t0 t1 t2 t3 t4 .  . |   row 1, pointer 5
      window  [B, U]   | n0 n1 n2 |              written at one shared index

`merge` moves the window into the past once, when the program ends. So rows
keep lengths of their own (rewind is setting an integer) and the token loop
never pays for a scatter. Heads stand before cells, [B, K, S, H]: with cells
first, attention over a short past is five times slower on a CPU.
"""

import flax.struct
import jax
import jax.numpy as jnp

from ttc.models.config import TransformerConfig


@flax.struct.dataclass
class KVCache:
  """Keys and values of every layer."""

  k: jax.Array  # [L, B, K, S, H]
  v: jax.Array  # [L, B, K, S, H]

  @classmethod
  def empty(cls, cfg: TransformerConfig, rows: int, length: int) -> 'KVCache':
    shape = (cfg.num_layers, rows, cfg.num_kv_heads, length, cfg.head_dim)
    return cls(k=jnp.zeros(shape, cfg.dtype), v=jnp.zeros(shape, cfg.dtype))

  @property
  def size(self) -> int:
    """Cells a row (S)."""
    return self.k.shape[3]

  def write(self, layer: jax.Array, k: jax.Array, v: jax.Array,
            cell: jax.Array) -> 'KVCache':
    """One layer's new keys and values [B, K, T, H], from a cell on."""
    start = (layer, 0, 0, cell, 0)
    return KVCache(
        k=jax.lax.dynamic_update_slice(self.k, k[None], start),
        v=jax.lax.dynamic_update_slice(self.v, v[None], start))


def splice(
    past: jax.Array, window: jax.Array, start: jax.Array, count: jax.Array
) -> jax.Array:
  """Writes window[b, :count[b]] into past[b] from cell start[b] on.

      past[b]    | a  b  c  .  .  . |   start 3, count 2
      window[b]           | x  y  z |
      result[b]  | a  b  c  x  y  . |

  Args:
    past: [B, S, ...].
    window: [B, U, ...], trailing dimensions as in `past`.
    start: [B].
    count: [B], at most U.

  Returns:
    An array like `past`. What would fall beyond cell S - 1 is dropped.
  """
  source = jnp.arange(past.shape[1])[None] - start[:, None]  # [B, S]
  fresh = (source >= 0) & (source < count[:, None])
  tail = (1,) * (past.ndim - 2)
  index = jnp.clip(source, 0, window.shape[1] - 1).reshape(source.shape + tail)
  moved = jnp.take_along_axis(window, index, axis=1)
  return jnp.where(fresh.reshape(source.shape + tail), moved, past)


def merge(
    past: KVCache, window: KVCache, start: jax.Array, count: jax.Array
) -> KVCache:
  """`splice` for all layers and heads; start and count are [B]."""
  heads = jax.vmap(splice, in_axes=(1, 1, None, None), out_axes=1)
  layers = jax.vmap(heads, in_axes=(0, 0, None, None))
  return KVCache(
      k=layers(past.k, window.k, start, count),
      v=layers(past.v, window.v, start, count),
  )
