"""Stopping rules: when training ends and which step it returns.

Verifiers keep the step of lowest validation loss (paper §5.1). For revision
models that loss is a poor guide, and the paper takes a checkpoint slightly
after overfitting begins (paper §6.1).
"""

from collections.abc import Sequence
import dataclasses
from typing import Literal

from ttc.runtime import limits


@dataclasses.dataclass(frozen=True)
class Stop:
  """A stopping rule.

  Attributes:
    rule: 'last' trains all steps and returns the last one; 'best' returns the
      step of lowest validation loss; 'overfit' returns the first evaluated step
      at least `patience` steps after that of lowest loss, or else the last.
    patience: number of steps without a new lowest loss after which training
      ends. None never ends early; 'overfit' needs a number, 'last' None.

  Raises:
    ValueError: the rule is unknown or does not go with the patience.
  """

  rule: Literal['last', 'best', 'overfit'] = 'last'
  patience: int | None = None

  def __post_init__(self):
    if self.rule not in ('last', 'best', 'overfit'):
      raise ValueError(
        f'Stop.rule={self.rule!r} is unknown; choose last, best or overfit.'
      )
    limits.whole(self, 'patience')
    if (self.rule == 'overfit') != (self.patience is not None) and (
      self.rule != 'best'
    ):
      raise ValueError(
        f'Stop.rule={self.rule!r} does not go with patience='
        f'{self.patience}; overfit needs a number of steps, last needs None.'
      )

  def ended(self, losses: Sequence[tuple[int, float]]) -> bool:
    """Whether training ends after these evaluations.

    Args:
      losses: (step, validation loss) in order of the steps.
    """
    if self.patience is None or not losses:
      return False
    return losses[-1][0] - lowest(losses) >= self.patience


def lowest(losses: Sequence[tuple[int, float]]) -> int:
  """The step of lowest loss, the earliest of equal ones.

  Args:
    losses: (step, validation loss), at least one.
  """
  return min(losses, key=lambda evaluation: evaluation[1])[0]
