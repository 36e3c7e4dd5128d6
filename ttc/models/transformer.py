"""One decoder-only Transformer for proposers and verifiers.

Dimensions, here and everywhere:
  B rows                P problems              W rows a problem (B = P * W)
  T query length        S cache length          U window length
  L layers              D model width           F hidden width
  N query heads         K key/value heads       G = N / K
  H head width          V vocabulary            M tree nodes
"""

from typing import Literal

from flax import linen as nn
import jax
import jax.numpy as jnp

from ttc.models.attention import Attention, RMSNorm
from ttc.models.config import TransformerConfig

Head = Literal['logits', 'value']

_ACTIVATIONS = {
    'silu': jax.nn.silu,
    'gelu': lambda x: jax.nn.gelu(x, approximate=False),
    'gelu_tanh': lambda x: jax.nn.gelu(x, approximate=True),
    'relu': jax.nn.relu,
    'relu2': lambda x: jnp.square(jax.nn.relu(x)),
}


class Mlp(nn.Module):
  """Plain or gated feed-forward layer."""

  cfg: TransformerConfig

  @nn.compact
  def __call__(self, x):
    cfg = self.cfg
    act = _ACTIVATIONS[cfg.activation]
    up = self._kernel('up', (cfg.embed_dim, cfg.mlp_dim), ('embed', 'mlp'))
    hidden = jnp.einsum('BTD,DF->BTF', x, up.astype(x.dtype))
    if cfg.gated:
      gate = self._kernel(
          'gate', (cfg.embed_dim, cfg.mlp_dim), ('embed', 'mlp'))
      hidden *= act(jnp.einsum('BTD,DF->BTF', x, gate.astype(x.dtype)))
    else:
      hidden = act(hidden)
    down = self._kernel(
        'down', (cfg.mlp_dim, cfg.embed_dim), ('mlp', 'embed'))
    return jnp.einsum('BTF,FD->BTD', hidden, down.astype(x.dtype))

  def _kernel(self, name, shape, axes):
    init = nn.initializers.variance_scaling(1.0, 'fan_in', 'normal')
    return self.param(name, nn.with_logical_partitioning(init, axes), shape,
                      jnp.dtype(self.cfg.param_dtype))


class Block(nn.Module):
  """One layer, shaped as the body of a scan over layers.

  The window of all layers travels in the carry, because as an input and an
  output of the scan it would be copied once a token.
  """

  cfg: TransformerConfig
  deterministic: bool

  @nn.compact
  def __call__(self, carry, layer, past, sliding, positions, offset, masks):
    cfg = self.cfg
    x, window = carry
    mask = masks[0]
    if cfg.sliding:
      mask = jnp.where(sliding, masks[1], masks[0])
    y = RMSNorm(cfg, name='attention_norm')(x)
    y, window = Attention(cfg, name='attention')(
        y, positions, layer, past, window, offset, mask)
    x += self._branch(y, 'attention_post_norm')
    y = Mlp(cfg, name='mlp')(RMSNorm(cfg, name='mlp_norm')(x))
    x += self._branch(y, 'mlp_post_norm')
    x = nn.with_logical_constraint(x, ('batch', 'length', 'embed'))
    return (x, window), None

  def _branch(self, y, name):
    if self.cfg.post_norm:
      y = RMSNorm(self.cfg, name=name)(y)
    return nn.Dropout(self.cfg.dropout, deterministic=self.deterministic)(y)


class Backbone(nn.Module):
  """Embedding, layers and final norm: everything but a head."""

  cfg: TransformerConfig

  def setup(self):
    init = nn.initializers.normal(self.cfg.embed_dim**-0.5)
    self.embedding = self.param(
        'embedding',
        nn.with_logical_partitioning(init, ('vocab', 'embed')),
        (self.cfg.vocab_size, self.cfg.embed_dim),
        jnp.dtype(self.cfg.param_dtype))
    self.final_norm = RMSNorm(self.cfg)

  @nn.compact
  def __call__(self, tokens, positions, past, window, offset, masks,
               deterministic):
    cfg = self.cfg
    x = self.embedding.astype(cfg.dtype)[tokens]
    if cfg.scale_embed:
      x *= jnp.asarray(cfg.embed_dim**0.5, x.dtype)
    layers = nn.scan(
        Block,
        variable_axes={'params': 0},
        split_rngs={'params': True, 'dropout': True},
        in_axes=(0, 0, 0, nn.broadcast, nn.broadcast, nn.broadcast),
        length=cfg.num_layers,
        metadata_params={nn.PARTITION_NAME: 'layers'},
    )(cfg, deterministic, name='layers')
    past = None if past is None else (past.k, past.v)
    sliding = jnp.asarray(cfg.sliding or (False,) * cfg.num_layers)
    (x, window), _ = layers(
        (x, window), jnp.arange(cfg.num_layers), past, sliding, positions,
        offset, masks)
    return self.final_norm(x), window


