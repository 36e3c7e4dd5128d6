"""A logical or over all processes that nothing waits for."""

import functools

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec
import numpy as np


class Agreement:
  """Whether any process set its flag one call ago.

  Every process calls it once after each training call. The flags are summed by
  a device program that is dispatched behind that call. The sum is read at the
  next call, when it is ready: reading it at once would wait for the training
  call. All processes read the same sum at the same step.
  """

  def __init__(self, mesh: Mesh):
    """Starts without a flag set.

    Args:
      mesh: over the devices of the processes that agree.
    """
    self._mesh = mesh
    self._many = len({d.process_index for d in mesh.devices.flat}) > 1
    self._votes = None

  def __call__(self, wanted: bool) -> bool:
    """Submits this process's flag and returns the agreement one call ago.

    A collective operation: every process must call it equally often.

    Args:
      wanted: this process's flag.

    Returns:
      Whether any process set its flag at the previous call, False at the first;
      `wanted` itself if the mesh is that of one process.
    """
    if not self._many:
      return wanted
    sharding = NamedSharding(self._mesh, PartitionSpec(self._mesh.axis_names))
    votes = _total(self._mesh)(
      jax.make_array_from_callback(
        (self._mesh.size,), sharding, lambda index: np.full(1, wanted, np.int32)
      )
    )
    before, self._votes = self._votes, votes
    return before is not None and bool(jax.device_get(before))


@functools.lru_cache(maxsize=8)
def _total(mesh):
  whole = NamedSharding(mesh, PartitionSpec())
  return jax.jit(jnp.sum, out_shardings=whole)
