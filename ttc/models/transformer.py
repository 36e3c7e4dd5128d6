"""One decoder-only Transformer for proposers and verifiers.

Dimensions, here and everywhere:
  B rows                P problems              W rows per problem (B = P * W)
  T query length        S cache length          U tokens per sampling call
  C lanes of a device   R slots of a KV pool    E prefill segments of A tokens
  L layers              D model width           F hidden width of the MLP
  N query heads         K key/value heads       G = N / K queries per kv head
  H head dim            V vocabulary            M nodes of a search tree
"""

from typing import Literal

from flax import linen as nn
import jax
import jax.numpy as jnp

from ttc.models.attention import Attention, RMSNorm
from ttc.models.config import TransformerConfig
from ttc.models.memory import Whole
from ttc.models.rope import Angles

Head = Literal['logits', 'value']
Remat = Literal['none', 'dots', 'full']

# What a layer keeps from the forward for the backward pass.
_KEPT = {
  'dots': jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
  'full': jax.checkpoint_policies.nothing_saveable,
}
REMATS = ('none', *_KEPT)

RESIDUAL = ('batch', 'length', 'residual')

_ACTIVATIONS = {
  'silu': jax.nn.silu,
  'gelu': lambda x: jax.nn.gelu(x, approximate=False),
  'gelu_tanh': lambda x: jax.nn.gelu(x, approximate=True),
  'relu': jax.nn.relu,
  'relu2': lambda x: jnp.square(jax.nn.relu(x)),
}


class Mlp(nn.Module):
  """Plain or gated feed-forward layer: [B, T, D] to [B, T, D]."""

  cfg: TransformerConfig

  @nn.compact
  def __call__(self, x):
    cfg = self.cfg
    act = _ACTIVATIONS[cfg.activation]
    up = self._kernel('up', (cfg.embed_dim, cfg.mlp_dim), ('embed', 'mlp'))
    hidden = jnp.einsum('BTD,DF->BTF', x, up.astype(x.dtype))
    if cfg.gated:
      gate = self._kernel(
        'gate', (cfg.embed_dim, cfg.mlp_dim), ('embed', 'mlp')
      )
      hidden *= act(jnp.einsum('BTD,DF->BTF', x, gate.astype(x.dtype)))
    else:
      hidden = act(hidden)
    hidden = nn.with_logical_constraint(hidden, ('batch', 'length', 'mlp'))
    down = self._kernel('down', (cfg.mlp_dim, cfg.embed_dim), ('mlp', 'embed'))
    return jnp.einsum('BTF,FD->BTD', hidden, down.astype(x.dtype))

  def _kernel(self, name, shape, axes):
    init = nn.initializers.variance_scaling(1.0, 'fan_in', 'normal')
    return self.param(
      name,
      nn.with_logical_partitioning(init, axes),
      shape,
      jnp.dtype(self.cfg.param_dtype),
    )


class Block(nn.Module):
  """One layer, with the signature of a scan body.

  The carry is the residual stream [B, T, D] and the memory; nothing is
  stacked per layer.
  """

  cfg: TransformerConfig
  deterministic: bool = True

  @nn.compact
  def __call__(self, carry, layer, sliding, angles):
    cfg = self.cfg
    x, memory = carry
    y = RMSNorm(cfg, name='attention_norm')(x)
    y, memory = Attention(cfg, name='attention')(
      y, angles, layer, sliding, memory
    )
    x += self._branch(y, 'attention_post_norm')
    y = Mlp(cfg, name='mlp')(RMSNorm(cfg, name='mlp_norm')(x))
    x += self._branch(y, 'mlp_post_norm')
    return (nn.with_logical_constraint(x, RESIDUAL), memory), None

  def _branch(self, y, name):
    if self.cfg.post_norm:
      y = RMSNorm(self.cfg, name=name)(y)
    return nn.Dropout(self.cfg.dropout, deterministic=self.deterministic)(y)


