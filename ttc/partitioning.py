"""Mesh, the one table of sharding rules, and arrays between host and devices.

Parameters and activations carry logical axis names; this table says on which
mesh axis each lies. Rows lie on `data`, heads and hidden units on `model`.
Programs run inside `use(mesh)`: a bare `with mesh:` would silently drop
flax's logical constraints.
"""

from collections.abc import Iterator
import contextlib

from flax import linen as nn
import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
import numpy as np

RULES = (
    ('batch', 'data'),
    ('vocab', 'model'),
    ('heads', 'model'),
    ('kv', 'model'),
    ('mlp', 'model'),
    ('embed', None),
    ('head_dim', None),
    ('layers', None),
    ('length', None),
    ('norm', None),
    ('value', None),
)


def make_mesh(data: int = -1, model: int = 1, devices=None) -> Mesh:
  """A mesh with axes (data, model); -1 takes what the other axis leaves.

  Raises:
    ValueError: the sizes do not multiply to the number of devices.
  """
  devices = jax.devices() if devices is None else devices
  count = len(devices)
  if data == -1:
    data = count // model
  if data * model != count:
    raise ValueError(
        f'A mesh of data={data} x model={model} needs {data * model} devices, '
        f'but there are {count}; choose sizes whose product is {count}.')
  return Mesh(np.asarray(devices).reshape(data, model), ('data', 'model'),
              axis_types=(AxisType.Auto, AxisType.Auto))


@contextlib.contextmanager
def use(mesh: Mesh) -> Iterator[Mesh]:
  """Programs traced and run inside see the mesh and the rules."""
  with jax.set_mesh(mesh), nn.logical_axis_rules(RULES):
    yield mesh


def shardings(boxed, mesh: Mesh):
  """NamedShardings of a tree of (abstract) parameters with logical axes."""
  return nn.logical_to_mesh_sharding(
      nn.get_partition_spec(boxed), mesh, RULES)


def rows(mesh: Mesh) -> NamedSharding:
  """First axis on `data`, the others whole."""
  return NamedSharding(mesh, PartitionSpec('data'))


def put(tree, mesh: Mesh):
  """Host arrays, this process's rows of each, as global arrays of rows.

  Raises:
    ValueError: the rows of all processes do not divide over the data axis.
  """
  size = mesh.shape['data']

  def one(x):
    total = x.shape[0] * jax.process_count()
    if total % size:
      raise ValueError(
          f'{total} rows do not divide over a data axis of {size} devices; '
          'choose a multiple, or a smaller mesh.')
    return jax.make_array_from_process_local_data(rows(mesh), x)

  return jax.tree.map(one, tree)


def fetch(tree):
  """This process's rows of global arrays, as numpy: the inverse of `put`."""

  def one(x):
    if x.is_fully_addressable:
      return np.asarray(x)
    shards = {s.index[0].start or 0: s.data for s in x.addressable_shards}
    return np.concatenate([np.asarray(shards[i]) for i in sorted(shards)])

  return jax.tree.map(one, jax.block_until_ready(tree))


def local(tree, mesh: Mesh):
  """Arrays cut over `model` alone, on a mesh of this process's devices.

  Every process holds all parts of such arrays; nothing moves.
  """

  def one(x):
    sharding = NamedSharding(mesh, x.sharding.spec)
    parts = {s.device: s.data for s in x.addressable_shards}
    return jax.make_array_from_single_device_arrays(
        x.shape, sharding, [parts[d] for d in mesh.devices.flat])

  return jax.tree.map(one, tree)
