"""The mesh, and arrays to it and back."""

import jax
import numpy as np
import pytest

from tests import testing
from tests.planning.tpu import needs_libtpu
from ttc.models import partitioning
from ttc.models.partitioning import Layout
from ttc.planning import topology


def test_mesh_takes_what_is_left():
  assert dict(Layout(model=2).mesh().shape) == {
    'data': 2,
    'fsdp': 1,
    'model': 2,
  }
  assert dict(partitioning.make_mesh(fsdp=4).shape) == {
    'data': 1,
    'fsdp': 4,
    'model': 1,
  }
  assert dict(Layout(data=1, fsdp=-1, model=2).mesh().shape) == {
    'data': 1,
    'fsdp': 2,
    'model': 2,
  }


@pytest.mark.parametrize(
  'sizes',
  [
    dict(data=3),
    dict(model=3),
    dict(data=2),
    dict(fsdp=8),
    dict(data=2, fsdp=2, model=2),
  ],
)
def test_sizes_must_fit_the_devices(sizes):
  with pytest.raises(ValueError, match='there are 4; choose sizes'):
    Layout(**sizes).mesh()


@pytest.mark.parametrize(
  'sizes', [dict(data=0), dict(fsdp=-2), dict(model=-1), dict(data=-1, fsdp=-1)]
)
def test_an_axis_has_devices(sizes):
  with pytest.raises(ValueError, match=f'Layout.{next(iter(sizes))}='):
    Layout(**sizes)


@pytest.mark.parametrize(
  ('sizes', 'match'),
  [
    (dict(model=3), 'num_heads=4, mlp_dim=32, .* model=3 .* divisor of 4'),
    (dict(model=8), 'cannot be cut over model=8'),
    (dict(fsdp=32), 'embed_dim=16, .* fsdp=32 .* divisor of 16'),
  ],
)
def test_models_say_what_they_cannot_be_cut_over(sizes, match):
  with pytest.raises(ValueError, match=match):
    partitioning.check('big', testing.small_config(), **sizes)


@needs_libtpu
@pytest.mark.parametrize(
  ('slice_of', 'sizes', 'parts'),
  [
    ('v5e:4x4', dict(), 4),
    ('v5e:4x4', dict(data=1, fsdp=-1), 4),
    ('v5e:4x4', dict(data=1, fsdp=-1, model=4), 2),  # a row of two hosts
    ('v5p:2x2x2', dict(model=8), 1),
    ('v5p:2x2x2', dict(data=2, fsdp=2, model=2), 2),
  ],
)
def test_processes_hold_the_rows_of_their_devices(slice_of, sizes, parts):
  mesh = Layout(**sizes).mesh(topology.describe(slice_of).devices)
  held = {}
  for process in {d.process_index for d in mesh.devices.flat}:
    index, count = partitioning.share(mesh, process)
    assert count == parts
    for place, group in enumerate(
      mesh.devices.reshape(-1, mesh.shape['model'])
    ):
      if process in {d.process_index for d in group}:
        assert held.setdefault(place, index) == index
  assert set(held) == set(range(partitioning.num_rows(mesh)))
  assert set(held.values()) == set(range(parts))


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
