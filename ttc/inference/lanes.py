"""Lanes that keep their rows, and the copies that admission and eviction need.

A row that grows has its cache in a lane, for as many calls as it needs. Only a
row that enters or leaves is copied, and one that has ended is not even that:

    slots   | a  b  c  d  e  .  . |      lanes   | b  a  .  e |

    admit   copies what was prefilled, from the slot of the row or its parent
    evict   copies what is new, to the slot of the row
"""

from collections.abc import Callable, Sequence
import dataclasses
import math

from ttc.inference.engine import LaneBatch
from ttc.inference.queues import DeviceQueues, Job, RowTask
from ttc.models.cache import KVCache

Copy = tuple[int, int, int]  # row to read, row to write, first position

# A call returns when one lane in so many has nothing to do: sooner would cost
# more launches and copies, later more idle lanes. An accelerator, which reads
# all weights for any number of lanes, pays more for a launch and less for one.
_IDLE_SHARE = {'cpu': 8}
_IDLE_SHARE_ELSEWHERE = 4


@dataclasses.dataclass(eq=False)
class Occupant:
  """A row in its lane.

  Attributes:
    task: what is wanted of the row.
    stored: cache positions of the row that its own slot holds too.
  """

  task: RowTask
  stored: int


class LaneGroup:
  """Lanes that sample together, on all devices; two groups take turns.

  Attributes:
    width: lanes per device.
    cache_len: cache positions of a lane.
    cache: of the lanes; None before the first row.
    occupants: rows by lane, one dict per device.
  """

  def __init__(self, devices: int, copy_size: int, platform: str):
    """Begins without a lane.

    Args:
      devices: number of devices on the mesh's data axis.
      copy_size: cache positions that one copy moves.
      platform: of the devices, e.g. 'cpu'.
    """
    self._idle_share = _IDLE_SHARE.get(platform, _IDLE_SHARE_ELSEWHERE)
    self.width = self.cache_len = 0
    self.cache: KVCache | None = None
    self.occupants: list[dict[int, Occupant]] = [{} for _ in range(devices)]
    self._copy_size = copy_size

  def tasks(
    self, queues: Sequence[DeviceQueues], waiting: int
  ) -> list[list[RowTask]]:
    """Candidates for the lanes, one list per device; occupants come first.

    Args:
      queues: of the devices.
      waiting: the most candidates from each queue.
    """
    return [
      [occupant.task for occupant in occupants.values()]
      + queue.growing[:waiting]
      for occupants, queue in zip(self.occupants, queues, strict=True)
    ]

  def shape(
    self, wanted: Sequence[Sequence[int]], widths: Sequence[int]
  ) -> tuple[int, int]:
    """Lanes per device and cache positions of the next call.

    Where enough rows fit the positions that the first one needs, longer ones
    wait for a later call: attention reads every position of every lane, so
    one long row would make all the others pay.

    Args:
      wanted: cache positions that each of `tasks` needs.
      widths: for which there are programs.
    """
    longest_queue = max(map(len, wanted))
    width = min((w for w in widths if w >= longest_queue), default=max(widths))

    def enough(cache_len: int) -> bool:
      return all(
        sum(n <= cache_len for n in needs) >= min(width, len(needs))
        for needs in wanted
      )

    if (
      width == self.width
      and enough(self.cache_len)
      and any(n == self.cache_len for needs in wanted for n in needs)
    ):
      return width, self.cache_len
    first = max(needs[0] for needs in wanted if needs)
    return width, (
      first if enough(first) else max(n for needs in wanted for n in needs)
    )

  def admit(
    self, device: int, queue: DeviceQueues, fits: Callable[[RowTask], bool]
  ) -> list[Copy]:
    """Gives a device's free lanes to tasks that fit.

    Returns:
      The copies (slot -> lane) that must be made before the next call.
    """
    occupants, copies = self.occupants[device], []
    free = [lane for lane in range(self.width) if lane not in occupants]
    for lane, (task, source) in zip(
      free, queue.take_for_lanes(len(free), fits), strict=False
    ):
      row = task.row
      # From a parent's slot, the row's own slot holds nothing of it yet.
      own = source in (None, row.slot.index)
      occupants[lane] = Occupant(task, row.proposer_len if own else 0)
      if source is not None:
        copies += self._copies(source, lane, 0, row.proposer_len)
    return copies

  def evict(self, lanes: Sequence[Sequence[int]]) -> list[list[Copy]]:
    """Frees lanes, one list per device.

    Returns:
      Copies (lane -> slot) needed to free these lanes, one list per device.
    """
    return [
      [copy for lane in leaving for copy in self._leave(occupants, lane)]
      for occupants, leaving in zip(self.occupants, lanes, strict=True)
    ]

  def drop(self, job: Job) -> None:
    """Empties the lanes of a plan's rows; nothing of them is kept."""
    for occupants in self.occupants:
      for lane in [n for n, o in occupants.items() if o.task.job is job]:
        del occupants[lane]

  def batches(self, temperature: float) -> list[LaneBatch]:
    """What the lanes are to do next, one batch per device.

    Args:
      temperature: of rows whose request names none.
    """
    return [
      _batch(occupants, self.width, temperature, self._idle_share)
      for occupants in self.occupants
    ]

  def _leave(self, occupants: dict[int, Occupant], lane: int) -> list[Copy]:
    occupant = occupants.pop(lane)
    row = occupant.task.row
    if row.done and not occupant.task.keep:
      return []
    return self._copies(lane, row.slot.index, occupant.stored, row.proposer_len)

  def _copies(self, read: int, write: int, start: int, stop: int) -> list[Copy]:
    """Copies of the cache positions [start, stop) of a row."""
    first = start - start % self._copy_size
    return [
      (read, write, position)
      for position in range(first, stop, self._copy_size)
    ]


def _batch(
  occupants: dict[int, Occupant],
  width: int,
  temperature: float,
  idle_share: int,
) -> LaneBatch:
  """The lanes of one device."""
  rows, temperatures = [(0,) * 6] * width, [temperature] * width
  for lane, occupant in occupants.items():
    task, row = occupant.task, occupant.task.row
    rows[lane] = (
      row.tokens[-1],
      len(row.tokens) - 1,
      task.allowance,
      task.steps,
      *row.key.tolist(),
    )
    if task.temperature is not None:
      temperatures[lane] = task.temperature
  min_live = len(occupants) - math.ceil(len(occupants) / idle_share)
  return LaneBatch.pack(rows, temperatures, min_live)
