"""Names and shapes of weights in Hugging Face checkpoints.

A tensor is a matrix [out, in] of one layer. The parameter has axes for layers
and heads, and inputs come first:

    model.layers.3.self_attn.q_proj.weight  [N H, D]
    backbone/layers/attention/q             [L, D, N, H]
"""

import math
from typing import NamedTuple

from ttc.models.config import TransformerConfig

_LAYER = 'model.layers.{}.'


class Weight(NamedTuple):
  """One kind of weight.

  Attributes:
    path: keys of the parameter in the tree.
    name: name of the tensor; `{}` is replaced by the layer's index.
    inputs: number of the parameter's leading axes, layers not counted, that a
      product sums over; 0 for weights that are not transposed, such as biases
      and norm scales.
    flat: whether the tensor is a vector, whatever the parameter's axes.
  """

  path: tuple[str, ...]
  name: str
  inputs: int = 0
  flat: bool = False

  @property
  def layered(self) -> bool:
    """Whether there is one tensor per layer."""
    return '{}' in self.name

  def turned(self, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The parameter's axes (of one layer), with outputs before inputs."""
    return (*shape[self.inputs :], *shape[: self.inputs])

  def theirs(self, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The tensor's shape for a parameter's shape (of one layer)."""
    if self.inputs:
      return (math.prod(shape[self.inputs :]), math.prod(shape[: self.inputs]))
    return (math.prod(shape),) if self.flat else shape


def backbone(cfg: TransformerConfig) -> list[Weight]:
  """The weights of a model without its head."""
  weights = [
    Weight(('embedding',), 'model.embed_tokens.weight'),
    Weight(('final_norm', 'scale'), 'model.norm.weight'),
    *_attention(cfg),
    *_norms(cfg),
    _mlp('up'),
    _mlp('down'),
  ]
  if cfg.gated:
    weights.append(_mlp('gate'))
  return [w._replace(path=('backbone', *w.path)) for w in weights]


def logits() -> Weight:
  """The output projection of a model whose embedding is not tied to it."""
  return Weight(('logits',), 'lm_head.weight', inputs=1)


def _attention(cfg):
  for ours, theirs, inputs in (
    ('q', 'q_proj', 1),
    ('k', 'k_proj', 1),
    ('v', 'v_proj', 1),
    ('out', 'o_proj', 2),
  ):
    name = f'{_LAYER}self_attn.{theirs}'
    yield _layer(('attention', ours), f'{name}.weight', inputs)
    if cfg.out_bias if ours == 'out' else cfg.qkv_bias:
      yield _layer(('attention', f'{ours}_bias'), f'{name}.bias', flat=True)
  if cfg.qk_norm:
    for name in ('q_norm', 'k_norm'):
      yield _layer(
        ('attention', name, 'scale'), f'{_LAYER}self_attn.{name}.weight'
      )


def _norms(cfg):
  names = {'attention_norm': 'input_layernorm'}
  # The same name means another norm in families with post-norms (Gemma).
  if cfg.post_norm:
    names |= {
      'attention_post_norm': 'post_attention_layernorm',
      'mlp_norm': 'pre_feedforward_layernorm',
      'mlp_post_norm': 'post_feedforward_layernorm',
    }
  else:
    names |= {'mlp_norm': 'post_attention_layernorm'}
  for ours, theirs in names.items():
    yield _layer((ours, 'scale'), f'{_LAYER}{theirs}.weight')


def _mlp(which):
  return _layer(('mlp', which), f'{_LAYER}mlp.{which}_proj.weight', 1)


def _layer(path, name, inputs=0, flat=False):
  return Weight(('layers', *path), name, inputs, flat)
