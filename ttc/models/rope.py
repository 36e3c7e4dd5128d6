"""Rotary position embeddings (Su et al. 2021), split-half layout."""

import flax.struct
import jax
import jax.numpy as jnp

from ttc.models.config import TransformerConfig


@flax.struct.dataclass
class Angles:
  """Sines and cosines of T tokens' positions, shared by layers and heads."""

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


def rotate(x: jax.Array, angles: Angles) -> jax.Array:
  """Turns channel pairs (i, i + H/2) of queries or keys [B, T, heads, H]."""
  sin, cos = angles.sin[:, :, None], angles.cos[:, :, None]
  low, high = jnp.split(x, 2, axis=-1)
  turned = (low * cos - high * sin, high * cos + low * sin)
  return jnp.concatenate(turned, axis=-1).astype(x.dtype)
