"""Where an experiment runs: what the runs of all its stages have in common."""

from collections.abc import Callable
import dataclasses
import pathlib

from ttc.runtime.process_group import Alone, Processes


@dataclasses.dataclass(frozen=True)
class Place:
  """What the runs of an experiment's stages have in common.

  Attributes:
    root: folder of the experiment, e.g. runs/quickstart.
    seeds: all seeds of the experiment.
    stages: names of the stages that run per seed, in order.
    command: the command line.
    config: the whole configuration as gin text.
    profile: number of steps of each stage to trace; None for no trace.
    processes: the processes of the run, this one among them.
    mixed: whether a stage may go on with results of other code or devices.
    whole: tells of the time left of all stages, given that of the one at work.
  """

  root: pathlib.Path
  seeds: tuple[int, ...] = (0,)
  stages: tuple[str, ...] = ()
  command: str = ''
  config: str = ''
  profile: int | None = None
  processes: Processes = Alone()
  mixed: bool = False
  whole: Callable[[float], str] = lambda seconds: ''
