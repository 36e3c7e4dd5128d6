"""An allocation replayed on recorded actions, as if it ran online.

For design on fitting questions, and to check that the stage decides alike. Its
actions must have been recorded one by one: what a search did inside cannot be
stopped afterwards.
"""

from collections.abc import Sequence
import dataclasses

import numpy as np

from ttc.allocation.allocation import Allocation
from ttc.allocation.controller import Controller, Decision, Result
from ttc.allocation.recorded import Recordings


@dataclasses.dataclass(frozen=True)
class Replayed:
  """What became of Q questions.

  Attributes:
    right: whether the answer given is right, float [Q].
    flops: FLOPs at the rates of the actions, float [Q].
    rounds: the decisions of each round.
  """

  right: np.ndarray
  flops: np.ndarray
  rounds: Sequence[Sequence[Decision]]


def replay(
  allocation: Allocation, recordings: Recordings, budget: float, rounds: int
) -> Replayed:
  """Runs the controller on recordings.

  Args:
    allocation: fitted on other questions.
    recordings: of all actions of its ladders.
    budget: FLOPs for all questions together.
    rounds: the most rounds.
  """
  place = {int(p): i for i, p in enumerate(recordings.problem)}
  largest = {n: a.useful.max() for n, a in recordings.actions.items()}
  controller = Controller(
    allocation, budget, list(place), rounds, lambda _, name: largest[name]
  )
  flops, history = np.zeros(len(place)), []
  for _ in range(rounds):
    decisions = controller.decide()
    results = {}
    for decision in decisions:
      if decision.action:
        action, at = (
          recordings.actions[decision.action],
          place[decision.question],
        )
        results[decision.question] = Result(
          action.rows[at], float(action.useful[at])
        )
        rate = allocation.actions[decision.action].rate
        flops[at] += action.useful[at] * rate
    controller.learn(decisions, results)
    history.append(decisions)
    if not decisions:
      break
  right = [float(controller.answer(q)['correct']) for q in place]
  return Replayed(np.array(right), flops, history)