class Backbone(nn.Module):
  """Embedding, layers and final norm: everything but a head.

  Attributes:
    cfg: sizes and variants.
    scan: see `Transformer`.
    remat: see `Transformer`.
  """

  cfg: TransformerConfig
  scan: bool
  remat: Remat

  def setup(self):
    init = nn.initializers.normal(self.cfg.embed_dim**-0.5)
    self.embedding = self.param(
      'embedding',
      nn.with_logical_partitioning(init, ('vocab', 'embed')),
      (self.cfg.vocab_size, self.cfg.embed_dim),
      jnp.dtype(self.cfg.param_dtype),
    )
    self.final_norm = RMSNorm(self.cfg)

  @nn.compact
  def __call__(self, tokens, angles, memory, deterministic):
    cfg = self.cfg
    # Gathered over `fsdp` before the lookup, for a device needs the whole
    # embedding vectors of its own rows' tokens.
    table = nn.with_logical_constraint(
      self.embedding.astype(cfg.dtype), ('vocab', 'residual')
    )
    x = nn.with_logical_constraint(table[tokens], RESIDUAL)
    if cfg.scale_embed:
      x *= jnp.asarray(cfg.embed_dim**0.5, x.dtype)
    sliding = cfg.sliding or (False,) * cfg.num_layers
    carry = x, memory
    if self.scan:
      # prevent_cse=False: inside a scan XLA cannot merge the recomputation with
      # the forward pass anyway, and the barriers against it cost time.
      block = (
        Block
        if self.remat == 'none'
        else nn.remat(Block, policy=_KEPT[self.remat], prevent_cse=False)
      )
      # Layer index and window flag are scanned over, and so traced; angles are
      # the same for all layers.
      layers = nn.scan(
        block,
        variable_axes={'params': 0},
        split_rngs={'params': True, 'dropout': True},
        in_axes=(0, 0, nn.broadcast),
        length=cfg.num_layers,
        metadata_params={nn.PARTITION_NAME: 'layers'},
      )(cfg, deterministic, name='layers')
      carry, _ = layers(
        carry, jnp.arange(cfg.num_layers), jnp.asarray(sliding), angles
      )
    else:
      for layer in range(cfg.num_layers):
        carry, _ = Block(cfg, name=f'layer_{layer}')(
          carry, layer, sliding[layer], angles
        )
    x, memory = carry
    return self.final_norm(x), memory


def unstack(params: dict, consume: bool = False) -> dict:
  """Turns the parameters of a scanned model into those for `scan=False`.

  Args:
    params: tree with arrays [L, ...] under backbone/layers.
    consume: deletes each stacked array as soon as it is split, so that at most
      one array's weights are held twice. `params` is unusable afterwards.

  Returns:
    The tree with arrays [...] under backbone/layer_0, backbone/layer_1, ...
  """
  backbone = dict(params['backbone'])
  stacks, tree = jax.tree.flatten(backbone.pop('layers'))
  apart = []
  for stack in stacks:
    apart.append([stack[i] for i in range(stack.shape[0])])
    if consume:  # slices are computed asynchronously, from the stack
      jax.block_until_ready(apart[-1])
      stack.delete()
  backbone |= {
    f'layer_{i}': jax.tree.unflatten(tree, layer)
    for i, layer in enumerate(zip(*apart, strict=True))
  }
  return {**params, 'backbone': backbone}


def head_params(params: dict) -> dict:
  """The parameters that `Transformer.read` needs for logits."""
  if 'logits' in params:
    return {'logits': params['logits']}
  return {'backbone': {'embedding': params['backbone']['embedding']}}


