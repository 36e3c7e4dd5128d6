"""T5X's partitioner with the mesh and axis rules of `ttc`.

It differs from T5X's in three ways:

  - The rules are `ttc.models.partitioning.RULES`, whose axis names parameters
    carry. 'kv' are the key/value heads in `ttc` and the width of a head in T5X.
  - The mesh has the three axes of `ttc`, with `fsdp` of size 1, and
    `num_partitions` has an effect on CPUs too.
  - Programs are also traced under `jax.set_mesh`. Under `with mesh:`, which is
    all that T5X uses, flax silently drops logical constraints.
"""

import contextlib
import functools

from flax import linen as nn
import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from t5x import partitioning as t5x_partitioning
from t5x import state_utils

from ttc.models import partitioning


class Partitioner(t5x_partitioning.PjitPartitioner):
  """Partitions models over a mesh with `num_partitions` devices on `model`."""

  def __init__(
    self, num_partitions=1, logical_axis_rules=partitioning.RULES, **rest
  ):
    super().__init__(
      num_partitions=num_partitions,
      logical_axis_rules=logical_axis_rules,
      **rest,
    )

  @functools.cached_property
  def mesh(self) -> Mesh:
    """The mesh (data, fsdp=1, model) of all devices."""
    if jax.default_backend() == 'cpu':
      return partitioning.make_mesh(model=self._num_partitions or 1)
    # T5X orders the devices of its mesh (data, model) by the hardware topology.
    # An axis of size 1 for `fsdp` is inserted.
    return Mesh(super().mesh.devices[:, None], partitioning.AXES)

  def partition(
    self,
    fn,
    in_axis_resources,
    out_axis_resources,
    static_argnums=(),
    donate_argnums=(),
  ):
    """As T5X's, with shardings instead of specs, which need no mesh context.

    A result without a spec is replicated, because T5X reads it from the first
    device.
    """
    program = jax.jit(
      fn,
      in_shardings=self._shardings(in_axis_resources),
      out_shardings=self._shardings(
        out_axis_resources, NamedSharding(self.mesh, PartitionSpec())
      ),
      static_argnums=static_argnums,
      donate_argnums=donate_argnums,
    )
    return _Program(program, self.mesh, self._logical_axis_rules)

  def get_mesh_axes(self, train_state):
    """As T5X's.

    Raises:
      ValueError: an axis of a parameter does not divide over the mesh.
    """
    axes = super().get_mesh_axes(train_state)
    sizes = state_utils.flatten_state_dict(train_state.state_dict())
    specs = state_utils.flatten_state_dict(axes.state_dict())
    for name, spec in specs.items():
      if isinstance(spec, PartitionSpec):
        self._check(name, sizes[name].shape, spec)
    return axes

  def _check(self, name, shape, spec):
    for size, axis in zip(shape, spec, strict=False):
      parts = self.mesh.shape[axis] if isinstance(axis, str) else 1
      if size % parts:
        raise ValueError(
          f'{name} {shape} has an axis of {size}, which does not divide over '
          f'{axis}={parts} devices; set NUM_PARTITIONS to a divisor.'
        )

  def _shardings(self, specs, none=None):
    leaf = lambda x: x is None or isinstance(x, PartitionSpec)
    return jax.tree.map(
      lambda spec: none if spec is None else NamedSharding(self.mesh, spec),
      specs,
      is_leaf=leaf,
    )


class _Program:
  """A jitted function that is called and lowered under a mesh and its rules."""

  def __init__(self, program, mesh, rules):
    self._program, self._mesh, self._rules = program, mesh, rules

  def __call__(self, *args, **kwargs):
    with self._context():
      return self._program(*args, **kwargs)

  def lower(self, *args, **kwargs):
    with self._context():
      return self._program.lower(*args, **kwargs)

  @contextlib.contextmanager
  def _context(self):
    # The first context is for sharding constraints within T5X itself.
    with (
      Mesh(self._mesh.devices, self._mesh.axis_names),
      jax.set_mesh(self._mesh),
      nn.logical_axis_rules(self._rules),
    ):
      yield
