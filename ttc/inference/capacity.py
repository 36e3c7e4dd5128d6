"""How much a device works on at once, and whether that fits."""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp

from ttc.inference import prefill
from ttc.inference.models import Models
from ttc.models.config import TransformerConfig

_ROUND = 64  # cells come in multiples, so that stages share programs
_UNIT = 16  # and those of a program in multiples of this


@dataclasses.dataclass(frozen=True)
class Capacity:
  """Sizes of the programs, a device.

  Attributes:
    lanes: rows that a program samples at once (C); two programs take turns.
    slots: rows that live at once (R). Rows wait at step ends for their
      siblings; four times as many slots as lanes keep the lanes busy.
    cells: tokens of a row, prompt included (S).
    line: tokens read at once (T).
    chunk: tokens that a row gains before lanes are given out anew (U), where
      rows pause after steps; four times as many where they run to their ends.
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
    """Sizes for what is asked for.

    Args:
      rows: sampled at once, by both programs.
      longest: tokens of a row.
      width: rows of a question that must live at once.
      line: see the class.
    """
    cache_len = -(-longest // _ROUND) * _ROUND
    return cls(-(-rows // 2), max(2 * rows, width), cache_len, line)

  @functools.cached_property
  def widths(self) -> tuple[int, ...]:
    """Lanes of the programs: few when few rows are left."""
    narrow = -(-self.lanes // 4)
    return (narrow, self.lanes) if narrow < self.lanes else (self.lanes,)

  @functools.cached_property
  def chunks(self) -> tuple[int, ...]:
    """Tokens of the sampling programs: for steps, and for whole attempts."""
    whole = min(4 * self.chunk, self.cache_len)
    return (self.chunk, whole) if self.chunk < whole else (whole,)

  @functools.cached_property
  def lengths(self) -> tuple[int, ...]:
    """Cells of the programs: quarters, that short rows pay less."""
    count = max(1, min(4, self.cache_len // max(self.chunks)))
    unit = math.gcd(self.cache_len, _UNIT)
    quarter = unit * -(-self.cache_len // (unit * count))
    return (*range(quarter, self.cache_len, quarter), self.cache_len)

  @functools.cached_property
  def copy_size(self) -> int:
    """Cells that are copied at once."""
    return math.gcd(_ROUND, *self.lengths)

  @property
  def prefill_sizes(self) -> tuple[int, ...]:
    """Tokens of the reading programs: few when few are waiting."""
    small = max(prefill.SEGMENT, self.line // 8)
    return (small, self.line) if small < self.line else (self.line,)

  def bytes(self, models: Models) -> int:
    """What the pools and the lanes take on a device, weights not counted."""
    cut = models.mesh.shape['model']
    rows = {
      'proposer': self.slots + 1 + 2 * self.lanes,
      'verifier': self.slots + 1,
    }
    return sum(
      rows[role] * self.cache_len * _cell_bytes(model.cfg) // cut
      for role, model in models.present.items()
    )

  def check(self, models: Models) -> None:
    """Raises ValueError where the caches cannot fit, before any is made."""
    there = free_bytes(models.mesh.local_devices[0])
    needed = self.bytes(models)
    if there is not None and needed > there:
      raise ValueError(
        f'The caches of {self.slots} rows of {self.cache_len} tokens need '
        f'{needed / 2**30:.2f} GiB a device, and {there / 2**30:.2f} GiB are '
        f'free; lower Solver.rows (now {2 * self.lanes} a device) or '
        'Generation.max_tokens.'
      )


def _cell_bytes(cfg: TransformerConfig) -> int:
  """Keys and values of one token in all layers."""
  numbers = 2 * cfg.num_layers * cfg.num_kv_heads * cfg.head_dim
  return numbers * jnp.dtype(cfg.dtype).itemsize


def free_bytes(device: jax.Device) -> int | None:
  """Memory left on a device; None where nobody knows."""
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
