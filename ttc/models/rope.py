"""Rotary position embeddings (Su et al. 2021), split-half layout."""

import jax
import jax.numpy as jnp


def rotate(x: jax.Array, positions: jax.Array, theta: float) -> jax.Array:
  """Turns channel pairs (i, i + H/2) by an angle that grows with position.

  Args:
    x: queries or keys [B, T, heads, H].
    positions: place of each token in its sequence [B, T].
    theta: base of the geometric frequency ladder.

  Returns:
    An array like `x`; angles are computed in float32.
  """
  half = x.shape[-1] // 2
  frequency = theta ** (-jnp.arange(half, dtype=jnp.float32) / half)  # [H/2]
  angle = positions[..., None].astype(jnp.float32) * frequency[None, None]
  sin, cos = jnp.sin(angle)[:, :, None], jnp.cos(angle)[:, :, None]
  low, high = x[..., :half], x[..., half:]
  turned = (low * cos - high * sin, high * cos + low * sin)
  return jnp.concatenate(turned, axis=-1).astype(x.dtype)
