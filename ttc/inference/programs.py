"""The device programs, bound to the models and arrays that they work on."""

from collections.abc import Iterable
from concurrent.futures import Future

import jax
from jax.sharding import NamedSharding, PartitionSpec
import numpy as np

from ttc.inference import engine
from ttc.inference.busy import BusyTime
from ttc.inference.capacity import Capacity
from ttc.inference.engine import LaneBatch
from ttc.inference.kv_pools import KvPools
from ttc.inference.lanes import LaneGroup
from ttc.inference.launcher import Launcher
from ttc.inference.models import Models
from ttc.inference.prefill import PackedPrefill
from ttc.inference.stops import Stops
from ttc.models import partitioning
from ttc.models.rope import Angles


class Programs:
  """Prefill and extend, launched without waiting for their results.

  Attributes:
    kv: the pools; their copies are launched in turn with the programs.
    busy: how long devices had one of them to run.
  """

  def __init__(self, models: Models, capacity: Capacity):
    """Makes the pools and what all calls share.

    Args:
      models: who samples and who scores.
      capacity: sizes per device.

    Raises:
      ValueError: the pools cannot fit.
    """
    capacity.check(models)
    self._models = models
    self._launcher = Launcher(models.mesh)
    self.kv = KvPools(models, capacity, self._launcher)
    self.busy = BusyTime(models.platform)
    self._stops = self._replicate(Stops(models.step_end, models.end))
    top_p = models.generation.top_p
    self._top_p = None if top_p == 1 else np.float32(top_p)
    self._angles = {
      role: self._replicate(Angles.table(model.cfg, capacity.cache_len))
      for role, model in models.present.items()
    }

  def prefill(
    self, role: str, packed: Iterable[PackedPrefill], cache_len: int
  ) -> Future:
    """Reads known tokens.

    Args:
      role: the model that reads, 'proposer' or 'verifier'.
      packed: the tokens, one packed prefill per device.
      cache_len: cache positions of each row that queries look at.

    Returns:
      A future of the values [devices * T] of each token for a verifier; of
      None for a proposer.
    """
    model, packed = self._models.present[role], _stack(packed)

    def program():
      self.kv.arrays[role], values = engine.prefill(
        model.layers,
        self._angles[role],
        self.kv.arrays[role],
        self._put(packed),
        head='logits' if role == 'proposer' else 'value',
        cfg=model.cfg,
        mesh=self._models.mesh,
        cache_len=cache_len,
      )
      if values is not None:
        self.busy.follow(values)
      return values

    return self._launcher.launch(program)

  def extend(
    self, group: LaneGroup, batches: Iterable[LaneBatch], max_new: int
  ) -> Future:
    """Samples in the lanes of a group.

    Args:
      group: its cache is consumed and replaced.
      batches: the lanes, one batch per device.
      max_new: tokens that a row gains at most.

    Returns:
      A future of the `engine.Grown` of all devices.
    """
    model, batch = self._models.proposer, _stack(batches)

    def program():
      group.cache, grown = engine.extend(
        model.layers,
        self._angles['proposer'],
        group.cache,
        self._put(batch),
        self._stops,
        self._top_p,
        cfg=model.cfg,
        mesh=self._models.mesh,
        max_new=max_new,
        certain=self._models.generation.certainty,
      )
      self.busy.follow(grown.count)
      return grown

    return self._launcher.launch(program)

  def _put(self, tree):
    return partitioning.put(tree, self._models.mesh)

  def _replicate(self, tree):
    return jax.device_put(
      tree, NamedSharding(self._models.mesh, PartitionSpec())
    )


def _stack(trees: Iterable):
  """Arrays of the devices, one after the other."""
  return jax.tree.map(lambda *x: np.concatenate(x), *trees)
