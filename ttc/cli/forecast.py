"""How long the stages that are left of a command will take."""

from collections.abc import Iterable, Sequence
import statistics

from ttc.runtime.progress import duration


class Forecast:
  """Stages to do, and what those of their names took with other seeds.

  Args:
    names: of all stages, in their order; a name for each seed.
  """

  def __init__(self, names: Iterable[str]):
    self._left = list(names)
    self._took: dict[str, list[float]] = {}

  def after(self, seconds: float) -> str:
    """What is left when a stage is complete, as the end of a line.

    Args:
      seconds: that the next stage took.
    """
    self._took.setdefault(self._left.pop(0), []).append(seconds)
    if not self._left:
      return ''
    told = f'; {len(self._left)} stage{"s" * (len(self._left) > 1)} left'
    known = self._sum(self._left)
    return f'{told}, {known}' if known else told

  def whole(self, seconds: float) -> str:
    """The time left of all, as what follows the time left of the next stage.

    Args:
      seconds: left of the next stage.
    """
    known = self._sum(self._left[1:], seconds)
    return f' ({known} of the experiment)' if known else ''

  def _sum(self, names: Sequence[str], more: float = 0.0) -> str:
    """What stages take and `more`, in words; '' where none of them is known."""
    known = [
      statistics.median(self._took[name])
      for name in names
      if name in self._took
    ]
    if not known:
      return ''
    how = 'about' if len(known) == len(names) else 'more than'
    return f'{how} {duration(sum(known) + more)}'
