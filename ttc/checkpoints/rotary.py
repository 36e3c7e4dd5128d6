"""Attributes of rotary embeddings in a config.json, which has three formats.

rope_theta, rope_scaling {type or rope_type, factor, …}      most models
rope_theta, rope_local_base_freq, rope_scaling               Gemma 3
rope_parameters {rope_type, rope_theta, …}, or one of these  transformers 5
  for each of sliding_attention and full_attention

Versions of transformers before 5 know no rope_parameters, and read a theta of
10,000 without scaling where there is nothing else. So both are written.
"""

from collections.abc import Mapping
import math
from typing import Any

from ttc.checkpoints.attributes import Attributes
from ttc.models.config import RopeScaling, TransformerConfig

_KINDS = ('default', 'linear', 'llama3', 'yarn')
_NAMES = ('rope_type', 'type')
_KINDS_OF = 'sliding_attention', 'full_attention'


def read(
  attributes: Attributes, sliding: bool, local: bool, context: int
) -> dict[str, Any]:
  """The rotary fields of a TransformerConfig.

  Args:
    attributes: attributes of the config.json; those that are read are taken.
    sliding: whether any layer has a sliding window.
    local: whether sliding layers have a base of their own (Gemma 3).
    context: longest sequence of the model in tokens.

  Returns:
    'rope_theta', 'rope_scaling' and 'local_rope_theta'.

  Raises:
    ValueError: an attribute is missing or unknown, has a value that is not
      supported, or says something else than another one.
  """
  new = attributes.take('rope_parameters', None) or {}
  old = attributes.take('rope_scaling', None) or {}
  theta = attributes.take('rope_theta', None)
  near_theta = attributes.take('rope_local_base_freq', None) if local else None
  attributes.must('partial_rotary_factor', None, 1, 1.0)
  # `near` is for sliding layers, `far` for those with full attention.
  near, far = {}, new
  if any(kind in new for kind in _KINDS_OF):
    near, far = (_inner(attributes, new, kind) for kind in _KINDS_OF)
    outer = {'rope_theta': theta}
    if not local and {**outer, **near} != {**outer, **far}:
      attributes.refuse('rope_parameters', new, 'one for all layers')
    if local and _kind(near, attributes) != 'default':
      attributes.refuse(
        'rope_parameters.sliding_attention', near, 'the kind default'
      )
  # A scaling in the older format wins, as it does in all versions: people add
  # one to a config.json by hand.
  if old:
    bases = {'rope_theta': far['rope_theta']} if 'rope_theta' in far else {}
    far = {**bases, **old}
  fields = {
    'rope_theta': _theta(
      attributes, 'rope_theta', theta, far, 1e6 if local else 1e4
    ),
    'rope_scaling': _scaling(far, attributes, context),
    'local_rope_theta': None,
  }
  if local:
    near_theta = _theta(
      attributes, 'rope_local_base_freq', near_theta, near, 1e4
    )
    fields['local_rope_theta'] = near_theta if sliding else None
  return fields


def _inner(attributes, parameters, kind) -> Mapping[str, Any]:
  inner = parameters.get(kind) or {}
  if not isinstance(inner, dict):
    attributes.refuse(f'rope_parameters.{kind}', inner, 'an object')
  return inner


def _theta(attributes, name, outer, parameters, default) -> float:
  """The base that an attribute and a dictionary of parameters agree on."""
  inner = Attributes(parameters, {}, attributes.where).take('rope_theta', None)
  if None not in (inner, outer) and inner != outer:
    attributes.refuse(
      name, outer, f'rope_theta={inner!r}, as it stands for the same layers'
    )
  return inner or outer or default  # as published, 100000 or 100000.0


