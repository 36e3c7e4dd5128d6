"""Rotary position embeddings (Su et al. 2021), split-half layout."""

import math

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from ttc.models.config import RopeScaling, TransformerConfig


@flax.struct.dataclass
class Angles:
  """Sines and cosines of tokens' positions, shared by layers and heads.

  As a table with a row a position they are an argument of programs that look
  them up. Computed in such a program they cost a small model a third of its
  time, because XLA computes them anew for each head of each layer.
  """

  sin: jax.Array  # [B, T, H/2]
  cos: jax.Array  # [B, T, H/2]
  near: 'Angles | None' = None  # of sliding layers, where theirs differ

  @classmethod
  def create(cls, cfg: TransformerConfig, positions: jax.Array) -> 'Angles':
    """Angles of tokens at positions [B, T] of their sequences, in float32."""
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
    """Of the positions below a length [1, length]."""
    return cls.create(cfg, jnp.arange(length)[None])

  def at(self, positions: jax.Array) -> 'Angles':
    """Rows [B, T] of a table."""
    return jax.tree.map(lambda x: x[0, positions], self)

  def of(self, sliding: bool | jax.Array) -> 'Angles':
    """Those of one layer; `sliding` may be traced."""
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
  """Radians that each of `width` / 2 channel pairs turns a token, float32.

  They are worked out in float64: an error of one bit would be a thousandth of
  a turn some ten thousand tokens later.
  """
  channel = np.arange(0, width, 2)
  plain = float(theta) ** (-channel / width)
  if scaling is None:
    return plain.astype(np.float32)
  slow = plain / scaling.factor
  if scaling.kind == 'linear':
    return slow.astype(np.float32)
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
    kept = 1 - (channel / 2 - first) / (last - first or 1e-3)
  kept = np.clip(kept, 0, 1)
  return (kept * plain + (1 - kept) * slow).astype(np.float32)


def _channel(turns: float, theta: float, width: int, context: int) -> float:
  """Where on the ladder a pair turns so often in a context."""
  return (
    width * math.log(context / (turns * 2 * math.pi)) / (2 * math.log(theta))
  )


def rotate(x: jax.Array, angles: Angles) -> jax.Array:
  """Turns channel pairs (i, i + H/2) of queries or keys [B, T, heads, H]."""
  sin, cos = angles.sin[:, :, None], angles.cos[:, :, None]
  low, high = jnp.split(x, 2, axis=-1)
  turned = (low * cos - high * sin, high * cos + low * sin)
  return jnp.concatenate(turned, axis=-1).astype(x.dtype)
