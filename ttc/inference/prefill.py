"""Known tokens of many rows packed without padding, for `engine.prefill`."""

from collections.abc import Sequence

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from ttc.models.cache import KVCache
from ttc.models.memory import Segments

SEGMENT = 16  # tokens of one row whose queries share a copy of its keys (A)
_TOKENS_PER_SEGMENT = 12  # a packed prefill has one segment per this many
# Tokens that take as long as a call takes beside its tokens: on an accelerator
# weights are read, which is what a few hundred tokens compute at the ratio of
# its FLOPs to its bandwidth; on a CPU a program is launched.
_CALL = {'cpu': 5}
_CALL_ELSEWHERE = 256


def best_size(backlog: int, sizes: Sequence[int], platform: str) -> int:
  """The size of packed prefill by which waiting tokens are read soonest.

  Args:
    backlog: tokens that wait.
    sizes: those there are programs for.
    platform: that runs them, e.g. 'cpu'.
  """
  call = _CALL.get(platform, _CALL_ELSEWHERE)
  return min(sizes, key=lambda size: -(-backlog // size) * (size + call))


@flax.struct.dataclass
class PackedPrefill:
  """T tokens in E segments; slots are local to a device.

  One table holds both, because every array costs the host a transfer.
  """

  table: jax.Array  # [T + E, 3] the tokens, then the segments
  size: int = flax.struct.field(pytree_node=False)  # T

  @property
  def tokens(self) -> jax.Array:
    """[T, 2] token, and its segment."""
    return self.table[: self.size, :2]

  @property
  def segments(self) -> jax.Array:
    """[E, 3] slot, position and place of its first token."""
    return self.table[self.size :]

  @classmethod
  def pack(
    cls,
    rows: Sequence[tuple[int, int, Sequence[int]]],
    size: int,
    null_slot: int,
  ) -> 'PackedPrefill':
    """Lays out rows, which fit by `room`, in a numpy array.

    Args:
      rows: (slot, position of the first token, tokens) each.
      size: tokens of the packed prefill (T).
      null_slot: the slot that padding writes to.

    Raises:
      ValueError: they do not fit.
    """
    needed = sum(num_segments(len(row)) for _, _, row in rows)
    if needed > max_segments(size) or sum(len(r) for *_, r in rows) > size:
      raise ValueError(
        f'Rows of {[len(r) for *_, r in rows]} tokens do not fit a '
        f'packed prefill of {size} tokens and {max_segments(size)} segments; '
        'ask `room`.'
      )
    # Lists: numpy is slow at a few numbers at a time.
    tokens, places, segments = [], [], []
    for slot, start, row in rows:
      for first in range(0, len(row), SEGMENT):
        part = row[first : first + SEGMENT]
        places += [len(segments)] * len(part)
        segments.append((slot, start + first, len(tokens)))
        tokens += part
    line = cls.empty(size, null_slot)
    line.tokens[: len(tokens), 0] = tokens
    line.tokens[: len(tokens), 1] = places
    line.segments[: len(segments)] = np.reshape(segments, (-1, 3))
    line.segments[-1, 2] = len(tokens)
    return line

  @classmethod
  def empty(cls, size: int, null_slot: int) -> 'PackedPrefill':
    """Padding alone, which lies in the last segment, for no row gets that."""
    line = cls(np.zeros((size + max_segments(size) + 1, 3), np.int32), size)
    line.tokens[:, 1] = len(line.segments) - 1
    line.segments[:, 0] = null_slot
    return line

  def memory(self, cache: KVCache, cache_len: int) -> Segments:
    """What the tokens attend to."""
    segment = self.tokens[:, 1]
    slot, start, first = self.segments.T
    offset = jnp.arange(segment.shape[0]) - first[segment]
    # Padding may be longer than its segment: all of it stands in one place.
    offset = jnp.minimum(offset, SEGMENT - 1)
    index = first[:, None] + jnp.arange(SEGMENT)[None]
    return Segments(
      cache=cache,
      row=slot[segment],
      position=start[segment] + offset,
      place=segment * SEGMENT + offset,
      segment_row=slot,
      segment_start=start,
      token=jnp.minimum(index, segment.shape[0] - 1),
      cache_len=cache_len,
    )


def max_segments(size: int) -> int:
  """Segments that rows may take of a prefill of `size` tokens (E - 1)."""
  return -(-size // _TOKENS_PER_SEGMENT)


def num_segments(count: int) -> int:
  """Segments that `count` tokens of one row take."""
  return -(-count // SEGMENT)


def room(tokens: int, segments: int) -> int:
  """Tokens of one row that still fit, given what is left of a prefill."""
  return min(tokens, segments * SEGMENT)
