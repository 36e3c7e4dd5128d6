"""Descriptions of TPU slices, for ahead-of-time compilation without TPUs.

libtpu describes the devices of a slice and compiles for them on any machine.
"""

import dataclasses
import functools
import importlib.util
import math
import os
import re
from typing import Any

from ttc.models.chips import Chip, CHIPS

_NAME = re.compile(r'(\w+):(\d+(?:x\d+){1,2})')


@dataclasses.dataclass(frozen=True, eq=False)
class Topology:
  """A TPU slice.

  Attributes:
    name: generation and shape in chips, e.g. 'v5e:4x4'.
    chip: properties of one of its devices.
    devices: JAX device objects, which can be compiled for but not used.
  """

  name: str
  chip: Chip
  devices: tuple[Any, ...]

  @property
  def chips(self) -> int:
    """Number of chips."""
    return len(self.devices) // self.chip.devices

  @property
  def hosts(self) -> int:
    """Number of hosts."""
    return len({device.process_index for device in self.devices})

  @property
  def host(self) -> 'Topology':
    """A slice with the chips of one host.

    Samplers run on each host separately, and libtpu does not compile for a part
    of a slice.
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
  """Describes a slice.

  Must be called before JAX initializes its devices, with JAX_PLATFORMS=cpu.

  Args:
    name: generation and shape in chips, e.g. v5e:4x4, v5p:2x2x2, tpu7x:2x2x1.

  Raises:
    ValueError: there is no such slice, or libtpu is not installed.
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
  # Without these, libtpu queries the metadata server of a TPU VM, for which it
  # waits, and takes a lock that allows one process per machine.
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
  except Exception as error:  # JAX does not document its class
    raise ValueError(
      f'--topology={name} is not what libtpu knows: '
      f'{str(error).splitlines()[0]}'
    ) from error
  topology = Topology(name, chip, tuple(devices))
  if topology.chips != math.prod(shape):
    raise ValueError(
      f'--topology={name} has {math.prod(shape)} chips, and libtpu describes '
      f'{len(devices)} devices.'
    )
  return topology


def _host(shape: tuple[int, ...]) -> tuple[int, int, int]:
  """Number of chips of a host along each axis.

  A v5e or v6e slice of 2x4 chips is one host; in all others a host has a square
  of at most 2x2.
  """
  if shape == (2, 4):
    return 2, 4, 1
  x, y = min(shape[0], 2), min(shape[1], 2)
  return x, y, 1
