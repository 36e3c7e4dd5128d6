"""A budget of work for one computation, counted in steps and not in seconds.

So the same expressions exceed it on every machine and whatever else runs.
"""

import threading

_left = threading.local()  # .steps


class ExhaustedError(ArithmeticError):
  """The computation takes more steps than it may."""


def start(steps: int) -> None:
  """Gives the computation that this thread begins its number of steps."""
  _left.steps = steps


def spend(steps: int) -> None:
  """Takes steps from the budget; raises ExhaustedError if too few are left."""
  _left.steps = getattr(_left, 'steps', 0) - steps
  if _left.steps < 0:
    raise ExhaustedError('an expression that takes too much work')
