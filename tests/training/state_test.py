import dataclasses

import jax
import numpy as np
import pytest

from ttc.models import partitioning
from ttc.models.config import TransformerConfig
from ttc.models.transformer import Transformer
from ttc.training import optimizer
from ttc.training import state as states

CFG = TransformerConfig(
  vocab_size=8,
  num_layers=2,
  embed_dim=4,
  num_heads=2,
  num_kv_heads=2,
  head_dim=2,
  mlp_dim=8,
  tied=False,
)
TX = optimizer.build(optimizer.AdamW(1e-3), 10)


def _create(head, source=None, mesh=None, cfg=CFG, seed=0):
  mesh = partitioning.make_mesh() if mesh is None else mesh
  with partitioning.use(mesh):
    return states.create(
      Transformer(cfg, head=head), TX, mesh, jax.random.key(seed), source
    )


def _equal(one, other):
  return jax.tree.all(
    jax.tree.map(
      lambda a, b: bool((np.asarray(a) == np.asarray(b)).all()), one, other
    )
  )


@pytest.fixture(scope='module')
def language_model():
  return _create('logits').params


def test_arrays_lie_where_the_rules_say(language_model):
  mesh = partitioning.make_mesh(data=2, model=2)
  state = _create('logits', mesh=mesh)
  abstract = states.abstract(Transformer(CFG, head='logits'), TX, mesh)
  assert jax.tree.structure(state) == jax.tree.structure(abstract)
  for real, expected in zip(
    jax.tree.leaves(state), jax.tree.leaves(abstract), strict=True
  ):
    assert real.shape == expected.shape
    assert real.dtype == expected.dtype
    assert real.sharding.is_equivalent_to(expected.sharding, real.ndim)
  up = state.params['backbone']['layers']['mlp']['up']
  assert up.sharding.spec == jax.P(None, 'fsdp', 'model')
  mu = state.opt_state[1][0].mu['backbone']['layers']['mlp']['up']
  assert mu.sharding.is_equivalent_to(up.sharding, mu.ndim)
  assert _equal(state.params, language_model)  # wherever it lies


def test_a_verifier_starts_from_the_backbone_with_a_new_head(language_model):
  verifier = _create('value', language_model, seed=1).params
  assert _equal(verifier['backbone'], language_model['backbone'])
  assert set(verifier) == {'backbone', 'value', 'value_bias'}
  assert np.any(verifier['value'])
  fresh = _create('value', seed=1).params
  assert not _equal(fresh['backbone'], language_model['backbone'])
  assert _equal(fresh['value'], verifier['value'])


def test_a_language_model_starts_whole_and_keeps_its_source(language_model):
  revision = _create('logits', language_model, seed=1)
  assert _equal(revision.params, language_model)
  assert int(revision.step) == 0
  jax.block_until_ready(jax.jit(lambda s: s, donate_argnums=0)(revision))
  assert np.isfinite(language_model['logits']).all()  # was not donated


def test_trees_of_checkpoints_keep_everything(language_model):
  state = _create('logits', language_model)
  tree = state.to_tree()
  assert set(tree) == {'target', 'state'}
  assert states.TrainState.from_tree(tree) == state


def test_a_source_of_another_shape_is_refused(language_model):
  cfg = dataclasses.replace(CFG, mlp_dim=4)
  with pytest.raises(ValueError, match=r"'mlp'.*\(2, 8, 4, .*\(2, 4, 4, "):
    _create('logits', language_model, cfg=cfg)
  with pytest.raises(ValueError, match='no backbone'):
    _create('logits', {'params': language_model})
