"""What a decoder-only Transformer is, as data.

Families differ by the values of these fields and never by a class of their
own. This file imports no array library: a finished run is analysed, and its
FLOPs counted, on machines without an accelerator.
"""

import dataclasses
from typing import Literal

Activation = Literal['silu', 'gelu', 'gelu_tanh', 'relu', 'relu2']
ACTIVATIONS = ('silu', 'gelu', 'gelu_tanh', 'relu', 'relu2')


@dataclasses.dataclass(frozen=True)
class TransformerConfig:
  """Sizes and variants of one model; every field is static under jit.

  Attributes:
    vocab_size: rows of the embedding table (V).
    num_layers: blocks (L).
    embed_dim: width of the residual stream (D).
    num_heads: query heads (N).
    num_kv_heads: key/value heads (K); must divide `num_heads`.
    head_dim: width of one head (H); need not be D / N.
    mlp_dim: width of the hidden layer (F).
    activation: non-linearity of the MLP.
    gated: whether the MLP is act(x W_gate) * (x W_up) or act(x W_up).
    norm_eps: epsilon of RMSNorm.
    norm_offset: 1.0 where the scale is stored as an offset from one (Gemma).
    post_norm: a second norm after attention and MLP (Gemma 2, 3).
    qk_norm: RMSNorm over the head dimension of queries and keys.
    qkv_bias: biases on the q, k and v projections (Qwen 2).
    query_scale: multiplies queries; None is H ** -0.5.
    attn_softcap: logits become cap * tanh(logits / cap); None is off.
    final_softcap: the same for the output logits.
    window: keys a position sees in a sliding layer, itself included.
    sliding: one flag a layer, or () for none.
    rope_theta: base of the rotary frequencies.
    tied: whether the output projection is the embedding table.
    scale_embed: whether embeddings are multiplied by sqrt(D) (Gemma).
    dropout: rate on the two residual branches, in training only.
    dtype: of activations; softmax, norms, logits and values stay float32.
    param_dtype: of stored weights.
  """

  vocab_size: int
  num_layers: int
  embed_dim: int
  num_heads: int
  num_kv_heads: int
  head_dim: int
  mlp_dim: int
  activation: Activation = 'silu'
  gated: bool = True
  norm_eps: float = 1e-6
  norm_offset: float = 0.0
  post_norm: bool = False
  qk_norm: bool = False
  qkv_bias: bool = False
  query_scale: float | None = None
  attn_softcap: float | None = None
  final_softcap: float | None = None
  window: int | None = None
  sliding: tuple[bool, ...] = ()
  rope_theta: float = 10_000.0
  tied: bool = True
  scale_embed: bool = False
  dropout: float = 0.0
  dtype: str = 'float32'
  param_dtype: str = 'float32'

  def __post_init__(self):
    for name in ('vocab_size', 'num_layers', 'embed_dim', 'num_heads',
                 'num_kv_heads', 'head_dim', 'mlp_dim'):
      if getattr(self, name) < 1:
        raise ValueError(
            f'TransformerConfig.{name} is {getattr(self, name)}; it must be '
            'at least 1.')
    if self.num_heads % self.num_kv_heads:
      raise ValueError(
          f'TransformerConfig.num_heads={self.num_heads} is not a multiple of '
          f'num_kv_heads={self.num_kv_heads}; lower num_kv_heads to a divisor.')
    if self.head_dim % 2:
      raise ValueError(
          f'TransformerConfig.head_dim={self.head_dim} is odd; rotary '
          'embeddings turn pairs of channels, so make it even.')
    if self.activation not in ACTIVATIONS:
      raise ValueError(
          f'TransformerConfig.activation={self.activation!r} is unknown; '
          f'choose one of {", ".join(ACTIVATIONS)}.')
    if self.sliding and len(self.sliding) != self.num_layers:
      raise ValueError(
          f'TransformerConfig.sliding has {len(self.sliding)} flags for '
          f'num_layers={self.num_layers}; give one a layer, or none.')
    if any(self.sliding) and not self.window:
      raise ValueError(
          'TransformerConfig.sliding marks layers but window is '
          f'{self.window}; set window to the number of keys they see.')
    if not 0 <= self.dropout < 1:
      raise ValueError(
          f'TransformerConfig.dropout={self.dropout} is not in [0, 1).')

  @property
  def num_params(self) -> int:
    """Weights of the model with a logits head, embeddings included."""
    d, h = self.embed_dim, self.head_dim
    attention = d * h * (2 * self.num_heads + 2 * self.num_kv_heads)
    if self.qkv_bias:
      attention += h * (self.num_heads + 2 * self.num_kv_heads)
    if self.qk_norm:
      attention += 2 * h
    mlp = d * self.mlp_dim * (3 if self.gated else 2)
    norms = d * (4 if self.post_norm else 2)
    tables = self.vocab_size * d * (1 if self.tied else 2)
    return tables + self.num_layers * (attention + mlp + norms) + d