class Transformer(nn.Module):
  """A backbone and one head: next-token logits, or a scalar value.

  Training scans over stacked layers, which compiles fast. Sampling unrolls
  them: a scan would copy each layer's weights and cache for every token.

  Attributes:
    cfg: sizes and variants.
    head: 'logits' or 'value'.
    scan: True for one scan over stacked layers, False for unrolled layers.
    remat: what the backward pass of a scan recomputes to save memory: nothing
      ('none'), all but products with weights ('dots'), or all but the residual
      stream between layers ('full'). Results do not change.
  """

  cfg: TransformerConfig
  head: Head = 'logits'
  scan: bool = True
  remat: Remat = 'none'

  def setup(self):
    cfg, dtype = self.cfg, jnp.dtype(self.cfg.param_dtype)
    self.backbone = Backbone(cfg, self.scan, self.remat)
    if self.head == 'value':
      self._value_head()
    elif not cfg.tied:
      init = nn.initializers.variance_scaling(1.0, 'fan_in', 'normal')
      self.logits = self.param(
        'logits',
        nn.with_logical_partitioning(init, ('embed', 'vocab')),
        (cfg.embed_dim, cfg.vocab_size),
        dtype,
      )

  def _value_head(self):
    width, hidden = self.cfg.embed_dim, self.cfg.value_hidden
    zeros, boxed = nn.initializers.zeros, nn.with_logical_partitioning
    if hidden:
      self.value_hidden = self.param(
        'value_hidden',
        boxed(nn.initializers.normal(width**-0.5), ('embed', 'value')),
        (width, hidden),
        jnp.float32,
      )
      self.value_hidden_bias = self.param(
        'value_hidden_bias', boxed(zeros, ('value',)), (hidden,), jnp.float32
      )
      width = hidden
    self.value = self.param(
      'value',
      boxed(
        nn.initializers.normal(width**-0.5), ('value' if hidden else 'embed',)
      ),
      (width,),
      jnp.float32,
    )
    self.value_bias = self.param(
      'value_bias', boxed(zeros, ()), (), jnp.float32
    )

  def __call__(
    self, tokens, *, positions=None, segment_ids=None, deterministic=True
  ):
    """Reads whole sequences, as training does.

    Args:
      tokens: token ids [B, T].
      positions: position of each token in its own sequence [B, T]; None counts
        from zero in each row.
      segment_ids: packed sequence that each token belongs to [B, T]; tokens
        see only their own. None is one sequence per row.
      deterministic: False draws dropout masks from the 'dropout' stream.

    Returns:
      Logits [B, T, V] of the next token, or value logits [B, T], whose sigmoid
      is a value in [0, 1]. Both are float32.
    """
    return self.read(
      self.states(
        tokens,
        positions=positions,
        segment_ids=segment_ids,
        deterministic=deterministic,
      )
    )

  def states(
    self, tokens, *, positions=None, segment_ids=None, deterministic=True
  ):
    """As `__call__`, but returns the normed activations [B, T, D]."""
    if positions is None:
      positions = jnp.broadcast_to(
        jnp.arange(tokens.shape[1])[None], tokens.shape
      )
    angles = Angles.create(self.cfg, positions)
    memory = Whole.create(self.cfg, tokens.shape, segment_ids)
    return self.backbone(tokens, angles, memory, deterministic)[0]

  def extend(self, tokens, angles, memory, deterministic=True):
    """Reads new tokens that attend to a memory.

    Args:
      tokens: new token ids [B, T].
      angles: rotary angles at their positions.
      memory: `Whole`, `Lanes` or `Segments`, see `memory.py`.
      deterministic: see `__call__`.

    Returns:
      (outputs as of `__call__`, the memory with the tokens in it).
    """
    x, memory = self.backbone(tokens, angles, memory, deterministic)
    return self.read(x), memory

  def read(self, x):
    """The head's outputs in float32, from normed activations [B, T, D]."""
    if self.head == 'value':
      x = x.astype(jnp.float32)
      if self.cfg.value_hidden:
        x = jnp.einsum('BTD,DF->BTF', x, self.value_hidden)
        x = jax.nn.relu(x + self.value_hidden_bias[None, None])
      return jnp.einsum('BTD,D->BT', x, self.value) + self.value_bias
    if self.cfg.tied:
      kernel = self.backbone.embedding.astype(x.dtype)
      logits = jnp.einsum(
        'BTD,VD->BTV', x, kernel, preferred_element_type=jnp.float32
      )
    else:
      logits = jnp.einsum(
        'BTD,DV->BTV',
        x,
        self.logits.astype(x.dtype),
        preferred_element_type=jnp.float32,
      )
    logits = nn.with_logical_constraint(logits, ('batch', 'length', 'vocab'))
    cap = self.cfg.final_softcap
    return logits if cap is None else cap * jnp.tanh(logits / cap)
