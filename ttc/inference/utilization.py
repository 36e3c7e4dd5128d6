"""How well a scheduler uses its devices, for the line of progress."""

import dataclasses


@dataclasses.dataclass
class Utilization:
  """What the device programs did so far.

  Attributes:
    useful: token-forwards whose result was used, of both models.
    executed: all token-forwards.
    lanes: token-forwards of lanes that held a row.
    lane_capacity: token-forwards of all lanes, empty ones included.
    rows: in flight now.
    slots: the most rows that can be in flight.
    seconds: from the beginning of runs to the end of their last rounds.
    busy_s: those in which devices had something to do, see `busy.BusyTime`; 0
      where the platform does not tell.
  """

  useful: int = 0
  executed: int = 0
  lanes: int = 0
  lane_capacity: int = 0
  rows: int = 0
  slots: int = 0
  seconds: float = 0.0
  busy_s: float = 0.0

  def __str__(self) -> str:
    busy = self.busy_s / self.seconds if self.seconds else 0
    return (f'devices {busy:.0%} busy, ' if busy else '') + (
      f'{self.rows} rows in flight, '
      f'lanes {100 * self.lanes / max(self.lane_capacity, 1):.0f}% used, '
      f'{self.executed / max(self.useful, 1):.2f} executed/useful'
    )