class Transformer(nn.Module):
  """A backbone and one head: next-token logits, or a scalar value."""

  cfg: TransformerConfig
  head: Head = 'logits'

  def setup(self):
    cfg, dtype = self.cfg, jnp.dtype(self.cfg.param_dtype)
    self.backbone = Backbone(cfg)
    if self.head == 'value':
      init = nn.initializers.normal(cfg.embed_dim**-0.5)
      self.value = self.param(
          'value', nn.with_logical_partitioning(init, ('embed',)),
          (cfg.embed_dim,), dtype)
      self.value_bias = self.param(
          'value_bias', nn.with_logical_partitioning(
              nn.initializers.zeros, ()), (), dtype)
    elif not cfg.tied:
      init = nn.initializers.variance_scaling(1.0, 'fan_in', 'normal')
      self.logits = self.param(
          'logits', nn.with_logical_partitioning(init, ('embed', 'vocab')),
          (cfg.embed_dim, cfg.vocab_size), dtype)

  def __call__(self, tokens, *, positions=None, segment_ids=None,
               deterministic=True):
    """Reads whole sequences, as training does.

    Args:
      tokens: [B, T].
      positions: place of each token in its own sequence [B, T]; None counts
        from zero.
      segment_ids: which packed sequence a token belongs to [B, T]; tokens see
        only their own. None is one sequence a row.
      deterministic: False draws dropout masks from the 'dropout' stream.

    Returns:
      logits [B, T, V], or value logits [B, T] (a value in [0, 1] is their
      sigmoid), in float32.
    """
    rows, length = tokens.shape
    index = jnp.arange(length)
    distance = (index[:, None] - index[None, :])[None]  # [1, T, T]
    seen = jnp.broadcast_to(distance >= 0, (rows, length, length))
    if segment_ids is not None:
      seen &= segment_ids[:, :, None] == segment_ids[:, None, :]
    if positions is None:
      positions = jnp.broadcast_to(index[None], tokens.shape)
    masks = self._masks(seen, distance)
    x, _ = self.backbone(
        tokens, positions, None, None, 0, masks, deterministic)
    return self._read(x)

  def extend(self, tokens, past, length, window, offset):
    """Reads T more tokens of every row.

    Args:
      tokens: [B, T], standing at positions length + offset + [0, T).
      past: KVCache with S cells, valid below `length`.
      length: [B].
      window: KVCache with U cells, valid below `offset`.
      offset: tokens that this program has already put into the window, a
        scalar.

    Returns:
      As `__call__`, and the window with T more valid cells.
    """
    cells, size = jnp.arange(past.size), jnp.arange(window.size)
    query = offset + jnp.arange(tokens.shape[1])  # [T], from the row's length
    positions = length[:, None] + query[None]  # [B, T]
    distance = jnp.concatenate([
        positions[:, :, None] - cells[None, None],
        jnp.broadcast_to((query[:, None] - size[None])[None],
                         (*tokens.shape, size.shape[0])),
    ], axis=-1)  # [B, T, S + U]
    valid = cells[None] < length[:, None]  # [B, S]
    seen = (distance >= 0) & jnp.pad(
        valid, ((0, 0), (0, size.shape[0])), constant_values=True)[:, None]
    x, window = self.backbone(tokens, positions, past, window, offset,
                              self._masks(seen, distance), True)
    return self._read(x), window

  def _masks(self, seen, distance):
    """Masks of global and, where the model has them, sliding layers."""
    if not self.cfg.sliding:
      return (seen,)
    return seen, seen & (distance < self.cfg.window)

  def _read(self, x):
    if self.head == 'value':
      kernel = self.value.astype(jnp.float32)
      values = jnp.einsum('BTD,D->BT', x.astype(jnp.float32), kernel)
      return values + self.value_bias.astype(jnp.float32)
    if self.cfg.tied:
      kernel = self.backbone.embedding.astype(x.dtype)
      logits = jnp.einsum('BTD,VD->BTV', x, kernel,
                          preferred_element_type=jnp.float32)
    else:
      logits = jnp.einsum('BTD,DV->BTV', x, self.logits.astype(x.dtype),
                          preferred_element_type=jnp.float32)
    cap = self.cfg.final_softcap
    return logits if cap is None else cap * jnp.tanh(logits / cap)
