"""Hardware limits of each TPU generation, which a plan divides by.

Memory, bandwidths and peak FLOP/s are from Google's pages on each generation
(cloud.google.com/tpu/docs/v4, v5e, v5p, v6e and tpu7x, read in 2026). A program
may use less than the whole memory of a chip: `hbm` is the limit that the TPU
compiler (libtpu 0.0.51) names when a program asks for more.

A device is what JAX calls a device: one chip, except for TPU7x, where each of
the two cores is a device with half of the chip's resources.
"""

import dataclasses

_GIB = 2**30


@dataclasses.dataclass(frozen=True)
class Chip:
  """The limits of one device of a TPU generation.

  Attributes:
    name: the generation as topology names write it, e.g. 'v5e'.
    hbm: bytes of HBM that programs may use on the device.
    flops: peak FLOP/s of the device, for bfloat16 products with float32 sums.
    bandwidth: bytes per second that HBM reads or writes.
    ici: bytes per second over all inter-chip links of the device together, both
      directions added.
    links: number of inter-chip links, two for each axis of the torus.
    devices: number of JAX devices per chip.
    config: libtpu's chip configuration; 'megacore' fuses the two cores of a
      chip into one device.
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
    """Bytes per second that a device sends over both links of one axis.

    A link carries `ici / links`, half of it in each direction, and an axis has
    two links.
    """
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
      # Google's numbers are per chip, which has two devices.
      2307e12 / 2,
      7380e9 / 2,
      1200e9 / 2,
      6,
      devices=2,
    ),
  )
}
