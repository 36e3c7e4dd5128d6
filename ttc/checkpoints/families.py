"""Model families of Hugging Face: config.json to TransformerConfig and back.

A family is a table: defaults of attributes that its config.json may leave out,
and fields of TransformerConfig that all its models share. An attribute that is
not listed may change what the model computes, so it is an error; so is a value
that `Transformer` does not support.
"""

from collections.abc import Mapping
import dataclasses
from typing import Any

from ttc.checkpoints import rotary
from ttc.checkpoints.attributes import Attributes, LONGEST
from ttc.models.config import DTYPES, TransformerConfig
from ttc.runtime.safe_text import quoted

_ACTIVATIONS = {
  'silu': 'silu',
  'gelu': 'gelu',
  'relu': 'relu',
  'gelu_pytorch_tanh': 'gelu_tanh',
  'gelu_new': 'gelu_tanh',
}
_OUR_ACTIVATIONS = {
  'silu': 'silu',
  'gelu': 'gelu',
  'relu': 'relu',
  'gelu_tanh': 'gelu_pytorch_tanh',
}
_SIZES = {  # fields of TransformerConfig whose attributes mean the same
  'vocab_size': 'vocab_size',
  'num_layers': 'num_hidden_layers',
  'embed_dim': 'hidden_size',
  'num_heads': 'num_attention_heads',
  'num_kv_heads': 'num_key_value_heads',
  'head_dim': 'head_dim',
  'mlp_dim': 'intermediate_size',
  'norm_eps': 'rms_norm_eps',
  'tied': 'tie_word_embeddings',
  'context': 'max_position_embeddings',
}
_UNLIMITED = 1 << 20  # max_position_embeddings written for context=None
_SLIDING, _FULL = 'sliding_attention', 'full_attention'


@dataclasses.dataclass(frozen=True)
class Family:
  """One model family.

  Attributes:
    model_type: its name in config.json.
    stem: first part of its class names, as in LlamaForCausalLM.
    defaults: values of attributes that config.json may leave out.
    fixed: fields of TransformerConfig that all its models have.
    biases: attribute that switches attention biases on; '' if there is none.
    layers: which layers have a sliding window: 'none', 'all', 'upper' (from
      max_window_layers on, if use_sliding_window is set), or a period p, where
      every p-th layer has full attention and the others a window.
  """

  model_type: str
  stem: str
  defaults: Mapping[str, Any]
  fixed: Mapping[str, Any]
  biases: str = ''
  layers: str | int = 'none'

  @property
  def gemma(self) -> bool:
    """Whether it has Gemma's attributes for activation, scale and soft-caps."""
    return self.fixed.get('norm_offset') == 1.0


_COMMON = {
  'rms_norm_eps': 1e-6,
  'tie_word_embeddings': False,
  'num_key_value_heads': None,
  'head_dim': None,
  'hidden_act': 'silu',
}
_GEMMA = {
  **_COMMON,
  'tie_word_embeddings': True,
  'head_dim': 256,
  'num_attention_heads': 8,
  'num_key_value_heads': 4,
  'query_pre_attn_scalar': 256,
  'sliding_window': 4096,
  'hidden_activation': 'gelu_pytorch_tanh',
}
_GEMMA_FIXED = {'norm_offset': 1.0, 'post_norm': True, 'scale_embed': True}

FAMILIES = {
  family.model_type: family
  for family in (
    Family(
      'llama',
      'Llama',
      {**_COMMON, 'max_position_embeddings': 2048},
      {},
      'attention_bias',
    ),
    Family(
      'mistral',
      'Mistral',
      {
        **_COMMON,
        'num_key_value_heads': 8,
        'sliding_window': 4096,
        'max_position_embeddings': 131072,
      },
      {},
      layers='all',
    ),
    Family(
      'qwen2',
      'Qwen2',
      {**_COMMON, 'max_position_embeddings': 32768, 'sliding_window': 4096},
      {'qkv_bias': True},
      layers='upper',
    ),
    Family(
      'qwen3',
      'Qwen3',
      {
        **_COMMON,
        'head_dim': 128,
        'max_position_embeddings': 32768,
        'sliding_window': 4096,
      },
      {'qk_norm': True},
      'attention_bias',
      'upper',
    ),
    Family(
      'gemma2',
      'Gemma2',
      {
        **_GEMMA,
        'max_position_embeddings': 8192,
        'attn_logit_softcapping': 50.0,
        'final_logit_softcapping': 30.0,
      },
      _GEMMA_FIXED,
      'attention_bias',
      2,
    ),
    Family(
      'gemma3_text',
      'Gemma3',
      {
        **_GEMMA,
        'max_position_embeddings': 131072,
        'vocab_size': 262208,
        'attn_logit_softcapping': None,
        'final_logit_softcapping': None,
      },
      {**_GEMMA_FIXED, 'qk_norm': True},
      'attention_bias',
      6,
    ),
  )
}


