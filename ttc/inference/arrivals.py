"""Plans that are to be started, in the order in which they arrive."""

from collections.abc import Iterable, Sequence

from ttc.inference.queues import DeviceQueues, Job
from ttc.inference.requests import Plan, Question

Arrival = tuple[Question, Plan, int]  # and the most slots that it holds at once


class Arrivals:
  """What comes from an iterable, which may be a queue that others fill.

  One plan is looked at before there is room for it, and those behind it wait:
  a question that needs many slots is not overtaken for ever.
  """

  def __init__(self, plans: Iterable[Arrival | None], slots: int, lanes: int):
    """Looks at the first plan.

    Args:
      plans: None among them says that no other has arrived yet. Then there is
        work, or the iterable would wait itself.
      slots: of a device.
      lanes: of a device.
    """
    self._plans = iter(plans)
    self._slots, self._lanes = slots, lanes
    self._next: Arrival | None = None
    self._ended = False
    self._look()

  @property
  def expected(self) -> bool:
    """Whether a plan waits, or may still arrive."""
    return self._next is not None or not self._ended

  def start(
    self, queues: Sequence[DeviceQueues], occupied: Sequence[int]
  ) -> None:
    """Starts plans while a device has use and room for the next one.

    Args:
      queues: of the devices.
      occupied: lanes of each device that have a row.

    Raises:
      ValueError: a plan needs more slots than a device has.
    """
    lanes = dict(zip(queues, occupied, strict=True))
    while self._next is not None or self._look():
      question, _, slots = self._next
      if not question.cancelled.is_set():
        if slots > self._slots:
          raise ValueError(
            f'A question needs {slots} rows at once, and a device has '
            f'{self._slots} slots; raise Solver.rows.'
          )
        queue = self._least_busy(lanes, slots)
        if queue is None:
          return
        queue.start(Job(*self._next))
        queue.resume_ready()
      self._next = None

  def _least_busy(
    self, occupied: dict[DeviceQueues, int], slots: int
  ) -> DeviceQueues | None:
    """The device with the least to do that has use and room for a plan."""
    to_grow = lambda queue: queue.to_grow + occupied[queue]
    wanting = [
      queue
      for queue in occupied
      if to_grow(queue) < self._lanes and queue.room(slots)
    ]
    return min(wanting, default=None, key=lambda q: (to_grow(q), len(q.jobs)))

  def _look(self) -> bool:
    """Whether there is a next plan now."""
    if not self._ended:
      try:
        self._next = next(self._plans)
      except StopIteration:
        self._ended = True
    return self._next is not None
