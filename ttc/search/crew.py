"""Lanes that keep their rows: who sits in which, and the copies that takes.

A row that grows has its cache in a lane, for as many chunks as it needs. Only
a row that comes or goes is copied, and one that has ended is not even that:

    slots   | a  b  c  d  e  .  . |      lanes   | b  a  .  e |

    sit     the cells that were read, from the slot of the row or its parent
    rise    the cells that are new, to the slot of the row
"""

from collections.abc import Callable, Sequence
import dataclasses

from ttc.models.cache import KVCache
from ttc.search.board import Board, Task

Piece = tuple[int, int, int]  # row to read, row to write, first cell


@dataclasses.dataclass(eq=False)
class Seat:
  """A row in its lane.

  Attributes:
    task: what is wanted of it.
    stored: cells of the row that its own slot holds.
  """

  task: Task
  stored: int


class Crew:
  """Lanes that sample together, on all devices; two crews take turns.

  Attributes:
    width: lanes a device.
    cells: of a lane.
    cache: of the lanes; None before the first row.
    seats: lanes that have a row, a device each.
  """

  def __init__(self, devices: int, piece: int):
    """No lane yet; copies are made in pieces of so many cells."""
    self.width = self.cells = 0
    self.cache: KVCache | None = None
    self.seats: list[dict[int, Seat]] = [{} for _ in range(devices)]
    self._piece = piece

  def tasks(self, boards: Sequence[Board], most: int) -> list[list[Task]]:
    """Who can have a lane, a device each: those who have one come first.

    Args:
      boards: of the devices.
      most: of those who wait are named.
    """
    return [
      [seat.task for seat in seats.values()] + board.growing[:most]
      for seats, board in zip(self.seats, boards, strict=True)
    ]

  def shape(
    self, wanted: Sequence[Sequence[int]], widths: Sequence[int]
  ) -> tuple[int, int]:
    """Lanes and cells for the next chunk.

    Where enough rows fit the cells that the first one needs, longer ones wait
    for a later chunk: nobody then pays for cells that hardly anybody has.

    Args:
      wanted: cells that each of `tasks` needs.
      widths: that there are programs for.
    """
    most = max(map(len, wanted))
    width = min((w for w in widths if w >= most), default=max(widths))

    def enough(cells: int) -> bool:
      return all(
        sum(n <= cells for n in needs) >= min(width, len(needs))
        for needs in wanted
      )

    if (
      width == self.width
      and enough(self.cells)
      and any(n == self.cells for needs in wanted for n in needs)
    ):
      return width, self.cells
    first = max(needs[0] for needs in wanted if needs)
    return width, (
      first if enough(first) else max(n for needs in wanted for n in needs)
    )

  def sit(
    self, device: int, board: Board, fits: Callable[[Task], bool]
  ) -> list[Piece]:
    """Gives free lanes to tasks that fit; the copies from slots to lanes."""
    seats, pieces = self.seats[device], []
    free = [lane for lane in range(self.width) if lane not in seats]
    for lane, (task, source) in zip(
      free, board.take_lanes(len(free), fits), strict=False
    ):
      own = source in (None, task.row.slot.index)
      seats[lane] = Seat(task, task.row.read if own else 0)
      if source is not None:
        pieces += self._pieces(source, lane, 0, task.row.read)
    return pieces

  def rise(self, gone: Sequence[Sequence[int]]) -> list[list[Piece]]:
    """Frees lanes, a list a device; the copies from them to slots."""
    return [
      [piece for lane in lanes for piece in self._leave(seats, lane)]
      for seats, lanes in zip(self.seats, gone, strict=True)
    ]

  def _leave(self, seats: dict[int, Seat], lane: int) -> list[Piece]:
    seat = seats.pop(lane)
    row = seat.task.row
    if row.done and not seat.task.keep:
      return []
    return self._pieces(lane, row.slot.index, seat.stored, row.read)

  def _pieces(
    self, read: int, write: int, start: int, stop: int
  ) -> list[Piece]:
    """Copies of the cells [start, stop) of a row."""
    first = start - start % self._piece
    return [(read, write, cell) for cell in range(first, stop, self._piece)]
