"""How long a program takes at least, and what sets that bound.

Products at the peak, bytes at the bandwidth of memory, and collectives on a
ring along one axis of the torus, each at its own speed and all at once: the
longest of the three. XLA's own `optimal_seconds` is negative on some chips.
Nothing runs at the bound: a good program takes one and a half to three times
as long.
"""

import dataclasses

from ttc.planning.costs import Costs
from ttc.runtime.chips import Chip

LIMITS = ('flops', 'hbm', 'interconnect')


@dataclasses.dataclass(frozen=True)
class Bound:
  """Seconds of a program, by what it waits for."""

  flops: float
  hbm: float
  interconnect: float

  @classmethod
  def of(cls, costs: Costs, chip: Chip) -> 'Bound':
    sent = sum(kind.sent * count for kind, count in costs.collectives.items())
    return cls(
      costs.flops / chip.flops, costs.bytes / chip.bandwidth, sent / chip.axis
    )

  @property
  def seconds(self) -> float:
    return max(self.flops, self.hbm, self.interconnect)

  @property
  def limit(self) -> str:
    """The one that takes longest."""
    return max(LIMITS, key=lambda name: getattr(self, name))

  def __add__(self, other: 'Bound') -> 'Bound':
    return Bound(
      *(getattr(self, name) + getattr(other, name) for name in LIMITS)
    )

  def __mul__(self, times: float) -> 'Bound':
    return Bound(*(getattr(self, name) * times for name in LIMITS))
