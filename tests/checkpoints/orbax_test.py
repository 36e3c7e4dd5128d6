import dataclasses

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ttc.checkpoints import orbax
from ttc.models import partitioning
from ttc.models.config import TransformerConfig
from ttc.models.transformer import Transformer

CFG = TransformerConfig(
  vocab_size=8,
  num_layers=2,
  embed_dim=4,
  num_heads=2,
  num_kv_heads=2,
  head_dim=2,
  mlp_dim=8,
  window=3,
  sliding=(True, False),
)


def _tree(value):
  return {'x': jnp.full((8,), value), 'key': jax.random.key(value)}


def _steps(folder):
  return sorted(
    int(path.name.split('_')[1]) for path in folder.glob('checkpoint_*')
  )


def _equal(one, other):
  return jax.tree.all(
    jax.tree.map(
      lambda a, b: bool((np.asarray(a) == np.asarray(b)).all()), one, other
    )
  )


def test_the_newest_and_the_best_are_kept(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  losses = {1: 3.0, 2: 1.0, 3: None, 4: 2.0, 5: None, 6: None}
  with orbax.Checkpoints('run', {'a': 1}) as checkpoints:  # a relative path
    assert checkpoints.newest() is None
    for step, loss in losses.items():
      checkpoints.save(step, _tree(step), {'place': [step]}, loss)
  assert _steps(tmp_path / 'run') == [2, 5, 6]
  with orbax.Checkpoints('run', {'a': 1}) as checkpoints:
    assert checkpoints.newest() == 6
    for step in (2, 6):
      tree, progress = checkpoints.restore(
        step, jax.eval_shape(lambda: _tree(0))
      )
      assert progress == {'place': [step]}
      assert (tree['x'] == step).all()
      assert jax.random.bits(tree['key']) == jax.random.bits(
        jax.random.key(step)
      )


def test_a_torn_checkpoint_is_not_the_newest(tmp_path):
  with orbax.Checkpoints(tmp_path, {}) as checkpoints:
    checkpoints.save(1, _tree(1), {})
  (tmp_path / 'checkpoint_2.orbax-checkpoint-tmp-7' / 'state').mkdir(
    parents=True
  )
  with orbax.Checkpoints(tmp_path, {}) as checkpoints:
    assert checkpoints.newest() == 1
    checkpoints.save(2, _tree(2), {})
  assert _steps(tmp_path) == [1, 2]


def test_saved_arrays_may_be_donated_at_once(tmp_path):
  spoil = jax.jit(lambda x: x * 0 - 1, donate_argnums=0)
  big = jnp.arange(1 << 20, dtype=jnp.float32)
  target = jax.ShapeDtypeStruct(big.shape, big.dtype, sharding=big.sharding)
  with orbax.Checkpoints(tmp_path, {}) as checkpoints:
    checkpoints.save(1, {'x': big}, {})
    for _ in range(3):
      big = spoil(big)
    tree, _ = checkpoints.restore(1, {'x': target})
  assert (np.asarray(tree['x']) == np.arange(1 << 20)).all()


def test_another_config_is_refused_with_both_values(tmp_path):
  orbax.Checkpoints(tmp_path, {'fit': {'steps': 4, 'b': (1, 2)}})
  orbax.Checkpoints(tmp_path, {'fit': {'steps': 4, 'b': [1, 2]}})
  with pytest.raises(
    ValueError,
    match=r'fit\.c is None there and 1 here; '
    r'fit\.steps is 4 there and 5 here',
  ):
    orbax.Checkpoints(tmp_path, {'fit': {'steps': 5, 'b': [1, 2], 'c': 1}})


@pytest.mark.parametrize('head', ['logits', 'value'])
def test_a_model_moves_between_device_counts(tmp_path, head):
  params = nn.unbox(
    jax.jit(Transformer(CFG, head=head).init)(
      jax.random.key(0), jnp.zeros((1, 2), jnp.int32)
    )['params']
  )
  orbax.save_model(tmp_path / 'one', CFG, head, params)
  mesh = partitioning.make_mesh(data=2, model=2)
  with partitioning.use(mesh):
    cfg, loaded_head, sharded = orbax.load_model(tmp_path / 'one', mesh)
  assert (cfg, loaded_head) == (CFG, head)
  assert len(sharded['backbone']['embedding'].sharding.device_set) == 4
  assert sharded['backbone']['embedding'].sharding.spec == jax.P(
    'model', 'fsdp'
  )
  orbax.save_model(tmp_path / 'four', cfg, head, sharded)
  _, _, single = orbax.load_model(tmp_path / 'four')
  assert len(single['backbone']['embedding'].sharding.device_set) == 1
  assert _equal(params, sharded)
  assert _equal(params, single)


def test_models_that_are_not_there_or_not_complete_are_refused(tmp_path):
  with pytest.raises(ValueError, match='no complete model'):
    orbax.load_model(tmp_path / 'none')
  params = {'backbone': {'x': jnp.zeros(3)}}
  cfg = dataclasses.replace(CFG, sliding=(), window=None)
  orbax.save_model(tmp_path / 'model', cfg, 'logits', params)
  (tmp_path / 'model' / 'model.json').unlink()
  with pytest.raises(ValueError, match='no complete model'):
    orbax.load_model(tmp_path / 'model')
