"""Keys and values of the tokens already read.

Cell s of a row holds the token at position s, in every program: a row's text
does not depend on how often a program was entered, and rewinding a row is
setting an integer. Cells at or beyond a row's length are stale.

      [R, K, S, H]   | t0 t1 t2 .  .  .  . |   row 0, length 3
                     | t0 t1 t2 t3 t4 .  . |   row 1, length 5

Rows write at places of their own. Written as one scatter of whole heads that
costs 0.1 ms for 256 rows, against 3 ms for the step around it. Layers are
separate arrays: stacked, each token would pay for a copy of its layer. Heads
stand before cells, because attention over [K, S, H] is a matrix product.
"""

import flax.struct
import jax
import jax.numpy as jnp

from ttc.models.config import TransformerConfig


@flax.struct.dataclass
class KVCache:
  """Keys and values of R rows."""

  k: tuple[jax.Array, ...]  # L of [R, K, S, H]
  v: tuple[jax.Array, ...]  # L of [R, K, S, H]

  @classmethod
  def empty(
    cls, cfg: TransformerConfig, rows: int, cache_len: int
  ) -> 'KVCache':
    shape = (rows, cfg.num_kv_heads, cache_len, cfg.head_dim)
    zeros = lambda: tuple(
      jnp.zeros(shape, cfg.dtype) for _ in range(cfg.num_layers)
    )
    return cls(k=zeros(), v=zeros())

  @property
  def cache_len(self) -> int:
    """Cells a row (S)."""
    return self.k[0].shape[2]

  def write(
    self,
    layer: int,
    k: jax.Array,
    v: jax.Array,
    row: jax.Array,
    position: jax.Array,
  ) -> 'KVCache':
    """Puts n tokens' keys and values [n, K, H] into (row [n], cell [n])."""
    put = lambda all_layers, new: (
      *all_layers[:layer],
      all_layers[layer].at[row, :, position].set(new),
      *all_layers[layer + 1 :],
    )
    return KVCache(k=put(self.k, k), v=put(self.v, v))