def read(config: Mapping[str, Any], where: str) -> TransformerConfig:
  """The TransformerConfig of a config.json.

  Args:
    config: parsed content of the file.
    where: name of the file, for messages.

  Raises:
    ValueError: the family, an attribute or a value is unknown, or a required
      attribute is missing.
  """
  kind = config.get('model_type')
  if kind not in list(FAMILIES):  # a list, because JSON may have objects here
    raise ValueError(
      f'{where}: model_type {quoted(kind, LONGEST)} is none of the families '
      f'that can be read ({", ".join(FAMILIES)}); convert a model of one of '
      'them.'
    )
  family = FAMILIES[kind]
  attributes = Attributes(config, family.defaults, where)
  fields = {ours: attributes.take(theirs) for ours, theirs in _SIZES.items()}
  if fields['num_kv_heads'] is None:
    fields['num_kv_heads'] = fields['num_heads']
  if fields['head_dim'] is None:
    fields['head_dim'] = fields['embed_dim'] // fields['num_heads']
  fields |= family.fixed
  if not family.biases:  # then transformers does not look at it either
    biased = (True,) if family.fixed.get('qkv_bias') else ()
    attributes.must('attention_bias', None, False, *biased)
  elif attributes.take(family.biases, False):
    fields |= {'qkv_bias': True, 'out_bias': True}
  attributes.must('mlp_bias', False, None)
  attributes.must('use_mrope', False, None)
  fields['activation'] = _activation(family, attributes)
  if family.gemma:
    fields['query_scale'] = attributes.take('query_pre_attn_scalar') ** -0.5
    fields['attn_softcap'] = attributes.take('attn_logit_softcapping')
    fields['final_softcap'] = attributes.take('final_logit_softcapping')
    attributes.must('use_bidirectional_attention', False, None)
  fields |= _sliding(family, attributes, fields['num_layers'])
  fields |= rotary.read(
    attributes,
    bool(fields['sliding']),
    family.model_type == 'gemma3_text',
    fields['context'],
  )
  fields['dtype'] = (
    attributes.take('dtype', None)
    or attributes.take('torch_dtype', None)
    or 'float32'
  )
  if fields['dtype'] not in DTYPES:
    attributes.refuse('dtype', fields['dtype'], f'one of {", ".join(DTYPES)}')
  attributes.finish()
  return TransformerConfig(**fields)


def _activation(family: Family, attributes: Attributes) -> str:
  name = attributes.take('hidden_activation' if family.gemma else 'hidden_act')
  # Gemma's files have the older hidden_act too, which transformers ignores.
  if family.gemma:
    attributes.must('hidden_act', *_ACTIVATIONS)
  if name not in list(_ACTIVATIONS):
    attributes.refuse('hidden_act', name, f'one of {", ".join(_ACTIVATIONS)}')
  return _ACTIVATIONS[name]


def _sliding(
  family: Family, attributes: Attributes, layers: int
) -> dict[str, Any]:
  window = attributes.take('sliding_window', None)
  attributes.must('sliding_window_size', window)  # Gemma 2 has it twice
  if family.layers == 'none':
    if window is not None:
      attributes.refuse('sliding_window', window, 'None')
    flags = [False] * layers
  elif family.layers == 'all':
    flags = [bool(window)] * layers
  elif family.layers == 'upper':
    begin = attributes.take('max_window_layers', 28)
    used = attributes.take('use_sliding_window', False)
    flags = [bool(used and window) and i >= begin for i in range(layers)]
  else:
    period = attributes.take('sliding_window_pattern', None)
    period = attributes.take('_sliding_window_pattern', period) or family.layers
    flags = [bool((i + 1) % period) for i in range(layers)]
  listed = attributes.take('layer_types', None)
  if listed is not None:
    unknown = sorted(set(listed) - {_SLIDING, _FULL})
    if unknown or len(listed) != layers:
      attributes.refuse(
        'layer_types', listed, f'{layers} of {_SLIDING!r} and {_FULL!r}'
      )
    asked = [kind == _SLIDING for kind in listed]
    if asked != flags and family.layers in ('none', 'all'):
      attributes.refuse(
        'layer_types', listed, f'sliding_window={window} in all layers'
      )
    flags = asked
  if not any(flags):
    return {'sliding': (), 'window': None}
  return {'sliding': tuple(flags), 'window': window}


