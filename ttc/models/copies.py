"""Copies of key/value heads, for more devices than a model has heads.

Where `model` is 4 and there are 2 key/value heads, each device would keep both,
and keys and values would take twice the memory of a cut. With each head twice,

    queries | 0 1 2 | 3 4 5 | 6 7 8 | 9 10 11 |   12 heads on 4 devices
    keys    |   0   |   0   |   1   |    1    |   2 heads, each on two

a device has the one that its queries look at. The model computes the same.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from ttc.models import abstract
from ttc.models.config import TransformerConfig
from ttc.models.transformer import Head

_COPIED = ('k', 'v', 'k_bias', 'v_bias')


def config(cfg: TransformerConfig, model: int) -> TransformerConfig:
  """The model as it is sampled from on so many devices of the `model` axis."""
  return dataclasses.replace(
    cfg, num_kv_heads=math.lcm(cfg.num_kv_heads, model)
  )


def params(
  params: dict, cfg: TransformerConfig, head: Head, mesh: Mesh
) -> dict:
  """Parameters of `cfg` as those of `config`, laid out on the mesh."""
  wider = config(cfg, mesh.shape['model'])
  times = wider.num_kv_heads // cfg.num_kv_heads
  if times == 1:
    return params

  def one(path, x, placed):
    if path[-1].key not in _COPIED:
      return x
    return jax.device_put(jnp.repeat(x, times, axis=-2), placed.sharding)

  return jax.tree_util.tree_map_with_path(
    one, params, abstract.params(wider, head, mesh)
  )
