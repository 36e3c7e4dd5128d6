"""Attributes of rotary embeddings in a config.json, which has three formats.

rope_theta, rope_scaling {type or rope_type, factor, …}      most models
rope_theta, rope_local_base_freq, rope_scaling               Gemma 3
rope_parameters {rope_type, rope_theta, …}, or one of these  transformers 5
  for each of sliding_attention and full_attention
"""

from collections.abc import Mapping
import math
from typing import Any

from ttc.checkpoints.attributes import Attributes
from ttc.models.config import RopeScaling, TransformerConfig

_KINDS = ('default', 'linear', 'llama3', 'yarn')
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
    ValueError: an attribute is missing or unknown, or has a value that is not
      supported.
  """
  new = attributes.take('rope_parameters', None) or {}
  old = attributes.take('rope_scaling', None) or {}
  theta = attributes.take('rope_theta', 1e6 if local else 10_000.0)
  near_theta = (
    attributes.take('rope_local_base_freq', 10_000.0) if local else None
  )
  attributes.must('partial_rotary_factor', None, 1, 1.0)
  # `near` is for sliding layers, `far` for those with full attention. In a file
  # with both formats, the older one wins.
  far = {**new, **old}
  if any(kind in new for kind in _KINDS_OF):
    near, far = (
      {'rope_theta': default, **(new.get(kind) or {})}
      for kind, default in zip(_KINDS_OF, (near_theta, theta), strict=True)
    )
    far |= old
    if not local and near != far:
      attributes.refuse('rope_parameters', new, 'one for all layers')
    if local:
      near_theta = near['rope_theta']
      if _kind(near) != 'default':
        attributes.refuse(
          'rope_parameters.sliding_attention', near, 'the kind default'
        )
  return {
    'rope_theta': float(far.get('rope_theta') or theta),
    'rope_scaling': _scaling(far, attributes, context),
    'local_rope_theta': (float(near_theta) if local and sliding else None),
  }


def _kind(parameters: Mapping[str, Any]) -> str:
  return parameters.get('rope_type', parameters.get('type', 'default'))


def _scaling(parameters, attributes, context) -> RopeScaling | None:
  """The scaling that a dictionary of parameters describes, None for none."""
  kind = _kind(parameters)
  if kind not in _KINDS:
    attributes.refuse('rope_type', kind, f'one of {", ".join(_KINDS)}')
  inner = Attributes(parameters, {}, f'{attributes.where}: rope {kind}')
  for name in ('rope_type', 'type', 'rope_theta'):
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
    original = inner.take('original_max_position_embeddings', context)
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
  """The attributes of a config's rotary fields, in the transformers 5 format.

  Args:
    cfg: the model.
    local: whether sliding layers have a base of their own (Gemma 3).
  """
  far = {'rope_type': 'default', 'rope_theta': cfg.rope_theta}
  if (scaling := cfg.rope_scaling) is not None:
    far |= {'rope_type': scaling.kind, 'factor': scaling.factor}
    if scaling.kind != 'linear':
      far['original_max_position_embeddings'] = scaling.context
    if scaling.kind == 'llama3':
      far |= {'low_freq_factor': scaling.low, 'high_freq_factor': scaling.high}
    if scaling.kind == 'yarn':
      far |= {
        'beta_slow': scaling.low,
        'beta_fast': scaling.high,
        'attention_factor': scaling.attention,
        'truncate': scaling.whole,
      }
  if not local:
    return {'rope_parameters': far}
  near_theta = (
    cfg.rope_theta if cfg.local_rope_theta is None else cfg.local_rope_theta
  )
  near = {'rope_type': 'default', 'rope_theta': near_theta}
  return {'rope_parameters': dict(zip(_KINDS_OF, (near, far), strict=True))}
