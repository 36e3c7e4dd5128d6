"""How fast a stage works: steps, tokens and FLOPs a second, and memory."""

from collections.abc import Callable
import time

import jax

from ttc.models.config import TransformerConfig
from ttc.models.transformer import Head
from ttc.runtime.chips import CHIPS

_COUNTS = ('useful', 'executed', 'lanes', 'lane_capacity')
# How JAX names the devices whose peaks are known.
_KINDS = {
  'TPU v4': 'v4',
  'TPU v5 lite': 'v5e',
  'TPU v5e': 'v5e',
  'TPU v5': 'v5p',
  'TPU v5p': 'v5p',
  'TPU v6 lite': 'v6e',
  'TPU v6e': 'v6e',
  'TPU7x': 'tpu7x',
}


class TrainingPace:
  """The speed of training between two looks at it.

  FLOPs are the model's own, whatever is computed again to save memory: six a
  token for each parameter that it is multiplied with, and twelve for each
  number of a head and each key that a query sees, half of a row on average.
  Utilization (MFU) is their share of the devices' peak, where that is known.
  """

  def __init__(
    self,
    cfg: TransformerConfig,
    head: Head,
    batch: int,
    seq_len: int,
    *,
    clock: Callable[[], float] = time.monotonic,
  ):
    """Describes a step.

    Args:
      cfg: of the model.
      head: which one it trains with.
      batch: rows of a step, over all processes.
      seq_len: tokens of a row, padding included.
      clock: seconds, monotonic.
    """
    self._tokens = batch * seq_len
    # One table looks embeddings up, and one, maybe the same, gives logits.
    tables = 2 - cfg.tied - (head == 'logits')
    weights = cfg.num_params - tables * cfg.vocab_size * cfg.embed_dim
    keys = cfg.num_layers * cfg.num_heads * cfg.head_dim * seq_len / 2
    self._flops = self._tokens * (6 * weights + 12 * keys)
    self._clock = clock
    self._since: tuple[int, float] | None = None

  def at(self, step: int) -> dict[str, float]:
    """Means since the last call; without one, only memory is told."""
    now, told = self._clock(), memory()
    if self._since is not None and step > self._since[0]:
      seconds = max(now - self._since[1], 1e-9) / (step - self._since[0])
      told |= {
        'step_seconds': seconds,
        'tokens_per_second': self._tokens / seconds,
        'flops_per_second': self._flops / seconds,
      }
      peak = peak_flops()
      if peak:
        told['mfu'] = self._flops / seconds / peak
    self._since = step, now
    return told

  def restart(self, step: int) -> None:
    """Leaves out what was done since the last call."""
    self._since = step, self._clock()


class SamplingPace:
  """The speed of sampling between two looks at it."""

  def __init__(self, clock: Callable[[], float] = time.monotonic):
    self._clock = clock
    self._loads = {}
    self._before = dict.fromkeys(_COUNTS, 0)
    self._since = clock()
    self._rows = self._slots = 0

  def see(self, load) -> None:
    """Takes in where a scheduler stands (inference/utilization)."""
    self._loads[id(load)] = load  # kept, so that the id stays its own
    self._rows += load.rows
    self._slots += load.slots

  def take(self) -> dict[str, float]:
    """Means since the last call; nothing where nothing was sampled.

    `lane_tokens` counts tokens drawn, `forwards` those that went through a
    model and had a use; shares are of lanes with a row and of slots held.
    """
    now = self._clock()
    seconds, self._since = max(now - self._since, 1e-9), now
    total = {
      name: sum(getattr(load, name) for load in self._loads.values())
      for name in _COUNTS
    }
    fresh = {name: total[name] - self._before[name] for name in _COUNTS}
    self._before = total
    told = {'seconds': seconds}
    if fresh['executed']:
      told |= memory() | {
        'forwards_per_second': fresh['useful'] / seconds,
        'executed_per_useful': fresh['executed'] / max(fresh['useful'], 1),
      }
    if fresh['lane_capacity']:
      told |= {
        'lane_tokens_per_second': fresh['lanes'] / seconds,
        'lanes_used': fresh['lanes'] / fresh['lane_capacity'],
      }
    if self._slots:
      told['slots_used'] = self._rows / self._slots
    self._rows = self._slots = 0
    return told


def memory() -> dict[str, float]:
  """Bytes in use on this process's fullest device, where it tells them."""
  stats = [device.memory_stats() or {} for device in jax.local_devices()]
  return {
    f'hbm_{name}': max(told[key] for told in stats)
    for name, key in (('bytes', 'bytes_in_use'), ('peak', 'peak_bytes_in_use'))
    if all(key in told for told in stats)
  }


def peak_flops() -> float | None:
  """Of all devices together; None where a kind is not in the table."""
  kinds = [_KINDS.get(device.device_kind) for device in jax.devices()]
  if None in kinds:
    return None
  return sum(CHIPS[kind].flops for kind in kinds)
