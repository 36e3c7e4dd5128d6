"""Kernels compute what the plain path does, and are chosen where they can."""

import functools
import logging

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests import testing
from ttc.models import kernels, partitioning
from ttc.models.transformer import Transformer

# Of the largest entry. In float32 the two differ in the order of at most 640
# products or exponentials: 1e-6 is seen, and a wrong mask changes tenths.
_CLOSE = 5e-6
_PACKED = dict(length=300)  # and padded to a block, four heads on two of keys
_WINDOW = dict(window=200, softcap=5.0, length=640, kv=1, packed=False)


def _agree(kernel, length=256, kv=2, packed=True, window=None, softcap=None):
  """Compares outputs and gradients with those of the plain path."""
  rng, (rows, heads, width) = np.random.default_rng(0), (2, 4, 64)
  draw = lambda n: jnp.asarray(
    rng.normal(size=(rows, length, n, width)), jnp.float32
  )
  q, k, v, weights = draw(heads) / 8, draw(kv), draw(kv), draw(heads)
  ids = None
  if packed:  # padding has segment 0, and is last
    ids = np.zeros((rows, length), np.int32)
    for row, cuts in enumerate(((0.1, 0.55, 0.9), (0.3, 0.31, 0.7))):
      for cut in cuts:
        ids[row, : int(cut * length)] += 1
    ids = jnp.asarray(ids)
  cfg = testing.small_config(
    num_layers=1,
    num_heads=heads,
    num_kv_heads=kv,
    head_dim=width,
    window=window,
    sliding=(True,) if window else (),
    attn_softcap=softcap,
  )

  def both(function):
    def total(q, k, v):
      out = function(q, k, v, ids)
      return jnp.sum(out * weights), out

    (_, out), gradients = jax.jit(
      jax.value_and_grad(total, (0, 1, 2), has_aux=True)
    )(q, k, v)
    return out, *gradients

  with jax.numpy_rank_promotion('allow'):  # of JAX's kernels
    found = both(
      functools.partial(kernel, window=window, softcap=softcap, interpret=True)
    )
  masks = kernels.plain_masks((rows, length), ids, cfg)
  wanted = both(
    functools.partial(
      kernels.attend, masks=masks, sliding=bool(window), cfg=cfg
    )
  )
  for a, b in zip(found, wanted, strict=True):
    assert np.abs(a - b).max() < _CLOSE * np.abs(b).max()


@pytest.mark.parametrize(
  ('kernel', 'case'),
  [
    (kernels.splash, _PACKED),
    (kernels.splash, _WINDOW),
    (kernels.triton, _PACKED),
  ],
)
def test_kernels_agree(kernel, case):
  _agree(kernel, **case)


@pytest.mark.parametrize(
  ('sizes', 'sliding'),
  [
    ((1, 2, 2), (True, False)),
    ((1, 1, 4), (True, True)),
  ],
)
def test_layers_and_meshes_agree(sizes, sliding, monkeypatch):
  """A model of two layers, its rows and heads cut over devices."""
  cfg = testing.small_config(
    num_layers=2,
    num_heads=4,
    num_kv_heads=2,
    head_dim=64,
    window=40,
    sliding=sliding,
  )
  params = testing.random_params(cfg)
  rng = np.random.default_rng(0)
  tokens = rng.integers(0, cfg.vocab_size, (4, 130))
  ids = np.sort(rng.integers(0, 3, tokens.shape))[:, ::-1]

  def loss(params):
    logits = Transformer(cfg).apply(
      {'params': params}, tokens, segment_ids=jnp.asarray(ids)
    )
    return jnp.mean(jax.nn.logsumexp(logits, axis=-1) ** 2)

  wanted = jax.jit(jax.value_and_grad(loss))(params)
  monkeypatch.setattr(
    kernels,
    'choose',
    lambda *_: (functools.partial(kernels.splash, interpret=True), ''),
  )
  mesh = partitioning.Layout(*sizes).mesh()
  with jax.numpy_rank_promotion('allow'), partitioning.use(mesh):
    found = jax.jit(jax.value_and_grad(loss))(params)
  for a, b in zip(*map(jax.tree.leaves, (found, wanted)), strict=True):
    assert np.abs(a - b).max() < 1e-5 * np.abs(b).max() + 1e-8


def test_the_choice_and_its_reason(monkeypatch):
  """A kernel where one takes the shapes, else why not; silence on a CPU."""
  cfg = testing.small_config(
    num_heads=4, num_kv_heads=2, head_dim=64, dtype='bfloat16'
  )
  sliding = dict(num_layers=2, window=64, sliding=(True, False))
  change = functools.partial(testing.small_config, **_fields(cfg))
  assert kernels.choose((4, 256), cfg) == (None, '')
  for platform, changes, shape, why in (
    ('tpu', {}, (4, 256), kernels.splash),
    ('tpu', sliding, (4, 256), kernels.splash),
    ('tpu', {'attn_softcap': 5.0}, (4, 256), kernels.splash),
    ('tpu', {}, (1, 2), ''),
    ('tpu', {'dtype': 'float32'}, (4, 256), "dtype='float32'"),
    ('tpu', {'head_dim': 80}, (4, 256), 'head_dim=80'),
    ('tpu', {}, (3, 256), '3 rows'),
    ('gpu', {}, (4, 256), kernels.triton),
    ('gpu', sliding, (4, 64), ''),
    ('gpu', sliding, (4, 256), 'window=64'),
    ('gpu', {'attn_softcap': 5.0}, (4, 256), 'attn_softcap=5.0'),
    ('gpu', {'head_dim': 256}, (4, 256), 'head_dim=256'),
    ('metal', {}, (4, 256), "'metal'"),
  ):
    monkeypatch.setattr(kernels, 'platform', lambda name=platform: name)
    with partitioning.use(partitioning.make_mesh(fsdp=2, data=2)):
      kernel, reason = kernels.choose(shape, change(**changes))
    if isinstance(why, str):
      assert kernel is None
      assert why in reason
      assert bool(why) == bool(reason)
    else:
      assert kernel is why
      assert not reason


def _fields(cfg):
  return {
    name: getattr(cfg, name)
    for name in ('num_heads', 'num_kv_heads', 'head_dim', 'dtype')
  }


def test_what_no_kernel_takes_is_said_once(monkeypatch, caplog):
  monkeypatch.setattr(kernels, 'platform', lambda: 'tpu')
  cfg = testing.small_config(head_dim=6, dtype='bfloat16')
  tokens = jnp.zeros((4, 128), jnp.int32)
  params = testing.random_params(cfg)
  with (
    caplog.at_level(logging.WARNING),
    partitioning.use(partitioning.make_mesh()),
  ):
    for _ in range(2):
      jax.eval_shape(Transformer(cfg).apply, {'params': params}, tokens)
  (record,) = caplog.records
  assert 'head_dim=6; attention of 128 tokens takes the plain' in record.message
