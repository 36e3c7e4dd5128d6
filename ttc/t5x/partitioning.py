"""T5X's partitioner with our mesh rules.

Three things differ. The rules are `ttc.models.partitioning.RULES`, because
parameters carry those names ('kv' are key/value heads here and a head's width
there). On CPUs `num_partitions` counts as elsewhere; the mesh has our three
axes, of which `fsdp` is 1 here. And programs are traced under `jax.set_mesh`
too: under the `with mesh:` that T5X uses alone, flax drops logical constraints
without a word.
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
  """Cuts our models over a mesh with `num_partitions` devices on `model`."""

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
    if jax.default_backend() == 'cpu':
      return partitioning.make_mesh(model=self._num_partitions or 1)
    # T5X's, (data, model), knows what it was told about the hardware.
    return Mesh(super().mesh.devices[:, None], partitioning.AXES)

  def partition(
    self,
    fn,
    in_axis_resources,
    out_axis_resources,
    static_argnums=(),
    donate_argnums=(),
  ):
    """See T5X; specs become shardings, so that no context is asked for one.

    A result without a spec is whole on every device: T5X reads the first one.
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
    """See T5X.

    Raises:
      ValueError: a parameter does not divide over the mesh.
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
  """A jitted function that runs and is lowered under a mesh and its rules."""

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
    # T5X's own constraints look for the first of the three.
    with (
      Mesh(self._mesh.devices, self._mesh.axis_names),
      jax.set_mesh(self._mesh),
      nn.logical_axis_rules(self._rules),
    ):
      yield
