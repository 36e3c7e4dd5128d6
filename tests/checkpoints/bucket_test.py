"""Checkpoints in an object store, by orbax, TensorStore and gcsfs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ttc.checkpoints import orbax
from ttc.models import abstract, partitioning
from ttc.models.config import TransformerConfig

CFG = TransformerConfig(
  vocab_size=8,
  num_layers=1,
  embed_dim=4,
  num_heads=1,
  num_kv_heads=1,
  head_dim=4,
  mlp_dim=8,
)


def test_a_step_without_its_mark_is_not_the_newest(bucket):
  tree = lambda step: {'x': jnp.full(9, float(step))}
  with orbax.Checkpoints('gs://steps/run', {'a': 1}) as checkpoints:
    assert checkpoints.newest() is None
    for step in (1, 2):
      checkpoints.save(step, tree(step), {'place': step})
  # What is left of a writer that was killed: all but what it writes last.
  del bucket.objects['steps/run/checkpoint_2/commit_success.txt']
  target = jax.tree.map(
    lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding),
    tree(0),
  )
  with orbax.Checkpoints('gs://steps/run', {'a': 1}) as checkpoints:
    assert checkpoints.newest() == 1
    found, progress = checkpoints.restore(1, target)
    assert progress == {'place': 1}
    assert np.array_equal(np.asarray(found['x']), np.full(9, 1.0))
  with pytest.raises(ValueError, match='a is 1 there and 2 here'):
    orbax.Checkpoints('gs://steps/run', {'a': 2})


def test_models_are_written_and_read(bucket):
  shapes = abstract.params(CFG, 'logits', partitioning.make_mesh())
  params = jax.tree.map(lambda x: jnp.ones(x.shape, x.dtype), shapes)
  orbax.save_model('gs://models/base', CFG, 'logits', params)
  cfg, head, found = orbax.load_model('gs://models/base')
  assert (cfg, head) == (CFG, 'logits')
  assert jax.tree.all(
    jax.tree.map(
      lambda a, b: bool((np.asarray(a) == np.asarray(b)).all()), params, found
    )
  )
  del bucket.objects['models/base/model.json']
  with pytest.raises(ValueError, match='gs://models/base holds no model'):
    orbax.load_config('gs://models/base')
