"""The KV pools of two models, and the copies within and out of them."""

from collections.abc import Callable, Sequence
import functools

import jax
from jax.sharding import NamedSharding, PartitionSpec
import numpy as np

from ttc.inference import engine
from ttc.inference.capacity import Capacity
from ttc.inference.lanes import Copy, LaneGroup
from ttc.inference.launcher import Launcher
from ttc.inference.models import Models
from ttc.inference.queues import DeviceQueues
from ttc.models import partitioning
from ttc.models.cache import KVCache

# Copies that one program call makes per device, at most. A loop over them, as
# on a CPU, costs no more where there are few; elsewhere padding costs as much
# as copies, so that a call takes the smallest table that fits.
_TABLES = {'cpu': (256,)}
# The largest is also a limit on what copies hold in between: at 2,048 pieces
# that would be 3 GiB of a 2B model.
_TABLES_ELSEWHERE = (128, 512)


def tables(platform: str) -> tuple[int, ...]:
  """Sizes of the tables of copies, from the smallest, on a platform."""
  return _TABLES.get(platform, _TABLES_ELSEWHERE)


class KvPools:
  """Where the rows of all devices have their keys and values.

  The arrays belong to the launcher's thread: programs consume and replace
  them, and only programs launched later may look at them.

  Attributes:
    arrays: the pools, by 'proposer' and 'verifier' as far as there are such.
  """

  def __init__(self, models: Models, capacity: Capacity, launcher: Launcher):
    """Makes the pools; `capacity.check` has said that they fit."""
    self._models, self._copy_size = models, capacity.copy_size
    self._launcher = launcher
    self._tables = tables(models.platform)
    self.arrays = {
      role: self._empty(model.cfg, capacity.slots + 1, capacity.cache_len)
      for role, model in models.present.items()
    }

  def reshape(self, group: LaneGroup, width: int, cache_len: int) -> None:
    """Gives a group empty lanes of another shape; no row may be in it."""
    group.width, group.cache_len = width, cache_len

    def program():
      group.cache = None  # frees the old lanes before there are new ones
      group.cache = self._empty(self._models.proposer.cfg, width, cache_len)

    self._launcher.launch(program)

  def load(self, group: LaneGroup, copies: Sequence[Sequence[Copy]]) -> None:
    """Makes copies from slots to lanes, one list per device."""

    def program(table):
      group.cache = self._copy(self.arrays['proposer'], group.cache, table)

    self._launch(program, copies)

  def store(self, group: LaneGroup, copies: Sequence[Sequence[Copy]]) -> None:
    """Makes copies from lanes to slots, one list per device."""

    def program(table):
      self.arrays['proposer'] = self._copy(
        group.cache, self.arrays['proposer'], table
      )

    self._launch(program, copies)

  def fork(self, queues: Sequence[DeviceQueues]) -> None:
    """Makes the copies that rows need before they are written to."""
    for role in self.arrays:
      copies = []
      for queue in queues:
        copies.append(
          [
            (read, write, position)
            for read, write, length in queue.copies[role]
            for position in range(0, length, self._copy_size)
          ]
        )
        queue.copies[role].clear()

      def program(table, role=role):
        self.arrays[role] = self._copy(None, self.arrays[role], table)

      self._launch(program, copies)

  def _launch(
    self,
    program: Callable[[np.ndarray], None],
    copies: Sequence[Sequence[Copy]],
  ) -> None:
    """Launches a program as often as it takes, with a table of copies each."""
    most, largest = max(map(len, copies)), self._tables[-1]
    for first in range(0, most, largest):
      left = min(most - first, largest)
      size = min(size for size in self._tables if size >= left)
      table = np.full((len(copies), size, 3), -1, np.int32)
      for device, wanted in enumerate(copies):
        part = wanted[first : first + size]
        table[device, : len(part)] = np.reshape(part, (-1, 3))
      self._launcher.launch(functools.partial(program, table.reshape(-1, 3)))

  def _copy(
    self, source: KVCache | None, target: KVCache, table: np.ndarray
  ) -> KVCache:
    """The target with copies from the source, or from itself."""
    mesh = self._models.mesh
    return engine.copy(
      source,
      target,
      partitioning.put(table, mesh),
      mesh=mesh,
      size=self._copy_size,
    )

  def _empty(self, cfg, rows: int, cache_len: int) -> KVCache:
    mesh = self._models.mesh
    return _maker(cfg, mesh.shape['data'] * rows, cache_len, mesh)()


@functools.cache
def _maker(cfg, rows: int, cache_len: int, mesh) -> Callable[[], KVCache]:
  """What makes caches of a kind; compiled once, however many there are.

  They must be laid out just as the programs leave them, which never name an
  axis of one device, or each program would be compiled for both.
  """
  axes = [axis if mesh.shape[axis] > 1 else None for axis in ('data', 'model')]
  while axes and axes[-1] is None:
    axes.pop()
  layout = NamedSharding(mesh, PartitionSpec(*axes))
  return jax.jit(
    lambda: KVCache.empty(cfg, rows, cache_len), out_shardings=layout
  )
