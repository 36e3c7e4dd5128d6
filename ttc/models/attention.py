"""Grouped-query attention (Ainslie et al. 2023).

Which keys and values a query attends to is decided by a memory, see
`memory.py`. Dimension letters are those of `transformer.py`.
"""

import functools

from flax import linen as nn
import jax
import jax.numpy as jnp

from ttc.models import rope
from ttc.models.config import TransformerConfig

# Finite: a padding query may see no key at all, and a softmax over nothing but
# -inf would be NaN.
_MASKED = -1e30
_HEADS = ('batch', 'length', 'heads', 'head_dim')
_WIDE = 32  # head dim from which keys as the left operand are faster on CPU


def mix(
  q: jax.Array,
  k: jax.Array,
  v: jax.Array,
  mask: jax.Array,
  cfg: TransformerConfig,
) -> jax.Array:
  """Softmax attention: values averaged with weights softmax(q k^T).

  Args:
    q: queries [B, T, N, H], already scaled; heads G n to G (n + 1) - 1 use
      key/value head n.
    k: keys [B, K, S, H].
    v: values [B, K, S, H].
    mask: bool [B, T, S], True where a query sees a key.
    cfg: its `attn_softcap` is applied.

  Returns:
    Attention outputs [B, T, N, H] in the dtype of `q`. Scores and softmax are
    float32.
  """
  # JAX's attention has no soft-cap. What follows computes the same with one,
  # and is laid out for CPUs.
  if platform() != 'cpu' and cfg.attn_softcap is None:
    return jax.nn.dot_product_attention(
      q, k.swapaxes(1, 2), v.swapaxes(1, 2), mask=mask[:, None], scale=1.0
    )
  rows, length, heads, width = q.shape
  kv = k.shape[1]
  # One matrix per (row, key head): training on a CPU is a quarter faster than
  # with 'BTKGH,BKSH->BKGTS', whose operands are strided.
  grouped = q.reshape(rows, length, kv, heads // kv, width)
  grouped = grouped.transpose(0, 2, 3, 1, 4).reshape(rows, kv, -1, width)
  # [B, K, G * T, H]: the queries of a group are stacked, head by head.
  logits = _scores(grouped, k)
  if cfg.attn_softcap is not None:
    logits = cfg.attn_softcap * jnp.tanh(logits / cfg.attn_softcap)
  mask = jnp.tile(mask, (1, heads // kv, 1))[:, None]  # [B, 1, G * T, S]
  logits = jnp.where(mask, logits, _MASKED)
  # Normalizing after the product with the values divides H numbers per query
  # instead of S. The maximum only guards against overflow: it cancels out, so
  # it needs no gradient.
  top = jax.lax.stop_gradient(jnp.max(logits, axis=-1, keepdims=True))
  weights = jnp.exp(logits - top)
  total = jnp.sum(weights, axis=-1, keepdims=True)
  # The product with the values is in the activations' dtype.
  out = jnp.einsum('BKQS,BKSH->BKQH', weights.astype(q.dtype), v)
  out = (out / total).astype(q.dtype)
  out = out.reshape(rows, kv, heads // kv, length, width)
  return out.transpose(0, 3, 1, 2, 4).reshape(q.shape)


def platform() -> str:
  """The platform that is compiled for, e.g. 'cpu' or 'tpu'.

  It is that of the current mesh, which need not be attached to this machine
  (`ttc plan`); without a mesh, that of JAX's default devices.
  """
  device = jax.sharding.get_abstract_mesh().abstract_device
  return device.platform if device else jax.default_backend()


def _scores(q: jax.Array, k: jax.Array) -> jax.Array:
  """q k^T in float32.

  Args:
    q: queries [B, K, Q, H], with Q = G * T.
    k: keys [B, K, S, H].

  Returns:
    Scores [B, K, Q, S].
  """
  products = functools.partial(jnp.einsum, preferred_element_type=jnp.float32)
  if q.shape[-1] < _WIDE:
    return products('BKQH,BKSH->BKQS', q, k)
  # With keys as the left operand a CPU reads them in memory order, which is
  # three times as fast. The barrier keeps XLA from folding the transpose back
  # into the product.
  return jax.lax.optimization_barrier(
    products('BKSH,BKQH->BKSQ', k, q)
  ).swapaxes(2, 3)


class RMSNorm(nn.Module):
  """Root-mean-square layer norm (Zhang and Sennrich 2019) of the last axis.

  x / rms(x) * (norm_offset + scale), computed in float32 and returned in the
  dtype of x. The factor starts at one whatever the offset.
  """

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
      jnp.mean(y * y, axis=-1, keepdims=True) + self.cfg.norm_eps
    )
    scale = scale.astype(jnp.float32) + self.cfg.norm_offset
    return (y * scale.reshape((1,) * (x.ndim - 1) + (-1,))).astype(x.dtype)


class Attention(nn.Module):
  """Projections, rotary embedding and attention of one layer."""

  cfg: TransformerConfig

  @nn.compact
  def __call__(self, x, angles, layer, sliding, memory):
    """Attends from new tokens to a memory that includes them.

    Args:
      x: normed residual stream [B, T, D].
      angles: rotary angles at the tokens' positions, see `rope.py`.
      layer: index of this layer; traced under a scan.
      sliding: whether a query sees only the last `cfg.window` keys; traced
        under a scan.
      memory: `Whole`, `Lanes` or `Segments`, see `memory.py`.

    Returns:
      The output [B, T, D], and the memory with the new keys and values.
    """
    cfg = self.cfg
    q = nn.with_logical_constraint(
      self._project('q', x, cfg.num_heads, 'heads'), _HEADS
    )
    k = self._project('k', x, cfg.num_kv_heads, 'kv')
    v = self._project('v', x, cfg.num_kv_heads, 'kv')
    if cfg.qk_norm:
      q, k = RMSNorm(cfg, name='q_norm')(q), RMSNorm(cfg, name='k_norm')(k)
    angles = angles.of(sliding)
    q, k = rope.rotate(q, angles), rope.rotate(k, angles)
    scale = cfg.head_dim**-0.5 if cfg.query_scale is None else cfg.query_scale
    memory, out = memory.attend(layer, sliding, q * scale, k, v, cfg)
    out = nn.with_logical_constraint(out, _HEADS)
    kernel = self.param(
      'out',
      nn.with_logical_partitioning(
        nn.initializers.variance_scaling(
          1.0, 'fan_in', 'normal', in_axis=(0, 1), out_axis=2
        ),
        ('heads', 'head_dim', 'embed'),
      ),
      (cfg.num_heads, cfg.head_dim, cfg.embed_dim),
      jnp.dtype(cfg.param_dtype),
    )
    out = jnp.einsum('BTNH,NHD->BTD', out, kernel.astype(x.dtype))
    if cfg.out_bias:
      bias = self.param(
        'out_bias',
        nn.with_logical_partitioning(nn.initializers.zeros, ('embed',)),
        (cfg.embed_dim,),
        jnp.dtype(cfg.param_dtype),
      )
      out += bias.astype(x.dtype)[None, None]
    return out, memory

  def _project(self, name, x, heads, axis):
    cfg = self.cfg
    kernel = self.param(
      name,
      nn.with_logical_partitioning(
        nn.initializers.variance_scaling(
          1.0, 'fan_in', 'normal', in_axis=0, out_axis=(1, 2)
        ),
        ('embed', axis, 'head_dim'),
      ),
      (cfg.embed_dim, heads, cfg.head_dim),
      jnp.dtype(cfg.param_dtype),
    )
    y = jnp.einsum('BTD,DNH->BTNH', x, kernel.astype(x.dtype))
    if cfg.qkv_bias:
      bias = self.param(
        f'{name}_bias',
        nn.with_logical_partitioning(nn.initializers.zeros, (axis, 'head_dim')),
        (heads, cfg.head_dim),
        jnp.dtype(cfg.param_dtype),
      )
      y += bias.astype(x.dtype)[None, None]
    return y
