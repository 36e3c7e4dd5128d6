"""Throughput of a stage: steps, tokens and FLOPs per second, and memory."""

from collections.abc import Callable
import time

import jax

from ttc.models.chips import CHIPS
from ttc.models.config import TransformerConfig
from ttc.models.transformer import Head

# Fields of a scheduler's Utilization that only ever grow.
_COUNTS = ('useful', 'executed', 'lanes', 'lane_capacity', 'busy_s')
# From jax.Device.device_kind to the names in CHIPS.
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
  """Throughput of training between two measurements.

  FLOPs are the model's own: what rematerialization computes again does not
  count. A token takes 6 FLOPs per parameter that it is multiplied with, 2
  forward and 4 backward; and 12 per layer, head, dimension of a head and key
  that it attends to, which are half of the sequence on average. Model FLOPs
  utilization (MFU) is their share of the devices' peak, where that is known.
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
    """Computes tokens and FLOPs per step.

    Args:
      cfg: of the model.
      head: the head that is trained, 'logits' or 'value'.
      batch: sequences per step, over all processes.
      seq_len: tokens per sequence, padding included.
      clock: returns seconds, monotonic.
    """
    self._tokens = batch * seq_len
    # The embedding table is looked up, not multiplied: subtract it, unless it
    # is also the output layer (tied, with logits). Without logits an untied
    # model's output table is not used either.
    tables = 2 - cfg.tied - (head == 'logits')
    weights = cfg.num_params - tables * cfg.vocab_size * cfg.embed_dim
    keys = cfg.num_layers * cfg.num_heads * cfg.head_dim * seq_len / 2
    self._flops = self._tokens * (6 * weights + 12 * keys)
    self._clock = clock
    self._since: tuple[int, float] | None = None

  def at(self, step: int) -> dict[str, float]:
    """Measures at a step, with means over the steps since the last call.

    Args:
      step: number of steps done so far.

    Returns:
      `step_seconds`, `tokens_per_second`, `flops_per_second` over all devices
      and, if the peak is known, `mfu`, with the numbers of `memory`. The first
      call returns only those of `memory`.
    """
    now, metrics = self._clock(), memory()
    if self._since is not None and step > self._since[0]:
      seconds = max(now - self._since[1], 1e-9) / (step - self._since[0])
      metrics |= {
        'step_seconds': seconds,
        'tokens_per_second': self._tokens / seconds,
        'flops_per_second': self._flops / seconds,
      }
      peak = peak_flops()
      if peak:
        metrics['mfu'] = self._flops / seconds / peak
    self._since = step, now
    return metrics

  def restart(self, step: int) -> None:
    """Leaves the time since the last call out, such as an evaluation's."""
    self._since = step, self._clock()


class SamplingPace:
  """Throughput of sampling between two measurements."""

  def __init__(self, clock: Callable[[], float] = time.monotonic):
    self._clock = clock
    self._loads = {}
    self._before = dict.fromkeys(_COUNTS, 0)
    self._since = clock()
    # Summed over the rounds since the last `take`.
    self._rows = self._slots = 0

  def see(self, load) -> None:
    """Observes a scheduler after a round.

    Args:
      load: its `inference.utilization.Utilization`, updated in place.
    """
    # Keeping the object also keeps its id from being given to another one.
    self._loads[id(load)] = load
    self._rows += load.rows
    self._slots += load.slots

  def take(self) -> dict[str, float]:
    """Measures, with means over the time since the last call.

    Returns:
      `seconds` since the last call and, if anything was sampled:
      `forwards_per_second`, token-forwards whose result was used;
      `executed_per_useful`, all token-forwards per used one;
      `lane_tokens_per_second`, tokens drawn by lanes with a row;
      `lanes_used` and `slots_used`, shares of the lanes that had a row and of
      the slots that were held; `devices_busy`, the share of the time in which
      they had a program, where that is known; and the numbers of `memory`.
    """
    now = self._clock()
    seconds, self._since = max(now - self._since, 1e-9), now
    total = {
      name: sum(getattr(load, name) for load in self._loads.values())
      for name in _COUNTS
    }
    fresh = {name: total[name] - self._before[name] for name in _COUNTS}
    self._before = total
    metrics = {'seconds': seconds}
    if fresh['executed']:
      metrics |= memory() | {
        'forwards_per_second': fresh['useful'] / seconds,
        'executed_per_useful': fresh['executed'] / max(fresh['useful'], 1),
      }
    if fresh['lane_capacity']:
      metrics |= {
        'lane_tokens_per_second': fresh['lanes'] / seconds,
        'lanes_used': fresh['lanes'] / fresh['lane_capacity'],
      }
    if fresh['busy_s']:
      metrics['devices_busy'] = fresh['busy_s'] / seconds
    if self._slots:
      metrics['slots_used'] = self._rows / self._slots
    self._rows = self._slots = 0
    return metrics


def memory() -> dict[str, float]:
  """HBM in use on this process's devices, the highest of them.

  Returns:
    `hbm_bytes` in use now and `hbm_peak` since the process began; without what
    a backend does not report (the CPU reports neither).
  """
  stats = [device.memory_stats() or {} for device in jax.local_devices()]
  return {
    f'hbm_{name}': max(stat[key] for stat in stats)
    for name, key in (('bytes', 'bytes_in_use'), ('peak', 'peak_bytes_in_use'))
    if all(key in stat for stat in stats)
  }


def peak_flops() -> float | None:
  """Peak FLOP/s of all devices of the run together.

  Returns:
    The sum of `Chip.flops`; None if the kind of any device is not known.
  """
  kinds = [_KINDS.get(device.device_kind) for device in jax.devices()]
  if None in kinds:
    return None
  return sum(CHIPS[kind].flops for kind in kinds)
