"""Configuration of a decoder-only Transformer.

Model families (Llama, Qwen, Gemma, Mistral) differ in the values of these
fields; there are no classes per family. This module imports no array library,
so that finished runs can be analysed, and their FLOPs counted, without JAX.
"""

from collections.abc import Mapping
import dataclasses
import math
from typing import Any, Literal

Activation = Literal['silu', 'gelu', 'gelu_tanh', 'relu', 'relu2']
ACTIVATIONS = ('silu', 'gelu', 'gelu_tanh', 'relu', 'relu2')
DTYPES = ('float32', 'bfloat16', 'float16')

RopeKind = Literal['linear', 'llama3', 'yarn']
ROPE_KINDS = ('linear', 'llama3', 'yarn')


@dataclasses.dataclass(frozen=True)
class RopeScaling:
  """How rotary frequencies are lowered for contexts longer than in pretraining.

  Attributes:
    kind: 'linear' (Chen et al. 2023) divides all frequencies by `factor`;
      'llama3' and 'yarn' (Peng et al. 2023) divide only low frequencies, with
      a ramp between those and the frequencies that stay as they are.
    factor: new context length / original context length, at least 1.
    context: tokens of the original context; not used by 'linear'.
    low: number of full turns within the original context at or below which a
      frequency is divided by the whole factor ('llama3': low_freq_factor,
      'yarn': beta_slow).
    high: number of turns at or above which a frequency does not change
      ('llama3': high_freq_factor, 'yarn': beta_fast).
    attention: factor on sines and cosines; other than 1 only for 'yarn'.
    whole: whether the ramp of 'yarn' begins and ends at whole channels.

  Raises:
    ValueError: a field has no meaning, or two contradict each other.
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
  """Sizes and variants of one model; hashable, so static under jit.

  Attributes:
    vocab_size: rows of the embedding table (V).
    num_layers: Transformer blocks (L).
    embed_dim: width of the residual stream (D).
    num_heads: query heads (N).
    num_kv_heads: key/value heads (K); must divide `num_heads`.
    head_dim: width of one head (H); need not be D / N.
    mlp_dim: hidden width of the MLP (F).
    activation: non-linearity of the MLP, one of `ACTIVATIONS`.
    gated: True for an MLP of act(x W_gate) * (x W_up) (Shazeer 2020), False
      for act(x W_up).
    norm_eps: epsilon of RMSNorm.
    norm_offset: 1.0 if norm scales are stored as an offset from one (Gemma).
    post_norm: whether attention and MLP outputs are normed too (Gemma 2, 3).
    qk_norm: whether queries and keys have an RMSNorm over H (Qwen 3, Gemma 3).
    qkv_bias: whether the q, k and v projections have biases (Qwen 2).
    out_bias: whether the attention output projection has a bias.
    query_scale: factor on queries; None is H ** -0.5.
    attn_softcap: attention scores become cap * tanh(scores / cap); None is off.
    final_softcap: likewise for the output logits.
    window: number of keys that a position sees in a sliding layer, itself
      included; None without such layers.
    sliding: one flag per layer, whether its attention is a sliding window; ()
      for a model without such layers.
    rope_theta: base of the rotary frequencies.
    rope_scaling: change of the frequencies for longer contexts, or None.
    local_rope_theta: base in sliding layers, never scaled (Gemma 3); None if
      all layers share `rope_theta`.
    context: longest sequence in tokens that the model supports; None is no
      limit.
    tied: whether the output projection is the embedding table.
    scale_embed: whether embeddings are multiplied by sqrt(D) (Gemma).
    value_hidden: ReLU units between the final norm and the value; 0 for none.
      Imported verifiers may have D.
    dropout: rate on the two residual branches of a block, in training only.
    dtype: of activations; softmax, norms, logits and values stay float32.
    param_dtype: of stored weights; those of a value head are always float32.

  Raises:
    ValueError: a size has no meaning, or two fields contradict each other.
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
      self._check_whole(name, 1)
    if self.window is not None:
      self._check_whole('window', 0)
    if self.context is not None:  # None is no limit
      self._check_whole('context', 1)
    self._check_whole('value_hidden', 0)
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
    for name, choices in (
      ('activation', ACTIVATIONS),
      ('dtype', DTYPES),
      ('param_dtype', DTYPES),
    ):
      if getattr(self, name) not in choices:
        raise ValueError(
          f'TransformerConfig.{name}={getattr(self, name)!r} is unknown; '
          f'choose one of {", ".join(choices)}.'
        )
    if self.sliding and len(self.sliding) != self.num_layers:
      raise ValueError(
        f'TransformerConfig.sliding has {len(self.sliding)} flags for '
        f'num_layers={self.num_layers}; give one per layer, or none.'
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
    if not 0 <= self.dropout < 1:
      raise ValueError(
        f'TransformerConfig.dropout={self.dropout} is not in [0, 1).'
      )

  def _check_whole(self, name: str, least: int) -> None:
    value = getattr(self, name)
    if not isinstance(value, int) or value < least:
      raise ValueError(
        f'TransformerConfig.{name} is {value!r}; it must be a whole number of '
        f'at least {least}.'
      )

  @classmethod
  def from_json(cls, fields: Mapping[str, Any]) -> 'TransformerConfig':
    """Restores a config from `dataclasses.asdict` that went through JSON.

    Args:
      fields: the parsed JSON object, in which tuples have become lists.

    Raises:
      TypeError: a field is unknown or missing.
      ValueError: see the class.
    """
    fields = {
      name: tuple(value) if isinstance(value, list) else value
      for name, value in fields.items()
    }
    if fields.get('rope_scaling'):
      fields['rope_scaling'] = RopeScaling(**fields['rope_scaling'])
    return cls(**fields)

  @property
  def num_params(self) -> int:
    """Number of parameters with a logits head, embeddings included."""
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
