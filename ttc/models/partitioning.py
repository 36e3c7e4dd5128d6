"""The device mesh, the table of sharding rules, and transfers to and from it.

Parameters and activations carry logical axis names. `RULES` maps each name to
the mesh axes that shard it:

    data   rows (data parallelism)
    fsdp   rows too, and D of parameters and optimizer state, which are gathered
           layer by layer (fully sharded data parallelism)
    model  heads, hidden units and vocabulary (tensor parallelism)

D has two names: 'embed' in parameters, where `fsdp` shards it, and 'residual'
in activations, where `fsdp` shards the rows already. Programs run inside
`use(mesh)`: a bare `with mesh:` would silently drop flax's logical constraints.
"""

from collections.abc import Iterator
import contextlib
import dataclasses
import functools
import math

from flax import linen as nn
import jax
from jax.experimental import mesh_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
import numpy as np

from ttc.models.config import TransformerConfig
from ttc.models.devices import DevicesError

AXES = ('data', 'fsdp', 'model')
ROWS = ('data', 'fsdp')  # the mesh axes that shard rows
RULES = (
  ('batch', ROWS),
  ('embed', 'fsdp'),
  ('vocab', 'model'),
  ('heads', 'model'),
  ('kv', 'model'),
  ('mlp', 'model'),
  ('residual', None),
  ('head_dim', None),
  ('layers', None),
  ('length', None),
  ('norm', None),
  ('value', None),
)


