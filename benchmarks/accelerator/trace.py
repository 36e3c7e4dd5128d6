"""How busy a device was, from a profile of it."""

from collections.abc import Callable, Iterable
import dataclasses
import pathlib
import re
import tempfile

import jax

from benchmarks.accelerator import clock

_NS = 1e-9


@dataclasses.dataclass(frozen=True)
class Busy:
  """What a device did while something ran.

  Attributes:
    wall: seconds that it took, under the profiler.
    programs: seconds of each device program, by name.
    launches: of each program.
    running: seconds in which some program ran, gaps between its own kernels
      included.
    kernels: seconds in which some kernel ran.
  """

  wall: float
  programs: dict[str, float]
  launches: dict[str, int]
  running: float
  kernels: float

  def shares(self) -> dict[str, float]:
    """Of the wall time, by program, the largest first."""
    ordered = sorted(self.programs.items(), key=lambda item: -item[1])
    return {name: spent / self.wall for name, spent in ordered}


def measure(run: Callable[[], object]) -> Busy | None:
  """Profiles a call; None where the platform's profile names no device."""
  with tempfile.TemporaryDirectory() as folder:
    with jax.profiler.trace(folder):
      wall = clock.seconds(run)
    return read(pathlib.Path(folder), wall)


def read(folder: pathlib.Path, wall: float) -> Busy | None:
  """The first device's part of a profile."""
  modules, kernels = [], []
  for file in folder.rglob('*.xplane.pb'):
    for plane in jax.profiler.ProfileData.from_file(str(file)).planes:
      if not re.fullmatch(r'/device:(GPU|TPU):0', plane.name):
        continue
      for line in plane.lines:
        events = [
          (event.name, event.start_ns, event.start_ns + event.duration_ns)
          for event in line.events
        ]
        if line.name == 'XLA Modules':
          modules += events
        elif line.name.startswith('Stream') or line.name == 'XLA Ops':
          kernels += events
  if not modules and not kernels:
    return None
  spent, launches = {}, {}
  for name, start, end in modules:
    name = program(name)
    spent[name] = spent.get(name, 0.0) + (end - start) * _NS
    launches[name] = launches.get(name, 0) + 1
  return Busy(wall, spent, launches, union(modules), union(kernels))


def program(module: str) -> str:
  """The function that a module was compiled from: extend of jit_extend(17)."""
  return re.sub(r'^jit_+|\(.*$|\.\d+$', '', module)


def union(events: Iterable[tuple[str, float, float]]) -> float:
  """Seconds in which at least one of the events went on.

  Args:
    events: (name, start, end), in nanoseconds.
  """
  total, reached = 0.0, float('-inf')
  for _, start, end in sorted(events, key=lambda event: event[1]):
    total += max(0.0, end - max(start, reached))
    reached = max(reached, end)
  return total * _NS
