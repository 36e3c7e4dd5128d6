"""How long the stages that are left of a command will take."""

from collections.abc import Iterable
import statistics

from ttc.runtime.progress import duration


class Forecast:
  """Stages to do, and what those of their names took with other seeds.

  Args:
    names: of all stages, in any order; a name for each seed.
  """

  def __init__(self, names: Iterable[str]):
    self._left = list(names)
    self._took: dict[str, list[float]] = {}

  def after(self, name: str, seconds: float) -> str:
    """What is left when a stage is complete, as the end of a line.

    Args:
      name: of the stage.
      seconds: that it took.
    """
    self._left.remove(name)
    self._took.setdefault(name, []).append(seconds)
    if not self._left:
      return ''
    known = [
      statistics.median(self._took[name])
      for name in self._left
      if name in self._took
    ]
    told = f'; {len(self._left)} stage{"s" * (len(self._left) > 1)} left'
    if known:
      how = 'about' if len(known) == len(self._left) else 'more than'
      told += f', {how} {duration(sum(known))}'
    return told