def _kind(parameters: Mapping[str, Any], attributes: Attributes) -> str:
  kinds = [parameters[name] for name in _NAMES if name in parameters]
  if len(kinds) == 2 and kinds[0] != kinds[1]:
    attributes.refuse(
      'rope_type', kinds[0], f'type={kinds[1]!r}, as it stands beside it'
    )
  return kinds[0] if kinds else 'default'


def _scaling(parameters, attributes, context) -> RopeScaling | None:
  """The scaling that a dictionary of parameters describes, None for none."""
  kind = _kind(parameters, attributes)
  if kind not in _KINDS:
    attributes.refuse('rope_type', kind, f'one of {", ".join(_KINDS)}')
  inner = Attributes(parameters, {}, f'{attributes.where}: rope {kind}')
  for name in (*_NAMES, 'rope_theta'):
    inner.take(name, None)
  inner.must('partial_rotary_factor', None, 1, 1.0)
  if kind == 'default':
    inner.take('factor', None)
    scaling = None
  elif kind == 'linear':
    scaling = RopeScaling('linear', inner.take('factor'))
    inner.take('original_max_position_embeddings', None)
  else:
    factor = inner.take('factor')
    name = 'original_max_position_embeddings'
    original = inner.take(name, None) or context or inner.take(name)
    if kind == 'llama3':
      scaling = RopeScaling(
        kind,
        factor,
        original,
        inner.take('low_freq_factor'),
        inner.take('high_freq_factor'),
      )
    else:
      scaling = RopeScaling(
        kind,
        factor,
        original,
        inner.take('beta_slow', None) or 1.0,
        inner.take('beta_fast', None) or 32.0,
        _attention(inner, factor),
        inner.take('truncate', True),
      )
  inner.finish()
  return scaling


def _attention(inner: Attributes, factor: float) -> float:
  """The factor of yarn on sines and cosines, as transformers computes it."""
  growth = math.log(factor) if factor > 1 else 0.0
  explicit, scales = (
    inner.take('attention_factor', None),
    (inner.take('mscale', None), inner.take('mscale_all_dim', None)),
  )
  if explicit is not None:
    return explicit
  if all(scales):
    top, bottom = (0.1 * scale * growth + 1 for scale in scales)
    return top / bottom
  return 0.1 * growth + 1


def written(cfg: TransformerConfig, local: bool) -> dict[str, Any]:
  """The attributes of a config's rotary fields, in both formats.

  Args:
    cfg: the model.
    local: whether sliding layers have a base of their own (Gemma 3).
  """
  scaling = _written(cfg.rope_scaling)
  kind = scaling or {'rope_type': 'default'}
  far = {**kind, 'rope_theta': cfg.rope_theta}
  # Without a base inside: transformers 4 warns of it, 5 takes the one beside.
  attributes = {'rope_theta': cfg.rope_theta, 'rope_scaling': scaling}
  if not local:
    return {**attributes, 'rope_parameters': far}
  near_theta = (
    cfg.rope_theta if cfg.local_rope_theta is None else cfg.local_rope_theta
  )
  near = {'rope_type': 'default', 'rope_theta': near_theta}
  return {
    **attributes,
    'rope_local_base_freq': near_theta,
    'rope_parameters': dict(zip(_KINDS_OF, (near, far), strict=True)),
  }


def _written(scaling: RopeScaling | None) -> dict[str, Any] | None:
  if scaling is None:
    return None
  # Floats, because transformers 4 warns of integers.
  attributes = {'rope_type': scaling.kind, 'factor': float(scaling.factor)}
  if scaling.kind != 'linear':
    attributes['original_max_position_embeddings'] = scaling.context
  if scaling.kind == 'llama3':
    attributes |= {
      'low_freq_factor': float(scaling.low),
      'high_freq_factor': float(scaling.high),
    }
  if scaling.kind == 'yarn':
    attributes |= {
      'beta_slow': float(scaling.low),
      'beta_fast': float(scaling.high),
      'attention_factor': float(scaling.attention),
      'truncate': scaling.whole,
    }
  return attributes
