"""Tiny models on slices that are not there, for the tests beside."""

import importlib.util

import pytest

from ttc.inference.capacity import Capacity
from ttc.models import partitioning
from ttc.models.config import TransformerConfig
from ttc.planning import topology
from ttc.planning.sampling import Sampling
from ttc.planning.training import Training
from ttc.training.loop import FitConfig
from ttc.training.optimizer import AdamW

needs_libtpu = pytest.mark.skipif(
  importlib.util.find_spec('libtpu') is None,
  reason='libtpu compiles for TPUs and is not installed: pip install -c '
  "constraints.txt '.[plan]'",
)


def config(layers=2, **changes):
  sizes = dict(
    vocab_size=512,
    num_layers=layers,
    embed_dim=256,
    num_heads=4,
    num_kv_heads=2,
    head_dim=64,
    mlp_dim=512,
    dtype='bfloat16',
    param_dtype='bfloat16',
  )
  return TransformerConfig(**sizes | changes)


def training(
  name='v5e:2x2', fsdp=4, model=1, head='value', cfg=None, **changes
):
  sizes = dict(
    steps=20,
    batch=16,
    seq_len=256,
    optimizer=AdamW(1e-3),
    eval_every=20,
    checkpoint_every=20,
    steps_per_call=5,
    remat='full',
  )
  mesh = partitioning.make_mesh(
    fsdp=fsdp, model=model, devices=list(topology.describe(name).devices)
  )
  return Training(
    FitConfig(**sizes | changes),
    cfg or config(param_dtype='float32'),
    head,
    mesh,
  )


def sampling(layers, name='v5e:2x2', model=2, rows=64, verifier=False):
  cfg = config(layers)
  mesh = partitioning.make_mesh(
    model=model, devices=list(topology.describe(name).host.devices)
  )
  cfgs = {'proposer': cfg, **({'verifier': cfg} if verifier else {})}
  return Sampling(cfgs, Capacity.create(rows, 256, 4, 128), mesh)
