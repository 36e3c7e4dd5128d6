"""Rotary position embeddings (Su et al. 2021), split-half layout.

Channels i and i + H/2 of a head form the pair i, which is turned by
position * frequency[i].
"""

import math

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from ttc.models.config import RopeScaling, TransformerConfig


@flax.struct.dataclass
class Angles:
  """Sines and cosines of the rotations, shared by layers and heads.

  Sampling programs take a table with one row per position as an argument and
  look rows up (`table`, `at`). Computed inside, angles would take a third of a
  small model's time, because XLA computes them again for each head and layer.
  """

  sin: jax.Array  # [B, T, H/2] float32
  cos: jax.Array  # [B, T, H/2] float32
  near: 'Angles | None' = None  # of sliding layers, if their base differs

  @classmethod
  def create(cls, cfg: TransformerConfig, positions: jax.Array) -> 'Angles':
    """Angles of tokens, from their positions in their sequences [B, T]."""
    near = None
    if cfg.local_rope_theta is not None:
      near = cls._of(frequencies(cfg.local_rope_theta, cfg.head_dim), positions)
    far = cls._of(
      frequencies(cfg.rope_theta, cfg.head_dim, cfg.rope_scaling), positions
    )
    if cfg.rope_scaling is None or cfg.rope_scaling.attention == 1:
      return far.replace(near=near)
    scale = cfg.rope_scaling.attention
    return cls(far.sin * scale, far.cos * scale, near)

  @classmethod
  def _of(cls, frequency: np.ndarray, positions: jax.Array) -> 'Angles':
    angle = positions[..., None].astype(jnp.float32) * frequency[None, None]
    return cls(jnp.sin(angle), jnp.cos(angle))

  @classmethod
  def table(cls, cfg: TransformerConfig, length: int) -> 'Angles':
    """Angles of the positions 0 to length - 1, with B = 1 and T = length."""
    return cls.create(cfg, jnp.arange(length)[None])

  def at(self, positions: jax.Array) -> 'Angles':
    """Looks up angles in a table, by positions [B, T]."""
    return jax.tree.map(lambda x: x[0, positions], self)

  def of(self, sliding: bool | jax.Array) -> 'Angles':
    """The angles of one layer, without `near`; `sliding` may be traced."""
    if self.near is None:
      return self
    far = self.replace(near=None)
    if isinstance(sliding, bool):
      return self.near if sliding else far
    return jax.tree.map(
      lambda near, far: jnp.where(sliding, near, far), self.near, far
    )


def frequencies(
  theta: float, width: int, scaling: RopeScaling | None = None
) -> np.ndarray:
  """Rotary frequencies in radians per token.

  Args:
    theta: base of the geometric series.
    width: head dim (H).
    scaling: change of the frequencies for longer contexts, or None.

  Returns:
    [H/2] float32, the fastest pair first.
  """
  # In float64, for positions multiply the error: one bit of float32 is a
  # thousandth of a turn after some ten thousand tokens.
  channel = np.arange(0, width, 2)
  plain = float(theta) ** (-channel / width)
  if scaling is None:
    return plain.astype(np.float32)
  slow = plain / scaling.factor
  if scaling.kind == 'linear':
    return slow.astype(np.float32)
  # `kept` is the share of the plain frequency: 1 for pairs that turn fast, 0
  # for slow ones, and a ramp between. It is linear in the number of turns for
  # llama3, and in the index of the pair for yarn.
  if scaling.kind == 'llama3':
    turns = scaling.context * plain / (2 * math.pi)
    kept = (turns - scaling.low) / (scaling.high - scaling.low)
  else:
    first, last = (
      _channel(turns, theta, width, scaling.context)
      for turns in (scaling.high, scaling.low)
    )
    if scaling.whole:
      first, last = math.floor(first), math.ceil(last)
    first, last = max(first, 0), min(last, width - 1)
    # An empty ramp becomes a step, as in transformers.
    kept = 1 - (channel / 2 - first) / (last - first or 1e-3)
  kept = np.clip(kept, 0, 1)
  return (kept * plain + (1 - kept) * slow).astype(np.float32)


def _channel(turns: float, theta: float, width: int, context: int) -> float:
  """The (fractional) pair index that makes `turns` turns within a context."""
  return (
    width * math.log(context / (turns * 2 * math.pi)) / (2 * math.log(theta))
  )


def rotate(x: jax.Array, angles: Angles) -> jax.Array:
  """Rotates queries or keys.

  Args:
    x: queries or keys [B, T, heads, H].
    angles: of one layer, see `Angles.of`.

  Returns:
    The rotated array, computed in float32, in the shape and dtype of x.
  """
  sin, cos = angles.sin[:, :, None], angles.cos[:, :, None]
  low, high = jnp.split(x, 2, axis=-1)
  turned = (low * cos - high * sin, high * cos + low * sin)
  return jnp.concatenate(turned, axis=-1).astype(x.dtype)
