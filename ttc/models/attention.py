"""Grouped-query attention over a row's past and the tokens being added."""

from flax import linen as nn
import jax
import jax.numpy as jnp

from ttc.models import rope
from ttc.models.config import TransformerConfig

_MASKED = -1e30  # not -inf: a padded query has no key at all


class RMSNorm(nn.Module):
  """x / rms(x) * (offset + scale), in float32."""

  cfg: TransformerConfig

  @nn.compact
  def __call__(self, x):
    init = nn.initializers.constant(1.0 - self.cfg.norm_offset)
    scale = self.param(
        'scale',
        nn.with_logical_partitioning(init, ('norm',)),
        (x.shape[-1],),
        jnp.dtype(self.cfg.param_dtype),
    )
    y = x.astype(jnp.float32)
    y *= jax.lax.rsqrt(
        jnp.mean(y * y, axis=-1, keepdims=True) + self.cfg.norm_eps)
    scale = scale.astype(jnp.float32) + self.cfg.norm_offset
    return (y * scale.reshape((1,) * (x.ndim - 1) + (-1,))).astype(x.dtype)


class Attention(nn.Module):
  """One layer's attention.

  The keys of a query are those of the row's past (read only) followed by those
  of the window, into which this call writes its T new tokens.
  """

  cfg: TransformerConfig

  @nn.compact
  def __call__(self, x, positions, layer, past, window, offset, mask):
    """Attends.

    Args:
      x: [B, T, D].
      positions: [B, T].
      layer: which one this is, a scalar.
      past: this layer's (keys, values), each [B, K, S, H], or None.
      window: KVCache of all layers with U cells, or None where the new tokens
        see only each other.
      offset: window cell of the first new token, a scalar.
      mask: bool [B, T, S + U], which keys each query sees.

    Returns:
      The output [B, T, D] and the written window.
    """
    cfg = self.cfg
    heads, kv = cfg.num_heads, cfg.num_kv_heads
    q = self._project('q', x, heads, 'heads')
    k = self._project('k', x, kv, 'kv')
    v = self._project('v', x, kv, 'kv')
    if cfg.qk_norm:
      q, k = RMSNorm(cfg, name='q_norm')(q), RMSNorm(cfg, name='k_norm')(k)
    q = rope.rotate(q, positions, cfg.rope_theta)
    k = rope.rotate(k, positions, cfg.rope_theta)
    scale = cfg.head_dim**-0.5 if cfg.query_scale is None else cfg.query_scale
    groups = heads // kv
    # One matrix a (row, key head): CPUs train a quarter faster than with
    # 'BTKGH,BKSH->BKGTS', which strides.
    q = (q * scale).reshape(*q.shape[:2], kv, groups, cfg.head_dim)
    q = q.transpose(0, 2, 3, 1, 4).reshape(
        q.shape[0], kv, -1, cfg.head_dim)  # [B, K, G * T, H]
    k, v = k.swapaxes(1, 2), v.swapaxes(1, 2)  # [B, K, T, H]
    if window is not None:
      window = window.write(layer, k, v, offset)
      k, v = window.k[layer], window.v[layer]
    sources = [(k, v)] if past is None else [past, (k, v)]
    logits = [jnp.einsum('BKQH,BKSH->BKQS', q, keys,
                         preferred_element_type=jnp.float32)
              for keys, _ in sources]
    logits = logits[0] if past is None else jnp.concatenate(logits, axis=-1)
    if cfg.attn_softcap is not None:
      logits = cfg.attn_softcap * jnp.tanh(logits / cfg.attn_softcap)
    mask = jnp.tile(mask, (1, groups, 1))[:, None]  # [B, 1, G * T, S + U]
    logits = jnp.where(mask, logits, _MASKED)
    # Dividing by the sum after the values are mixed touches H numbers a query
    # and not S + U.
    top = jax.lax.stop_gradient(jnp.max(logits, axis=-1, keepdims=True))
    weights = jnp.exp(logits - top)
    total = jnp.sum(weights, axis=-1, keepdims=True)
    weights = weights.astype(x.dtype)
    out, start = 0, 0
    for _, values in sources:
      stop = start + values.shape[2]
      out += jnp.einsum('BKQS,BKSH->BKQH', weights[..., start:stop], values)
      start = stop
    out = (out / total).astype(x.dtype)
    out = out.reshape(x.shape[0], kv, groups, -1, cfg.head_dim)
    out = out.transpose(0, 3, 1, 2, 4).reshape(
        *x.shape[:2], heads, cfg.head_dim)
    kernel = self.param(
        'out',
        nn.with_logical_partitioning(
            nn.initializers.variance_scaling(
                1.0, 'fan_in', 'normal', in_axis=(0, 1), out_axis=2),
            ('heads', 'head_dim', 'embed')),
        (heads, cfg.head_dim, cfg.embed_dim), jnp.dtype(cfg.param_dtype))
    return jnp.einsum('BTNH,NHD->BTD', out, kernel.astype(x.dtype)), window

  def _project(self, name, x, heads, axis):
    cfg = self.cfg
    kernel = self.param(
        name,
        nn.with_logical_partitioning(
            nn.initializers.variance_scaling(
                1.0, 'fan_in', 'normal', in_axis=0, out_axis=(1, 2)),
            ('embed', axis, 'head_dim')),
        (cfg.embed_dim, heads, cfg.head_dim), jnp.dtype(cfg.param_dtype))
    y = jnp.einsum('BTD,DNH->BTNH', x, kernel.astype(x.dtype))
    if cfg.qkv_bias:
      bias = self.param(
          f'{name}_bias',
          nn.with_logical_partitioning(
              nn.initializers.zeros, (axis, 'head_dim')),
          (heads, cfg.head_dim), jnp.dtype(cfg.param_dtype))
      y += bias.astype(x.dtype)[None, None]
    return y
