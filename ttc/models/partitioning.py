"""Mesh, the one table of sharding rules, and arrays between host and devices.

Parameters and activations carry logical axis names; this table says on which
mesh axes each lies:

    data   rows
    fsdp   rows too, and a part of each parameter and of its optimizer state,
           which devices send each other as a layer needs them
    model  heads, hidden units, words

The width of the model has two names, because rows lie on `fsdp` already:
'embed' in parameters, 'residual' in activations. Programs run inside
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

AXES = ('data', 'fsdp', 'model')
ROWS = ('data', 'fsdp')  # the axes that rows lie on
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
  """How many devices stand along each axis of the mesh that trains a model.

  It changes where numbers lie and not what they are, but for rounding: a run
  may go on with another one.

  Attributes:
    data: groups of devices that share the rows, each with all the parameters;
      -1 takes what the other axes leave.
    fsdp: devices of a group that share its rows, and each keep a part of the
      parameters and of the optimizer's state; or -1.
    model: devices over which heads, hidden units and words are cut.
  """

  data: int = -1
  fsdp: int = 1
  model: int = 1

  def __post_init__(self):
    for axis in AXES:
      size = getattr(self, axis)
      if size < 1 and (size != -1 or axis == 'model'):
        raise ValueError(
          f'Layout.{axis}={size}; an axis has 1 device or more, and data or '
          'fsdp may be -1 for what the others leave.'
        )
    if self.data == self.fsdp == -1:
      raise ValueError(
        'Layout.data=-1 and Layout.fsdp=-1; only one of them can take what '
        'the others leave.'
      )

  def mesh(self, devices=None) -> Mesh:
    """The mesh over devices; None is all there are.

    Devices next to each other in the hardware's network are so along `model`
    first, for it communicates the most, and then along `fsdp`.

    Raises:
      ValueError: the sizes do not multiply to the number of devices.
    """
    devices = jax.devices() if devices is None else devices
    count, sizes = len(devices), [self.data, self.fsdp, self.model]
    if -1 in sizes:
      given = -math.prod(sizes)
      sizes[sizes.index(-1)] = max(1, count // given)
    if math.prod(sizes) != count:
      raise ValueError(
        f'A mesh of data={sizes[0]} x fsdp={sizes[1]} x model={sizes[2]} '
        f'needs {math.prod(sizes)} devices, but there are {count}; choose '
        f'sizes whose product is {count}.'
      )
    return Mesh(
      _placed(sizes, devices), AXES, axis_types=(AxisType.Auto,) * len(AXES)
    )


def make_mesh(*, devices=None, **sizes: int) -> Mesh:
  """The mesh of a `Layout` of these sizes."""
  return Layout(**sizes).mesh(devices)


def _placed(sizes, devices):
  """Devices [data, fsdp, model], as near to each other as they need to be."""
  # Devices that are only compiled for know of no slices.
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
  return mesh_utils.create_hybrid_device_mesh(
    (sizes[0] // len(slices), *sizes[1:]),
    (len(slices), 1, 1),
    devices,
    allow_split_physical_axes=True,
  )


def check(
  name: str, cfg: TransformerConfig, model: int = 1, fsdp: int = 1
) -> None:
  """Raises ValueError where a model cannot be cut over so many devices.

  Key/value heads may be fewer than `model`, see `shardings` and models/copies.

  Args:
    name: of the model.
    cfg: of it.
    model: devices along this axis.
    fsdp: likewise.
  """
  for axis, parts, fields in (
    ('model', model, ('num_heads', 'mlp_dim', 'vocab_size')),
    ('fsdp', fsdp, ('embed_dim',)),
  ):
    sizes = {field: getattr(cfg, field) for field in fields}
    whole = math.gcd(*sizes.values())
    if whole % parts:
      said = ', '.join(f'{field}={size}' for field, size in sizes.items())
      raise ValueError(
        f'The model of {name!r} has {said}, which cannot be cut over {axis}='
        f'{parts} devices; choose a divisor of {whole}.'
      )


@contextlib.contextmanager
def use(mesh: Mesh) -> Iterator[Mesh]:
  """Programs traced and run inside see the mesh and the rules."""
  with jax.set_mesh(mesh), nn.logical_axis_rules(RULES):
    yield mesh


def shardings(boxed, mesh: Mesh):
  """NamedShardings of a tree of (abstract) parameters with logical axes.

  Key/value heads that `model` does not divide are whole on each of its
  devices. What has no names, such as a counter, is whole everywhere.
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


def rows(mesh: Mesh) -> NamedSharding:
  """First axis over `data` and `fsdp`, the others whole."""
  return NamedSharding(mesh, PartitionSpec(ROWS))


def num_rows(mesh: Mesh) -> int:
  """Devices, or groups along `model`, that have rows of their own."""
  return mesh.shape['data'] * mesh.shape['fsdp']


def share(mesh: Mesh, process: int | None = None) -> tuple[int, int]:
  """Which of how many parts of the rows a process holds: (index, count).

  Processes whose devices cut one model between them hold the same rows. Where
  they hold parts that overlap or differ in size, each is to hold all: (0, 1).

  Args:
    mesh: of devices of all processes.
    process: its index; None is this one.
  """
  process = jax.process_index() if process is None else process
  places = {}
  groups = mesh.devices.reshape(-1, mesh.shape['model'])
  for place, group in enumerate(groups):
    for device in group:
      places.setdefault(device.process_index, set()).add(place)
  parts = sorted({tuple(sorted(part)) for part in places.values()})
  if len(set(map(len, parts))) > 1 or sum(map(len, parts)) > len(groups):
    return 0, 1
  return parts.index(tuple(sorted(places[process]))), len(parts)


def put(tree, mesh: Mesh):
  """Host arrays, this process's rows of each, as arrays on the mesh.

  Raises:
    ValueError: the rows of all its processes do not divide over the devices.
  """
  size, processes, sharding = _rows_of(mesh)

  def one(x):
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

  return jax.tree.map(one, tree)


@functools.cache
def _rows_of(mesh: Mesh) -> tuple[int, int, NamedSharding]:
  """Devices with rows of their own, processes, and how rows lie on them."""
  processes = {device.process_index for device in mesh.devices.flat}
  return num_rows(mesh), len(processes), rows(mesh)


def fetch(tree):
  """This process's rows of global arrays, as numpy: the inverse of `put`."""

  def one(x):
    if x.is_fully_addressable:
      return np.asarray(x)
    shards = {s.index[0].start or 0: s.data for s in x.addressable_shards}
    return np.concatenate([np.asarray(shards[i]) for i in sorted(shards)])

  return jax.tree.map(one, jax.block_until_ready(tree))
