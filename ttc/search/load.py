"""How well a scheduler uses its devices, for the line of progress."""

import dataclasses


@dataclasses.dataclass
class Load:
  """What the programs did so far.

  Attributes:
    useful: token-forwards with a use, of both models.
    executed: all of them.
    lanes: token-forwards of lanes that had a row.
    of: token-forwards of all lanes.
    rows: now in flight.
    slots: rows that can be.
  """

  useful: int = 0
  executed: int = 0
  lanes: int = 0
  of: int = 0
  rows: int = 0
  slots: int = 0

  def __str__(self) -> str:
    return (
      f'{self.rows} rows in flight, '
      f'lanes {100 * self.lanes / max(self.of, 1):.0f}% used, '
      f'{self.executed / max(self.useful, 1):.2f} executed/useful'
    )
