"""What a chip can do, by generation: the numbers that a plan divides by.

Memory, bandwidths and peaks are those of Google's pages on each generation
(cloud.google.com/tpu/docs/v4, v5e, v5p, v6e and tpu7x, read in 2026). What a
program may use of a chip's memory is less than that: it is what the TPU
compiler (libtpu 0.0.51) itself says when a program asks for more.

A device is what JAX calls so: a chip, but for TPU7x, whose two cores are two
devices with half of everything.
"""

import dataclasses

_GIB = 2**30


@dataclasses.dataclass(frozen=True)
class Chip:
  """One device of a generation.

  Attributes:
    name: as in the name of a topology.
    hbm: bytes that programs may use.
    flops: at most a second, bfloat16 with float32 sums.
    bandwidth: bytes that memory reads or writes a second.
    ici: bytes that all of its links together carry a second, both directions
      added.
    links: to its neighbours, two for each axis of the torus.
    devices: of a chip.
    config: what the compiler calls a chip whose cores are one device.
  """

  name: str
  hbm: int
  flops: float
  bandwidth: float
  ici: float
  links: int
  devices: int = 1
  config: str = 'default'

  @property
  def axis(self) -> float:
    """Bytes a second that leave by the two links along one axis."""
    return self.ici / self.links


CHIPS = {
  chip.name: chip
  for chip in (
    Chip('v4', int(30.75 * _GIB), 275e12, 1.2e12, 600e9, 6, config='megacore'),
    Chip('v5e', int(15.75 * _GIB), 197e12, 819e9, 400e9, 4),
    Chip('v5p', int(95.73 * _GIB), 459e12, 2765e9, 1200e9, 6),
    Chip('v6e', int(31.24 * _GIB), 918e12, 1638e9, 800e9, 4),
    Chip(
      'tpu7x',
      int(94.74 * _GIB),
      2307e12 / 2,
      7380e9 / 2,
      1200e9 / 2,
      6,
      devices=2,
    ),
  )
}
