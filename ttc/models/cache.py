"""The KV cache: keys and values of the tokens that a model has read.

Position s of a row holds the token at position s of its text, in every program.
So a row's text does not depend on how often a program was called, and rewinding
a row is setting its length. Positions at or beyond the length are stale.

      [B, K, S, H]   | t0 t1 t2 .  .  .  . |   row 0, length 3
                     | t0 t1 t2 t3 t4 .  . |   row 1, length 5

Rows write at different positions. One scatter of whole heads does that in
0.1 ms for 256 rows; the step around it takes 3 ms. Each layer is an array of
its own: in a stacked array, every token would cost a copy of its layer. The
head axis comes before the positions, so that attention over [K, S, H] is a
batched matrix product.
"""

import flax.struct
import jax
import jax.numpy as jnp

from ttc.models.config import TransformerConfig


@flax.struct.dataclass
class KVCache:
  """Keys and values of B rows: the slots of a KV pool, or lanes."""

  k: tuple[jax.Array, ...]  # L arrays [B, K, S, H]
  v: tuple[jax.Array, ...]  # L arrays [B, K, S, H]

  @classmethod
  def empty(
    cls, cfg: TransformerConfig, rows: int, cache_len: int
  ) -> 'KVCache':
    """A cache of zeros for `rows` rows (B) of `cache_len` positions (S)."""
    shape = (rows, cfg.num_kv_heads, cache_len, cfg.head_dim)
    zeros = lambda: tuple(
      jnp.zeros(shape, cfg.dtype) for _ in range(cfg.num_layers)
    )
    return cls(k=zeros(), v=zeros())

  @property
  def cache_len(self) -> int:
    """Positions per row (S)."""
    return self.k[0].shape[2]

  def write(
    self,
    layer: int,
    k: jax.Array,
    v: jax.Array,
    row: jax.Array,
    position: jax.Array,
  ) -> 'KVCache':
    """Stores the keys and values of n tokens of one layer.

    Args:
      layer: index of the layer.
      k: keys [n, K, H].
      v: values [n, K, H].
      row: row of each token [n].
      position: position of each token in its row [n].

    Returns:
      The cache with the tokens in it; in place where it is donated.
    """
    # The indexed axes come first, because a slice separates the two indices:
    # x[row, :, position] is [n, K, H].
    put = lambda all_layers, new: (
      *all_layers[:layer],
      all_layers[layer].at[row, :, position].set(new),
      *all_layers[layer + 1 :],
    )
    return KVCache(k=put(self.k, k), v=put(self.v, v))
