"""What tokens attend to: memories for training, sampling and prefill.

A memory's `attend` takes the queries, keys and values of the new tokens in one
layer. It returns itself with the keys and values stored, and the attention
outputs.

  Whole     training: whole sequences that attend to themselves
  Lanes     sampling: one new token for each of C rows, with a KV cache
  Segments  prefill: new tokens of many rows, packed without padding, with a
            KV cache
"""

from collections.abc import Callable

import flax.struct
import jax
import jax.numpy as jnp

from ttc.models import kernels
from ttc.models.attention import mix, platform
from ttc.models.cache import KVCache
from ttc.models.config import TransformerConfig

# Bytes of keys and values that `Segments` gathers at a time. On a CPU they and
# their scores fit the cache of a core, which is twice as fast as memory. An
# accelerator needs more work at a time to be busy; gathering all segments at
# once would take gigabytes.
_TOGETHER = {'cpu': 2**19}
_TOGETHER_ELSEWHERE = 2**26


@flax.struct.dataclass
class Whole:
  """Whole causal sequences without a KV cache, as in training."""

  segment_ids: jax.Array | None  # see `create`
  masks: kernels.Masks | None  # where no kernel attends

  @classmethod
  def create(
    cls,
    cfg: TransformerConfig,
    shape: tuple[int, int],
    segment_ids: jax.Array | None,
  ) -> 'Whole':
    """A memory of causal sequences.

    Args:
      cfg: of the model.
      shape: (B, T).
      segment_ids: packed sequence of each token [B, T]; tokens see only their
        own. None is one sequence per row.
    """
    return cls(segment_ids, kernels.plain_masks(shape, segment_ids, cfg))

  def attend(self, layer, sliding, q, k, v, cfg) -> tuple['Whole', jax.Array]:
    """Attends from all tokens of the sequences.

    Args:
      layer: not used, for nothing is stored.
      sliding: whether the layer has a sliding window; may be traced.
      q: scaled queries [B, T, N, H].
      k: keys [B, T, K, H].
      v: values [B, T, K, H].
      cfg: of the model.

    Returns:
      The memory, and attention outputs [B, T, N, H].
    """
    del layer
    out = kernels.attend(q, k, v, self.segment_ids, self.masks, sliding, cfg)
    return self, out


@flax.struct.dataclass
class Lanes:
  """One new token for each of C rows, each at a position of its own."""

  cache: KVCache  # C rows
  position: jax.Array  # [C] position of each row's new token

  def attend(self, layer, sliding, q, k, v, cfg) -> tuple['Lanes', jax.Array]:
    """As `Whole.attend`, with q, k and v of [C, 1, heads, H].

    `layer` and `sliding` must be Python values.
    """
    lanes = jnp.arange(self.position.shape[0])
    cache = self.cache.write(layer, k[:, 0], v[:, 0], lanes, self.position)
    mask = _visible(self.position[:, None], cache.cache_len, sliding, cfg)
    out = mix(q, cache.k[layer], cache.v[layer], mask, cfg)
    return self.replace(cache=cache), out


@flax.struct.dataclass
class Segments:
  """T new tokens of many rows, packed into one sequence.

      tokens   | a0 a1 a2 a3 a4 b7 b8 c0 . |      row a from 0, b from 7, c new
      segments | a0 a1 a2 a3 |                    A = 4
               | a4  .  .  . |
               | b7 b8  .  . |
               | c0  .  .  . |

  All layers but attention work on the packed tokens [1, T, D], without padding.
  Attention works on E segments, each up to A consecutive tokens of one row, so
  that the queries of a segment share one copy of that row's keys.
  """

  cache: KVCache  # all rows of a pool
  row: jax.Array  # [T] row of each token
  position: jax.Array  # [T] position of each token in its row
  place: jax.Array  # [T] index of each token in the flattened [E * A]
  segment_row: jax.Array  # [E] row of each segment
  segment_start: jax.Array  # [E] position of each segment's first token
  token: jax.Array  # [E, A] index into the T tokens; arbitrary for padding
  cache_len: int = flax.struct.field(pytree_node=False)  # positions attended to

  def attend(
    self, layer, sliding, q, k, v, cfg
  ) -> tuple['Segments', jax.Array]:
    """As `Whole.attend`, with q, k and v of [1, T, heads, H].

    `layer` and `sliding` must be Python values.
    """
    # All new keys are stored before any query looks: the mask by position then
    # lets tokens of one call see the earlier ones of their row.
    cache = self.cache.write(layer, k[0], v[0], self.row, self.position)

    def attend_segments(segments):
      row, start, token = segments
      keys, values = (
        x[:, :, : self.cache_len][row] for x in (cache.k[layer], cache.v[layer])
      )  # [e, K, S, H]
      position = start[:, None] + jnp.arange(token.shape[1])[None]  # [e, A]
      mask = _visible(position, self.cache_len, sliding, cfg)
      return mix(q[0][token], keys, values, mask, cfg)  # [e, A, N, H]

    segment_bytes = 2 * self.cache_len * k[0, 0].size * k.dtype.itemsize
    size = _TOGETHER.get(platform(), _TOGETHER_ELSEWHERE) // segment_bytes
    out = _in_parts(
      attend_segments, (self.segment_row, self.segment_start, self.token), size
    )
    out = out.reshape(-1, *out.shape[2:])[self.place]
    return self.replace(cache=cache), out[None]


def _in_parts(
  function: Callable[[tuple], jax.Array],
  arrays: tuple[jax.Array, ...],
  size: int,
) -> jax.Array:
  """function(arrays), applied to at most about `size` rows at a time.

  Args:
    function: maps a tuple of arrays [n, ...] to an array [n, ...], row by row.
    arrays: arrays [E, ...].
    size: rows per part; the parts have equal sizes.

  Returns:
    An array [E', ...]. E' >= E: rows beyond E are padding, with any content.
  """
  count = arrays[0].shape[0]
  parts = -(-count // max(size, 1))
  if parts == 1:
    return function(arrays)
  rows = -(-count // parts)
  padding = parts * rows - count
  cut = lambda x: jnp.pad(x, [(0, padding)] + [(0, 0)] * (x.ndim - 1)).reshape(
    parts, rows, *x.shape[1:]
  )
  out = jax.lax.map(function, jax.tree.map(cut, arrays))
  return out.reshape(-1, *out.shape[2:])


def _visible(position, cache_len, sliding, cfg):
  """Causal mask over a KV cache.

  Args:
    position: of the queries [n, m].
    cache_len: positions of the cache (S).
    sliding: whether the layer has a sliding window.
    cfg: its window.

  Returns:
    bool [n, m, S], True where a query sees a position. Stale positions are
    beyond every query, so the causal mask hides them.
  """
  distance = position[:, :, None] - jnp.arange(cache_len)[None, None]
  seen = distance >= 0
  return seen & (distance < cfg.window) if sliding else seen
