import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ttc.models.config import TransformerConfig
from ttc.models.transformer import Transformer
from ttc.training import optimizer
from ttc.training.optimizer import AdamW

CFG = TransformerConfig(
  vocab_size=5,
  num_layers=2,
  embed_dim=4,
  num_heads=2,
  num_kv_heads=1,
  head_dim=2,
  mlp_dim=4,
  post_norm=True,
  qk_norm=True,
  qkv_bias=True,
)


@pytest.mark.parametrize('schedule', ['cosine', 'constant'])
@pytest.mark.parametrize('warmup', [0.0, 0.01, 0.1])
def test_the_rate_rises_and_falls(schedule, warmup):
  rate = optimizer.rate(AdamW(2.0, warmup=warmup, schedule=schedule), 100)
  rates = np.array([rate(step) for step in range(100)])
  rising = round(100 * warmup)
  assert (rates > 0).all()
  assert np.isclose(rates.max(), 2.0)
  np.testing.assert_allclose(
    rates[:rising], 2.0 * np.arange(1, rising + 1) / max(rising, 1), rtol=1e-6
  )
  if schedule == 'constant':
    assert (rates[rising:] == 2.0).all()
  else:
    assert (np.diff(rates[rising:]) < 0).all()
    assert rates[-1] < 0.01


def test_decay_shrinks_matrices_and_nothing_else():
  config = AdamW(0.1, warmup=0.0, schedule='constant', weight_decay=0.5)
  for head in ('logits', 'value'):
    cfg = dataclasses.replace(CFG, tied=False)
    boxed = jax.jit(Transformer(cfg, head=head).init)(
      jax.random.key(0), jnp.zeros((1, 2), jnp.int32)
    )['params']
    tx = optimizer.build(config, 10)
    zeros = jax.tree.map(jnp.zeros_like, boxed)
    updates, _ = jax.jit(tx.update)(zeros, tx.init(boxed), boxed)
    kept = set()
    for (path, update), param in zip(
      jax.tree_util.tree_leaves_with_path(updates),
      jax.tree.leaves(boxed),
      strict=True,
    ):
      name = [key.key for key in path if hasattr(key, 'key')][-1]
      if np.any(update):
        np.testing.assert_allclose(update, -0.05 * param, rtol=1e-5)
      else:
        kept.add(name)
    expected = {'scale', 'q_bias', 'k_bias', 'v_bias'}
    assert kept == expected | (
      {'value', 'value_bias'} if head == 'value' else set()
    )


def test_the_gradient_is_clipped_by_its_global_norm():
  config = AdamW(1.0, clip=0.5)
  tx = optimizer.build(config, 10)
  params = {'one': jnp.ones((2, 2)), 'two': jnp.ones((3, 1))}
  large = jax.tree.map(lambda x: 100 * x, params)
  clipped = jax.tree.map(lambda x: x * 0.5 / optax.tree.norm(large), large)
  states = [tx.update(g, tx.init(params), params)[1] for g in (large, clipped)]
  for a, b in zip(*map(jax.tree.leaves, states), strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-5)


@pytest.mark.parametrize(
  ('kwargs', 'message'),
  [
    ({'learning_rate': 0.0}, 'learning_rate=0.0'),
    ({'learning_rate': 1.0, 'clip': 0.0}, 'clip=0.0'),
    ({'learning_rate': 1.0, 'warmup': 1.0}, 'warmup=1.0'),
    ({'learning_rate': 1.0, 'schedule': 'linear'}, "'linear' is unknown"),
  ],
)
def test_bad_settings_are_refused(kwargs, message):
  with pytest.raises(ValueError, match=message):
    AdamW(**kwargs)
