"""Rotary position embeddings (Su et al. 2021), split-half layout."""

import flax.struct
import jax
import jax.numpy as jnp

from ttc.models.config import TransformerConfig


@flax.struct.dataclass
class Angles:
  """Sines and cosines of tokens' positions, shared by layers and heads.

  As a table with a row a position they are an argument of programs that look
  them up. Computed in such a program they cost a small model a third of its
  time, because XLA computes them anew for each head of each layer.
  """

  sin: jax.Array  # [B, T, H/2]
  cos: jax.Array  # [B, T, H/2]

  @classmethod
  def create(cls, cfg: TransformerConfig, positions: jax.Array) -> 'Angles':
    """Angles of tokens at positions [B, T] of their sequences, in float32."""
    half = cfg.head_dim // 2
    ladder = -jnp.arange(half, dtype=jnp.float32) / half
    frequency = cfg.rope_theta ** ladder  # [H/2]
    angle = positions[..., None].astype(jnp.float32) * frequency[None, None]
    return cls(jnp.sin(angle), jnp.cos(angle))

  @classmethod
  def table(cls, cfg: TransformerConfig, length: int) -> 'Angles':
    """Of the positions below a length [1, length]."""
    return cls.create(cfg, jnp.arange(length)[None])

  def at(self, positions: jax.Array) -> 'Angles':
    """Rows [B, T] of a table."""
    return jax.tree.map(lambda x: x[0, positions], self)


def rotate(x: jax.Array, angles: Angles) -> jax.Array:
  """Turns channel pairs (i, i + H/2) of queries or keys [B, T, heads, H]."""
  sin, cos = angles.sin[:, :, None], angles.cos[:, :, None]
  low, high = jnp.split(x, 2, axis=-1)
  turned = (low * cos - high * sin, high * cos + low * sin)
  return jnp.concatenate(turned, axis=-1).astype(x.dtype)