@dataclasses.dataclass(frozen=True)
class Layout:
  """Number of devices along each axis of the mesh that trains a model.

  Results depend on it by rounding only, so a run may continue with another.

  Attributes:
    data: groups of devices among which rows are divided, each group with all
      the parameters; -1 takes the devices that the other axes leave.
    fsdp: devices of a group among which its rows, the parameters and the
      optimizer state are divided; -1 likewise, on one of the two.
    model: devices over which heads, hidden units and vocabulary are sharded.

  Raises:
    ValueError: a size has no meaning, or both data and fsdp are -1.
  """

  data: int = -1
  fsdp: int = 1
  model: int = 1

  def __post_init__(self):
    for axis in AXES:
      size = getattr(self, axis)
      whole = isinstance(size, int) and (size >= 1 or size == -1)
      if not whole or (size == -1 and axis == 'model'):
        raise ValueError(
          f'Layout.{axis}={size!r}; an axis has 1 device or more, and data or '
          'fsdp may be -1 for what the others leave.'
        )
    if self.data == self.fsdp == -1:
      raise ValueError(
        'Layout.data=-1 and Layout.fsdp=-1; only one of them can take what '
        'the others leave.'
      )

  def mesh(self, devices=None) -> Mesh:
    """The mesh of this layout.

    Neighbours in the hardware's network become neighbours along `model` first,
    which communicates the most, and then along `fsdp`.

    Args:
      devices: sequence of devices; None is all devices of all processes.

    Raises:
      DevicesError: the sizes do not multiply to the number of devices.
    """
    devices = jax.devices() if devices is None else devices
    count, sizes = len(devices), [self.data, self.fsdp, self.model]
    if -1 in sizes:
      known = -math.prod(sizes)  # the only -1 makes the product negative
      sizes[sizes.index(-1)] = max(1, count // known)
    if math.prod(sizes) != count:
      raise DevicesError(
        f'A mesh of data={sizes[0]} x fsdp={sizes[1]} x model={sizes[2]} '
        f'needs {math.prod(sizes)} devices, but there are {count}; choose '
        f'sizes whose product is {count}.'
      )
    return Mesh(
      _placed(sizes, devices), AXES, axis_types=(AxisType.Auto,) * len(AXES)
    )


def make_mesh(*, devices=None, **sizes: int) -> Mesh:
  """The mesh of `Layout(**sizes)`; see `Layout.mesh`."""
  return Layout(**sizes).mesh(devices)


def _placed(sizes, devices):
  """An array of devices [data, fsdp, model] that follows the network."""
  # Devices of a topology description (`ttc plan`) have no slice_index.
  slices = {
    getattr(d, 'slice_index', 0) for d in devices if d.platform == 'tpu'
  }
  if len(slices) < 2:
    return mesh_utils.create_device_mesh(
      sizes, devices, allow_split_physical_axes=True
    )
  if sizes[0] % len(slices):
    raise ValueError(
      f'Layout.data={sizes[0]} is not a multiple of {len(slices)} slices, '
      'between which the network is slow; make it one.'
    )
  # Only `data`, which communicates the least, crosses slices.
  return mesh_utils.create_hybrid_device_mesh(
    (sizes[0] // len(slices), *sizes[1:]),
    (len(slices), 1, 1),
    devices,
    allow_split_physical_axes=True,
  )


def check(
  name: str, cfg: TransformerConfig, model: int = 1, fsdp: int = 1
) -> None:
  """Checks that the sizes of a model divide over a mesh.

  Key/value heads need not divide, see `shardings` and `copies.py`.

  Args:
    name: name of the model, for the message.
    cfg: config of the model.
    model: number of devices along the `model` axis.
    fsdp: number of devices along the `fsdp` axis.

  Raises:
    ValueError: a size does not divide.
  """
  for axis, parts, fields in (
    ('model', model, ('num_heads', 'mlp_dim', 'vocab_size')),
    ('fsdp', fsdp, ('embed_dim',)),
  ):
    sizes = {field: getattr(cfg, field) for field in fields}
    divisor = math.gcd(*sizes.values())
    if divisor % parts:
      listed = ', '.join(f'{field}={size}' for field, size in sizes.items())
      raise ValueError(
        f'The model of {name!r} has {listed}, which cannot be cut over {axis}='
        f'{parts} devices; choose a divisor of {divisor}.'
      )


@contextlib.contextmanager
def use(mesh: Mesh) -> Iterator[Mesh]:
  """Makes the mesh and the rules current for programs traced inside."""
  with jax.set_mesh(mesh), nn.logical_axis_rules(RULES):
    yield mesh


def shardings(boxed, mesh: Mesh):
  """NamedShardings of a tree of (abstract) parameters with logical axes.

  Key/value heads whose number the `model` axis does not divide are replicated
  along it. Leaves without logical axes, such as a step counter, are replicated
  on all devices.

  Args:
    boxed: tree whose leaves may be flax boxes with names of axes.
    mesh: with the axes `AXES`.

  Returns:
    The same tree with a `NamedSharding` for each leaf or box.
  """
  boxes = lambda x: isinstance(x, nn.LogicallyPartitioned)
  return jax.tree.map(
    lambda x: NamedSharding(
      mesh, _spec(x, mesh) if boxes(x) else PartitionSpec()
    ),
    boxed,
    is_leaf=boxes,
  )


def _spec(box: nn.LogicallyPartitioned, mesh: Mesh) -> PartitionSpec:
  table = dict(RULES)
  return PartitionSpec(
    *(
      None if name == 'kv' and size % mesh.shape['model'] else table[name]
      for name, size in zip(box.names, box.value.shape, strict=True)
    )
  )


def own_rows():
  """A context of rules for code that sees the rows of one device only."""
  return nn.logical_axis_rules([r for r in RULES if r[1] != ROWS])


def rows(mesh: Mesh) -> NamedSharding:
  """The sharding of arrays [rows, ...]: rows over `data` and `fsdp`."""
  return NamedSharding(mesh, PartitionSpec(ROWS))


def num_rows(mesh: Mesh) -> int:
  """Number of shards of the row axis: devices, or groups along `model`."""
  return mesh.shape['data'] * mesh.shape['fsdp']


def share(mesh: Mesh, process: int | None = None) -> tuple[int, int]:
  """The share of all rows that a process has to load.

  Processes whose devices shard one copy of the model load the same rows. If
  the shares would overlap or differ in size, every process loads all rows.

  Args:
    mesh: over the devices of all processes.
    process: index of the process; None is this one.

  Returns:
    (index, count): the process loads part `index` of `count` equal parts;
    (0, 1) is all rows.
  """
  process = jax.process_index() if process is None else process
  places = {}  # row shards by process
  groups = mesh.devices.reshape(-1, mesh.shape['model'])
  for place, group in enumerate(groups):
    for device in group:
      places.setdefault(device.process_index, set()).add(place)
  parts = sorted({tuple(sorted(part)) for part in places.values()})
  # Distinct parts that overlap have more shards in sum than there are.
  if len(set(map(len, parts))) > 1 or sum(map(len, parts)) > len(groups):
    return 0, 1
  return parts.index(tuple(sorted(places[process]))), len(parts)


def put(tree, mesh: Mesh):
  """Puts host arrays onto the mesh, sharded by rows.

  Args:
    tree: numpy arrays [rows, ...] that hold this process's rows.
    mesh: devices; those of each process get equal numbers of rows.

  Returns:
    The tree of global arrays with the rows of all processes of the mesh.

  Raises:
    ValueError: the rows of all processes do not divide over the devices.
  """
  size, processes, sharding = _rows_of(mesh)

  def put_array(x):
    total = x.shape[0] * processes
    if total % size:
      raise ValueError(
        f'{total} rows do not divide over {size} devices (data='
        f'{mesh.shape["data"]} x fsdp={mesh.shape["fsdp"]}); choose a '
        'multiple, or a smaller mesh.'
      )
    if processes == 1:
      return jax.device_put(x, sharding)
    return jax.make_array_from_process_local_data(sharding, x)

  return jax.tree.map(put_array, tree)


@functools.cache
def _rows_of(mesh: Mesh) -> tuple[int, int, NamedSharding]:
  """(row shards, processes, sharding of rows); cached for `put`."""
  processes = {device.process_index for device in mesh.devices.flat}
  return num_rows(mesh), len(processes), rows(mesh)


def fetch(tree):
  """This process's rows of global arrays, as numpy: the inverse of `put`.

  Args:
    tree: arrays [rows, ...], sharded by rows.

  Returns:
    The tree of numpy arrays, with all rows where this process can address them.
  """

  def fetch_array(x):
    if x.is_fully_addressable:
      return np.asarray(x)
    # Devices along `model` hold copies of the same rows: the dict keeps one.
    shards = {s.index[0].start or 0: s.data for s in x.addressable_shards}
    return np.concatenate([np.asarray(shards[i]) for i in sorted(shards)])

  return jax.tree.map(fetch_array, jax.block_until_ready(tree))
