"""What a token attends to: three shapes of the same question.

A memory takes the queries, keys and values of the new tokens in one layer and
gives back what they attended to, and itself with those keys and values in it.

  Whole     training: whole sequences, which see themselves
  Lanes     sampling: one new token for each of C rows
  Segments  reading: many new tokens of many rows, packed without padding
"""

from collections.abc import Callable

import flax.struct
import jax
import jax.numpy as jnp

from ttc.models.attention import mix, platform
from ttc.models.cache import KVCache
from ttc.models.config import TransformerConfig

# Bytes of keys and values that are copied together. A core's own cache holds
# so many beside their scores, and reads them twice as fast as memory; elsewhere
# more keep a device busy, and all at once would take gigabytes.
_TOGETHER = {'cpu': 2**19}
_TOGETHER_ELSEWHERE = 2**26


@flax.struct.dataclass
class Whole:
  """Sequences that are read from their beginning and then forgotten."""

  seen: jax.Array  # [B, T, T] bool
  near: jax.Array | None  # [B, T, T] the same in sliding layers

  @classmethod
  def create(
    cls,
    cfg: TransformerConfig,
    shape: tuple[int, int],
    segment_ids: jax.Array | None,
  ) -> 'Whole':
    """Causal sequences [B, T]; segment_ids [B, T] keeps packed ones apart."""
    index = jnp.arange(shape[1])
    distance = (index[:, None] - index[None, :])[None]  # [1, T, T]
    seen = jnp.broadcast_to(distance >= 0, (*shape, shape[1]))
    if segment_ids is not None:
      seen &= segment_ids[:, :, None] == segment_ids[:, None, :]
    near = seen & (distance < cfg.window) if cfg.sliding else None
    return cls(seen, near)

  def attend(self, layer, sliding, q, k, v, cfg) -> tuple['Whole', jax.Array]:
    """`layer` is not used: nothing is kept. `sliding` may be traced."""
    del layer
    mask = self.seen
    if cfg.sliding:
      mask = jnp.where(sliding, self.near, self.seen)
    heads_first = lambda x: x.swapaxes(1, 2)
    return self, mix(q, heads_first(k), heads_first(v), mask, cfg)


@flax.struct.dataclass
class Lanes:
  """One token for each of C rows, at places of their own."""

  cache: KVCache  # of C rows
  position: jax.Array  # [C] of the new token

  def attend(self, layer, sliding, q, k, v, cfg) -> tuple['Lanes', jax.Array]:
    """As `Whole.attend`, with q, k, v [C, 1, heads, H]."""
    lanes = jnp.arange(self.position.shape[0])
    cache = self.cache.write(layer, k[:, 0], v[:, 0], lanes, self.position)
    mask = _visible(self.position[:, None], cache.cache_len, sliding, cfg)
    out = mix(q, cache.k[layer], cache.v[layer], mask, cfg)
    return self.replace(cache=cache), out


@flax.struct.dataclass
class Segments:
  """T tokens of many rows in one line.

      tokens   | a0 a1 a2 a3 a4 b7 b8 c0 . |      row a from 0, b from 7, c new
      segments | a0 a1 a2 a3 |                    A = 4
               | a4  .  .  . |
               | b7 b8  .  . |
               | c0  .  .  . |

  Everything but attention works on the line and pays for no padding. A segment
  is up to A consecutive tokens of one row; its queries share that row's keys.
  """

  cache: KVCache  # of all rows
  row: jax.Array  # [T] of each token
  position: jax.Array  # [T] in its row
  place: jax.Array  # [T] where it stands among the E * A
  segment_row: jax.Array  # [E]
  segment_start: jax.Array  # [E] position of its first token
  token: jax.Array  # [E, A] which of the T; any where there is none
  cache_len: int = flax.struct.field(pytree_node=False)  # read of each row

  def attend(
    self, layer, sliding, q, k, v, cfg
  ) -> tuple['Segments', jax.Array]:
    """As `Whole.attend`, with q, k, v [1, T, heads, H]."""
    cache = self.cache.write(layer, k[0], v[0], self.row, self.position)

    def some(segments):
      row, start, token = segments
      keys, values = (
        x[:, :, : self.cache_len][row] for x in (cache.k[layer], cache.v[layer])
      )  # [e, K, S, H]
      position = start[:, None] + jnp.arange(token.shape[1])[None]  # [e, A]
      mask = _visible(position, self.cache_len, sliding, cfg)
      return mix(q[0][token], keys, values, mask, cfg)  # [e, A, N, H]

    each = 2 * self.cache_len * k[0, 0].size * k.dtype.itemsize
    size = _TOGETHER.get(platform(), _TOGETHER_ELSEWHERE) // each
    out = _in_parts(
      some, (self.segment_row, self.segment_start, self.token), size
    )
    out = out.reshape(-1, *out.shape[2:])[self.place]
    return self.replace(cache=cache), out[None]


def _in_parts(
  function: Callable[[tuple], jax.Array],
  arrays: tuple[jax.Array, ...],
  size: int,
) -> jax.Array:
  """function(arrays), of about `size` rows at a time, one after the other."""
  count = arrays[0].shape[0]
  parts = -(-count // max(size, 1))
  if parts == 1:
    return function(arrays)
  each = -(-count // parts)
  rest = parts * each - count
  cut = lambda x: jnp.pad(x, [(0, rest)] + [(0, 0)] * (x.ndim - 1)).reshape(
    parts, each, *x.shape[1:]
  )
  out = jax.lax.map(function, jax.tree.map(cut, arrays))
  return out.reshape(-1, *out.shape[2:])


def _visible(position, cache_len, sliding, cfg):
  """Which cells [.., .., S] a query at a position [.., ..] sees."""
  distance = position[:, :, None] - jnp.arange(cache_len)[None, None]
  seen = distance >= 0
  return seen & (distance < cfg.window) if sliding else seen
