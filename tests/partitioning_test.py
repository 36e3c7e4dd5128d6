"""The mesh, and arrays to it and back."""

import jax
import numpy as np
import pytest

from ttc import partitioning


def test_mesh_takes_what_is_left():
  assert partitioning.make_mesh(model=2).shape == {'data': 2, 'model': 2}
  assert partitioning.make_mesh().shape == {'data': 4, 'model': 1}


@pytest.mark.parametrize('sizes', [(3, 1), (-1, 3), (2, 1)])
def test_sizes_must_fit_the_devices(sizes):
  with pytest.raises(ValueError, match='there are 4'):
    partitioning.make_mesh(*sizes)


def test_fetch_undoes_put():
  mesh = partitioning.make_mesh()
  tree = {'a': np.arange(8), 'b': np.random.rand(4, 3)}
  placed = partitioning.put(tree, mesh)
  assert len(placed['a'].addressable_shards) == 4
  assert placed['a'].addressable_shards[1].data.shape == (2,)
  back = partitioning.fetch(placed)
  jax.tree.map(np.testing.assert_allclose, back, tree)


def test_rows_must_divide():
  with pytest.raises(ValueError, match='6 rows do not divide'):
    partitioning.put(np.zeros(6), partitioning.make_mesh())
