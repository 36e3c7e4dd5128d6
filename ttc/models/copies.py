"""Replicated key/value heads, for tensor parallelism wider than their number.

With 2 key/value heads and a `model` axis of 4 devices, the heads do not divide,
so each device would hold both and the KV cache would take twice the memory that
a split needs. With each head stored twice,

    queries | 0 1 2 | 3 4 5 | 6 7 8 | 9 10 11 |   12 heads on 4 devices
    keys    |   0   |   0   |   1   |    1    |   2 heads, each on two

a device holds only the head that its queries attend to. The model computes the
same function.
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
  """The config of a model whose key/value heads divide over a mesh axis.

  Args:
    cfg: the original model.
    model: number of devices along the `model` axis.

  Returns:
    `cfg` with lcm(K, model) key/value heads; unchanged if `model` divides K.
  """
  return dataclasses.replace(
    cfg, num_kv_heads=math.lcm(cfg.num_kv_heads, model)
  )


def params(
  params: dict, cfg: TransformerConfig, head: Head, mesh: Mesh
) -> dict:
  """Parameters of `cfg` as those of `config(cfg, model)`, on the mesh.

  Args:
    params: of the model as it was trained, stacked, on the mesh.
    cfg: its config.
    head: its head.
    mesh: devices; the size of the `model` axis says how often heads repeat.

  Returns:
    The tree with keys' and values' projections and biases repeated along the
    head axis; `params` itself if nothing has to be repeated.
  """
  wider = config(cfg, mesh.shape['model'])
  times = wider.num_kv_heads // cfg.num_kv_heads
  if times == 1:
    return params

  def widen(path, x, placed):
    if path[-1].key not in _COPIED:
      return x
    # Kernels are [L, D, K, H] and biases [L, K, H]: K is next to last. Copies
    # are adjacent, as are the grouped queries that share a head.
    return jax.device_put(jnp.repeat(x, times, axis=-2), placed.sharding)

  return jax.tree_util.tree_map_with_path(
    widen, params, abstract.params(wider, head, mesh)
  )
