"""Sizes of the device programs and of their caches, and whether they fit."""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp

from ttc.inference import prefill
from ttc.inference.models import Models
from ttc.models.config import TransformerConfig

# Rows have room for a multiple of this, so that stages whose longest rows
# differ a little share compiled programs.
_ROUND = 64
# The cache length of each program is a multiple of this.
_UNIT = 16


@dataclasses.dataclass(frozen=True)
class Capacity:
  """Sizes of the programs, per device.

  Attributes:
    lanes: rows that one group of lanes samples at once (C); two groups take
      turns.
    slots: rows that are alive at once (R). Rows wait at step ends for their
      siblings; four times as many slots as lanes keep the lanes busy.
    cache_len: cache positions of a row, its prompt included (S).
    line: tokens of a packed prefill (T).
    chunk: tokens that a row gains at most per call (U), where rows pause after
      steps; four times as many where they run to their ends.
  """

  lanes: int
  slots: int
  cache_len: int
  line: int = 512
  chunk: int = 16

  def __post_init__(self):
    for field in dataclasses.fields(self):
      if getattr(self, field.name) < 1:
        raise ValueError(
          f'Capacity.{field.name}={getattr(self, field.name)}; it must be '
          'at least 1.'
        )

  @classmethod
  def create(
    cls, rows: int, longest: int, width: int, line: int = 512
  ) -> 'Capacity':
    """Sizes for a workload.

    Args:
      rows: number of rows sampled at once, by both groups of lanes.
      longest: number of tokens of the longest row.
      width: largest number of rows of one question that are alive at once.
      line: see the class.
    """
    cache_len = -(-longest // _ROUND) * _ROUND
    return cls(-(-rows // 2), max(2 * rows, width), cache_len, line)

  @functools.cached_property
  def widths(self) -> tuple[int, ...]:
    """Lanes of the programs: fewer for the end, when few rows are left."""
    narrow = -(-self.lanes // 4)
    return (narrow, self.lanes) if narrow < self.lanes else (self.lanes,)

  @functools.cached_property
  def chunks(self) -> tuple[int, ...]:
    """Tokens of the sampling programs: for steps, and for whole attempts."""
    whole = min(4 * self.chunk, self.cache_len)
    return (self.chunk, whole) if self.chunk < whole else (whole,)

  @functools.cached_property
  def lengths(self) -> tuple[int, ...]:
    """Cache lengths of the programs: quarters, so that short rows cost less."""
    count = max(1, min(4, self.cache_len // max(self.chunks)))
    unit = math.gcd(self.cache_len, _UNIT)
    quarter = unit * -(-self.cache_len // (unit * count))
    return (*range(quarter, self.cache_len, quarter), self.cache_len)

  @functools.cached_property
  def copy_size(self) -> int:
    """Cache positions that one copy moves; divides every cache length."""
    return math.gcd(_ROUND, *self.lengths)

  @property
  def prefill_sizes(self) -> tuple[int, ...]:
    """Tokens of the prefill programs: fewer for when few tokens wait."""
    small = max(prefill.SEGMENT, self.line // 8)
    return (small, self.line) if small < self.line else (self.line,)

  def bytes(self, models: Models) -> int:
    """Bytes of the pools and lanes per device, without the weights."""
    cut = models.mesh.shape['model']
    rows = {
      'proposer': self.slots + 1 + 2 * self.lanes,
      'verifier': self.slots + 1,
    }
    return sum(
      rows[role] * self.cache_len * _position_bytes(model.cfg) // cut
      for role, model in models.present.items()
    )

  def check(self, models: Models) -> None:
    """Raises ValueError if the caches cannot fit; nothing is allocated."""
    there = free_bytes(models.mesh.local_devices[0])
    needed = self.bytes(models)
    if there is not None and needed > there:
      raise ValueError(
        f'The caches of {self.slots} rows of {self.cache_len} tokens need '
        f'{needed / 2**30:.2f} GiB per device, and {there / 2**30:.2f} GiB are '
        f'free; lower Solver.rows (now {2 * self.lanes} per device) or '
        'Generation.max_tokens.'
      )


def _position_bytes(cfg: TransformerConfig) -> int:
  """Bytes of the keys and values of one token in all layers."""
  numbers = 2 * cfg.num_layers * cfg.num_kv_heads * cfg.head_dim
  return numbers * jnp.dtype(cfg.dtype).itemsize


def free_bytes(device: jax.Device) -> int | None:
  """Bytes of memory left on a device; None if that cannot be found out."""
  stats = device.memory_stats()
  if stats and 'bytes_limit' in stats:
    return stats['bytes_limit'] - stats['bytes_in_use']
  if device.platform != 'cpu':
    return None
  try:
    with open('/proc/meminfo', encoding='ascii') as lines_of:
      table = dict(line.split(':') for line in lines_of)
  except FileNotFoundError:
    return None
  shared = len(jax.local_devices(backend='cpu'))
  return int(table['MemAvailable'].split()[0]) * 1024 // shared