def family_of(cfg: TransformerConfig) -> Family:
  """The Hugging Face family that is nearest to a config.

  `written` checks whether that family computes exactly the same.
  """
  if cfg.norm_offset:
    name = 'gemma3_text' if cfg.qk_norm else 'gemma2'
  elif cfg.qk_norm:
    name = 'qwen3'
  elif cfg.qkv_bias and not cfg.out_bias:
    name = 'qwen2'
  else:
    name = 'mistral' if cfg.sliding else 'llama'
  return FAMILIES[name]


def written(cfg: TransformerConfig) -> dict[str, Any]:
  """The attributes of a config.json for a model, without its dropout.

  Raises:
    ValueError: no family computes the same; the message names the fields that
      differ.
  """
  family = family_of(cfg)
  cfg = _canonical(cfg, family)
  config = {
    'model_type': family.model_type,
    'dtype': cfg.dtype,
    'torch_dtype': cfg.dtype,  # its name in transformers before 4.56
    'use_cache': True,
  }
  config |= {theirs: getattr(cfg, ours) for ours, theirs in _SIZES.items()}
  activation = _OUR_ACTIVATIONS.get(cfg.activation, 'silu')
  config['hidden_act'] = activation
  if family.gemma:  # published ones have both, and readers want both
    config['hidden_activation'] = activation
  if family.biases:
    config[family.biases] = cfg.out_bias
  if family.gemma:
    config |= {
      'query_pre_attn_scalar': round(cfg.query_scale**-2),
      'attn_logit_softcapping': cfg.attn_softcap,
      'final_logit_softcapping': cfg.final_softcap,
    }
  if family.layers != 'none':
    config['sliding_window'] = cfg.window
  if family.layers not in ('none', 'all'):
    config |= _written_layers(cfg, family)
  config |= rotary.written(cfg, family.model_type == 'gemma3_text')
  # Reading it back is the check: what the family cannot express has changed.
  ours, theirs = map(dataclasses.asdict, (cfg, read(config, 'config.json')))
  differing = [
    f'{name} is {ours[name]!r} here and {theirs[name]!r} there'
    for name in ours
    if ours[name] != theirs[name]
  ]
  if differing:
    raise ValueError(
      f'No family of Hugging Face computes this model. In {family.stem}, the '
      f'nearest, {"; ".join(differing)}.'
    )
  return config


def _written_layers(cfg: TransformerConfig, family: Family) -> dict[str, Any]:
  """Which layers have a window, also as versions without layer_types read it.

  Those before transformers 4.53 know two patterns; a model of another one stays
  without their attribute.
  """
  flags = cfg.sliding or (False,) * cfg.num_layers
  config = {'layer_types': [_SLIDING if flag else _FULL for flag in flags]}
  if family.layers == 'upper':
    config['use_sliding_window'] = any(flags)
    begin = flags.index(True) if any(flags) else cfg.num_layers
    if all(flags[begin:]):
      config['max_window_layers'] = begin
  elif family.model_type == 'gemma3_text':
    period = flags.index(False) + 1 if not all(flags) else cfg.num_layers + 1
    if flags == tuple(bool((i + 1) % period) for i in range(cfg.num_layers)):
      config['sliding_window_pattern'] = period
  return config


def _canonical(cfg: TransformerConfig, family: Family) -> TransformerConfig:
  """The config that `read` returns for models that compute the same as `cfg`.

  Fields that change nothing (a query scale that is the default, a window
  without sliding layers) get the values that `read` gives them, so that
  `written` can compare field by field.
  """
  plain = cfg.head_dim**-0.5
  scale = plain if cfg.query_scale is None else cfg.query_scale
  if not family.gemma:
    scale = None if scale == plain else scale
  slides, local = any(cfg.sliding), cfg.local_rope_theta
  if (
    family.model_type == 'gemma3_text'
    and local is None
    and slides
    and (cfg.rope_scaling is None)
  ):
    local = cfg.rope_theta
  return dataclasses.replace(
    cfg,
    dropout=0.0,
    value_hidden=0,
    param_dtype='float32',
    context=cfg.context or _UNLIMITED,
    query_scale=scale,
    sliding=cfg.sliding if slides else (),
    window=cfg.window if slides else None,
    local_rope_theta=local,
  )
