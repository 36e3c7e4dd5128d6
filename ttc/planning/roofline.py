"""Roofline bounds: how long a program takes at least, and what limits it.

Matrix products run at the chip's peak, bytes move at the bandwidth of HBM, and
collectives use a ring along one axis of the torus. If all three overlap
perfectly, the longest is the time (Williams et al. 2009). No program reaches
the bound: a good one takes one and a half to three times as long. XLA's own
`optimal_seconds` is not used, for it is negative on some chips.
"""

import dataclasses

from ttc.models.chips import Chip
from ttc.planning.costs import Costs

LIMITS = ('flops', 'hbm', 'interconnect')


@dataclasses.dataclass(frozen=True)
class Bound:
  """Lower bounds on the time of a program, in seconds.

  Attributes:
    flops: time of its matrix products.
    hbm: time of its HBM traffic.
    interconnect: time of its collectives.
  """

  flops: float
  hbm: float
  interconnect: float

  @classmethod
  def of(cls, costs: Costs, chip: Chip) -> 'Bound':
    """The bounds of a program with some costs on a chip."""
    sent = sum(kind.sent * count for kind, count in costs.collectives.items())
    return cls(
      costs.flops / chip.flops, costs.bytes / chip.bandwidth, sent / chip.axis
    )

  @property
  def seconds(self) -> float:
    """The bound: the longest of the three times."""
    return max(self.flops, self.hbm, self.interconnect)

  @property
  def limit(self) -> str:
    """What sets the bound, one of `LIMITS`."""
    return max(LIMITS, key=lambda name: getattr(self, name))

  def __add__(self, other: 'Bound') -> 'Bound':
    return Bound(
      *(getattr(self, name) + getattr(other, name) for name in LIMITS)
    )

  def __mul__(self, times: float) -> 'Bound':
    return Bound(*(getattr(self, name) * times for name in LIMITS))
