"""Yes or no for all processes, without waiting for any."""

import functools

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec
import numpy as np


class Agreement:
  """Whether a process wanted something one call ago.

  Every process asks after each device call. The answer travels as a device
  program of its own behind that call, so that nobody waits for it, and all
  processes read the same one at the same step.
  """

  def __init__(self, mesh: Mesh):
    """For the processes whose devices are on a mesh."""
    self._mesh = mesh
    self._many = len({d.process_index for d in mesh.devices.flat}) > 1
    self._votes = None

  def __call__(self, wanted: bool) -> bool:
    """Tells the others, hears what was said one call ago.

    Args:
      wanted: what this process says; one that is alone is answered at once.
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
