"""What a decoder-only Transformer is, as data.

Families differ by the values of these fields and never by a class of their
own. This file imports no array library: a finished run is analysed, and its
FLOPs counted, on machines without an accelerator.
"""

from collections.abc import Mapping
import dataclasses
import math
from typing import Any, Literal

Activation = Literal['silu', 'gelu', 'gelu_tanh', 'relu', 'relu2']
ACTIVATIONS = ('silu', 'gelu', 'gelu_tanh', 'relu', 'relu2')

RopeKind = Literal['linear', 'llama3', 'yarn']
ROPE_KINDS = ('linear', 'llama3', 'yarn')


@dataclasses.dataclass(frozen=True)
class RopeScaling:
  """How rotary frequencies were stretched for contexts longer than trained.

  Attributes:
    kind: 'linear' divides all of them by `factor`; 'llama3' and 'yarn' those
      that turn slowly over the original context, with a ramp between.
    factor: by which the context grew.
    context: tokens of the original one; not used by 'linear'.
    low: turns in the original context at or below which a frequency is divided
      in full ('llama3': low_freq_factor, 'yarn': beta_slow).
    high: turns at or above which it is left alone ('llama3': high_freq_factor,
      'yarn': beta_fast).
    attention: multiplies sines and cosines; only 'yarn' has another than 1.
    whole: whether the ramp of 'yarn' begins and ends at whole channels.
  """

  kind: RopeKind
  factor: float
  context: int = 0
  low: float = 1.0
  high: float = 4.0
  attention: float = 1.0
  whole: bool = True

  def __post_init__(self):
    if self.kind not in ROPE_KINDS:
      raise ValueError(
        f'RopeScaling.kind={self.kind!r} is unknown; choose one of '
        f'{", ".join(ROPE_KINDS)}.'
      )
    if not (self.factor >= 1 and math.isfinite(self.factor)):
      raise ValueError(
        f'RopeScaling.factor={self.factor}; a context grows by 1 or more.'
      )
    if self.kind != 'linear' and not (
      self.context > 0 and 0 < self.low < self.high
    ):
      raise ValueError(
        f'RopeScaling of kind {self.kind!r} has context={self.context}, '
        f'low={self.low}, high={self.high}; give a positive context and '
        '0 < low < high.'
      )


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
    out_bias: a bias on the projection that leaves attention.
    query_scale: multiplies queries; None is H ** -0.5.
    attn_softcap: logits become cap * tanh(logits / cap); None is off.
    final_softcap: the same for the output logits.
    window: keys a position sees in a sliding layer, itself included.
    sliding: one flag a layer, or () for none.
    rope_theta: base of the rotary frequencies.
    rope_scaling: how they were stretched, or None.
    local_rope_theta: base in sliding layers, where nothing is stretched; None
      where they turn like the others (Gemma 3 is the exception).
    context: positions that the model knows; None is no limit.
    tied: whether the output projection is the embedding table.
    scale_embed: whether embeddings are multiplied by sqrt(D) (Gemma).
    value_hidden: ReLU units between the last norm and the value, 0 for none
      (others' verifiers have as many as D).
    dropout: rate on the two residual branches, in training only.
    dtype: of activations; softmax, norms, logits and values stay float32.
    param_dtype: of stored weights; a value head's are always float32.
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
  out_bias: bool = False
  query_scale: float | None = None
  attn_softcap: float | None = None
  final_softcap: float | None = None
  window: int | None = None
  sliding: tuple[bool, ...] = ()
  rope_theta: float = 10_000.0
  rope_scaling: RopeScaling | None = None
  local_rope_theta: float | None = None
  context: int | None = None
  tied: bool = True
  scale_embed: bool = False
  value_hidden: int = 0
  dropout: float = 0.0
  dtype: str = 'float32'
  param_dtype: str = 'float32'

  def __post_init__(self):
    for name in (
      'vocab_size',
      'num_layers',
      'embed_dim',
      'num_heads',
      'num_kv_heads',
      'head_dim',
      'mlp_dim',
    ):
      if getattr(self, name) < 1:
        raise ValueError(
          f'TransformerConfig.{name} is {getattr(self, name)}; it must be '
          'at least 1.'
        )
    if self.num_heads % self.num_kv_heads:
      raise ValueError(
        f'TransformerConfig.num_heads={self.num_heads} is not a multiple of '
        f'num_kv_heads={self.num_kv_heads}; lower num_kv_heads to a divisor.'
      )
    if self.head_dim % 2:
      raise ValueError(
        f'TransformerConfig.head_dim={self.head_dim} is odd; rotary '
        'embeddings turn pairs of channels, so make it even.'
      )
    if self.activation not in ACTIVATIONS:
      raise ValueError(
        f'TransformerConfig.activation={self.activation!r} is unknown; '
        f'choose one of {", ".join(ACTIVATIONS)}.'
      )
    if self.sliding and len(self.sliding) != self.num_layers:
      raise ValueError(
        f'TransformerConfig.sliding has {len(self.sliding)} flags for '
        f'num_layers={self.num_layers}; give one a layer, or none.'
      )
    if any(self.sliding) and not self.window:
      raise ValueError(
        'TransformerConfig.sliding marks layers but window is '
        f'{self.window}; set window to the number of keys they see.'
      )
    if self.local_rope_theta and not self.sliding:
      raise ValueError(
        f'TransformerConfig.local_rope_theta={self.local_rope_theta} is for '
        'sliding layers and sliding marks none; leave it None.'
      )
    if self.context is not None and self.context < 1:
      raise ValueError(
        f'TransformerConfig.context={self.context}; it must be at least 1, '
        'or None for no limit.'
      )
    if self.value_hidden < 0:
      raise ValueError(
        f'TransformerConfig.value_hidden={self.value_hidden}; it must be at '
        'least 0.'
      )
    if not 0 <= self.dropout < 1:
      raise ValueError(
        f'TransformerConfig.dropout={self.dropout} is not in [0, 1).'
      )

  @classmethod
  def from_json(cls, fields: Mapping[str, Any]) -> 'TransformerConfig':
    """The inverse of `dataclasses.asdict` and JSON."""
    fields = {
      name: tuple(value) if isinstance(value, list) else value
      for name, value in fields.items()
    }
    if fields.get('rope_scaling'):
      fields['rope_scaling'] = RopeScaling(**fields['rope_scaling'])
    return cls(**fields)

  @property
  def num_params(self) -> int:
    """Weights of the model with a logits head, embeddings included."""
    d, h = self.embed_dim, self.head_dim
    attention = d * h * (2 * self.num_heads + 2 * self.num_kv_heads)
    if self.qkv_bias:
      attention += h * (self.num_heads + 2 * self.num_kv_heads)
    if self.out_bias:
      attention += d
    if self.qk_norm:
      attention += 2 * h
    mlp = d * self.mlp_dim * (3 if self.gated else 2)
    norms = d * (4 if self.post_norm else 2)
    tables = self.vocab_size * d * (1 if self.tied else 2)
    return tables + self.num_layers * (attention + mlp + norms) + d
