"""What a part measures, and what became of it: plain data, as in the JSON."""

from collections.abc import Mapping
import dataclasses


@dataclasses.dataclass(frozen=True)
class Measured:
  """One line of the table.

  Attributes:
    setting: of the measurement, in a few words.
    speed: what was found, in a few words.
    more: what else is worth a look.
    product: FLOP/s that were of use, where products are the limit.
    read: bytes/s that had to be read, where memory is the limit.
    busy: part of the time in which the device ran a program.
    error: why there is nothing else.
    numbers: all that was measured, by name.
  """

  setting: str
  speed: str = ''
  more: str = ''
  product: float | None = None
  read: float | None = None
  busy: float | None = None
  error: str = ''
  numbers: Mapping = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Outcome:
  """What became of a part.

  Attributes:
    part: its name.
    state: 'running', 'done', or why it is not.
    seconds: that its process took.
    measured: line by line, also of a part that was stopped.
  """

  part: str
  state: str = 'done'
  seconds: float = 0.0
  measured: list[Measured] = dataclasses.field(default_factory=list)


class UnavailableError(Exception):
  """A setting that this machine cannot run; the message says why."""
