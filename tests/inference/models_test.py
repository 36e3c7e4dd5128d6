"""Weights as samplers hold them."""

import jax
import numpy as np

from tests import testing
from ttc.inference.models import Model
from ttc.models.transformer import unstack


def test_weights_lie_in_memory_once():
  cfg = testing.small_config()
  given = testing.random_params(cfg)
  wanted = jax.tree.map(np.asarray, unstack(given))
  model = Model.consuming(given, cfg)
  assert all(
    x.is_deleted() for x in jax.tree.leaves(given['backbone']['layers'])
  )
  jax.tree.map(np.testing.assert_array_equal, model.layers, wanted)
