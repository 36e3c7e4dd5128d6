"""What is measured of a stage at work: metrics always, a trace when asked."""

from collections.abc import Callable, Mapping
import pathlib
from typing import TYPE_CHECKING

from ttc.cli.metrics import Metrics
from ttc.cli.profiling import Profile

if TYPE_CHECKING:
  from ttc.cli.pace import SamplingPace


class Gauges:
  """The instruments of one stage; they never change what it computes.

  Only process 0 writes.
  """

  def __init__(
    self,
    folder: pathlib.Path,
    leads: bool,
    profile: int | None,
    say: Callable[[str], None],
  ):
    """Nothing is written yet.

    Args:
      folder: of the stage.
      leads: whether this is process 0.
      profile: steps to trace; None traces none.
      say: for messages to people.
    """
    self._metrics = Metrics(folder, say) if leads else None
    traced = leads and profile is not None
    self._profile = Profile(folder, profile, say) if traced else None
    self._pace: SamplingPace | None = None

  def add(self, step: int, values: Mapping[str, float]) -> None:
    """Writes what was measured at a step."""
    if self._metrics is not None:
      self._metrics.add(step, values)

  def tick(self, steps: int = 1) -> None:
    """So many steps are done, for a trace."""
    if self._profile is not None:
      self._profile.tick(steps)

  def watch(self, load: object) -> None:
    """A round of sampling is done."""
    self.tick()
    if self._metrics is not None:
      if self._pace is None:
        from ttc.cli.pace import SamplingPace

        self._pace = SamplingPace()
      self._pace.see(load)

  def part(self, items: int) -> None:
    """A part is written, the last of so many items."""
    if self._pace is not None:
      self.add(items, self._pace.take())

  def close(self) -> None:
    """Ends what has begun."""
    if self._profile is not None:
      self._profile.close()
    if self._metrics is not None:
      self._metrics.close()
