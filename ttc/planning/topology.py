"""Devices that are not here, for the compiler to compile for.

libtpu describes the chips of a slice, and compiles for all of them without a
TPU in sight.
"""

import dataclasses
import functools
import importlib.util
import math
import os
import re
from typing import Any

from ttc.runtime.chips import Chip, CHIPS

_NAME = re.compile(r'(\w+):(\d+(?:x\d+){1,2})')


@dataclasses.dataclass(frozen=True, eq=False)
class Topology:
  """A slice.

  Attributes:
    name: e.g. 'v5e:4x4'.
    chip: what it is made of.
    devices: all of them, as JAX knows devices.
  """

  name: str
  chip: Chip
  devices: tuple[Any, ...]

  @property
  def chips(self) -> int:
    return len(self.devices) // self.chip.devices

  @property
  def hosts(self) -> int:
    return len({device.process_index for device in self.devices})

  @property
  def host(self) -> 'Topology':
    """The chips of one host as a slice of their own.

    Samplers use those of one; the compiler refuses a part of a slice.
    """
    if self.hosts == 1:
      return self
    shape = _host(tuple(map(int, self.name.split(':')[1].split('x'))))
    axes = self.name.count('x') + 1
    return describe(
      f'{self.chip.name}:{"x".join(str(n) for n in shape[:axes])}'
    )


@functools.cache
def describe(name: str) -> Topology:
  """The slice of a name such as v5e:4x4, v5p:2x2x2 or tpu7x:2x2x1.

  Call it before anything asks JAX for devices, with JAX_PLATFORMS=cpu.

  Raises:
    ValueError: there is no such slice, or no libtpu to describe it.
  """
  match = _NAME.fullmatch(name)
  if not match or match[1] not in CHIPS:
    raise ValueError(
      f'--topology={name!r} is no slice; write a generation of '
      f'{", ".join(CHIPS)} and its shape in chips, such as v5e:4x4 or '
      'v5p:2x2x2.'
    )
  if importlib.util.find_spec('libtpu') is None:
    raise ValueError(
      'programs are compiled for TPUs by libtpu, which is not installed; '
      "pip install -c constraints.txt '.[plan]'."
    )
  chip, shape = CHIPS[match[1]], tuple(map(int, match[2].split('x')))
  # Without these libtpu asks the network who it is and waits, and wants to be
  # the only one on this machine, as if there were chips.
  os.environ.setdefault('TPU_SKIP_MDS_QUERY', '1')
  os.environ.setdefault('ALLOW_MULTIPLE_LIBTPU_LOAD', '1')
  from jax.experimental import topologies

  try:
    devices = topologies.get_topology_desc(
      platform='tpu',
      topology_name=name,
      chip_config_name=chip.config,
      chips_per_host_bounds=_host(shape),
    ).devices
  except Exception as error:  # of a class that JAX does not name
    raise ValueError(
      f'--topology={name} is not what libtpu knows: '
      f'{str(error).splitlines()[0]}'
    ) from error
  found = Topology(name, chip, tuple(devices))
  if found.chips != math.prod(shape):
    raise ValueError(
      f'--topology={name} has {math.prod(shape)} chips, and libtpu describes '
      f'{len(devices)} devices.'
    )
  return found


def _host(shape: tuple[int, ...]) -> tuple[int, int, int]:
  """Chips of a host along each axis: four in a square, or all of eight.

  Flat slices of eight chips (v5e and v6e) are one machine; in larger ones a
  machine has four.
  """
  if shape == (2, 4):
    return 2, 4, 1
  x, y = min(shape[0], 2), min(shape[1], 2)
  return x, y, 1
