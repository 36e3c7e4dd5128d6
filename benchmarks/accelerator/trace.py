"""How busy a device was, from a profile of it."""

import collections
from collections.abc import Callable, Iterable
import dataclasses
import itertools
import pathlib
import re
import tempfile

import jax

from benchmarks.accelerator import clock

_NS = 1e-9
_MOST = 3_000_000  # kernels of a profile that are added up


@dataclasses.dataclass(frozen=True)
class Busy:
  """What a device did while something ran.

  Attributes:
    wall: seconds that it took, under the profiler.
    programs: seconds of each device program, by name.
    launches: of each program.
    running: seconds in which some program ran, gaps between its own kernels
      included; in which some kernel ran where programs are not told apart.
    kernels: seconds in which some kernel ran; None if they are too many.
  """

  wall: float
  programs: dict[str, float]
  launches: dict[str, int]
  running: float
  kernels: float | None

  def shares(self) -> dict[str, float]:
    """Of the wall time, by program, the largest first."""
    ordered = sorted(self.programs.items(), key=lambda item: -item[1])
    return {name: spent / self.wall for name, spent in ordered}


def measure(run: Callable[[], object]) -> Busy | None:
  """Profiles a call; None where the platform's profile names no device."""
  options = jax.profiler.ProfileOptions()
  # Watching each call of Python would slow down what keeps the device busy.
  options.python_tracer_level = 0
  options.host_tracer_level = 1
  with tempfile.TemporaryDirectory() as folder:
    with jax.profiler.trace(folder, profiler_options=options):
      wall = clock.seconds(run)
    return read(pathlib.Path(folder), wall)


def read(folder: pathlib.Path, wall: float) -> Busy | None:
  """The first device's part of a profile that took so many seconds."""
  modules, kernels = [], []
  for file in folder.rglob('*.xplane.pb'):
    data = jax.profiler.ProfileData.from_file(str(file))
    lines = [
      line
      for plane in data.planes
      if re.fullmatch(r'/device:(GPU|TPU):0', plane.name)
      for line in plane.lines
    ]
    modules += [
      (event.name, event.start_ns, event.start_ns + event.duration_ns)
      for line in lines
      if line.name == 'XLA Modules'
      for event in line.events
    ]
    kernels += itertools.islice(
      (
        (event.name, event.start_ns, event.start_ns + event.duration_ns)
        for line in lines
        if line.name.startswith('Stream') or line.name == 'XLA Ops'
        for event in line.events
      ),
      _MOST,
    )
  if not modules and not kernels:
    return None
  spent, launches = collections.Counter(), collections.Counter()
  for name, start, end in modules:
    spent[program(name)] += (end - start) * _NS
    launches[program(name)] += 1
  return Busy(
    wall,
    dict(spent),
    dict(launches),
    # A profile of JAX 0.11 of a GPU may have no line of programs.
    union(modules or kernels),
    None if len(kernels) >= _MOST else union(kernels),
  )


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
