"""Scores finished attempts with another verifier (paper figures 14, 15)."""

from collections.abc import Sequence
import dataclasses

from ttc.inference.cost import Cost
from ttc.inference.requests import Extend, fork, Plan, Prefill
from ttc.inference.scheduler import Scheduler
from ttc.search.solutions import Solution


def final_values(
  scheduler: Scheduler, solutions: Sequence[Solution]
) -> list[list[float]]:
  """Reads the value at the last token of each attempt.

  Costs one prefill of every attempt, and one of the prompt per solution.

  Args:
    scheduler: with models whose verifier is the other one and whose proposer is
      None.
    solutions: finished attempts, in the vocabulary that the models expect.

  Returns:
    Per solution, one value in [0, 1] per attempt, in order.
  """
  values = [[] for _ in solutions]
  plans = (
    # Two slots: for the prompt, and for an attempt that is being read.
    (solution.question, _plan(solution, final), 2)
    for solution, final in zip(solutions, values, strict=True)
  )
  for _ in scheduler.run(plans):
    pass
  return values


def _plan(solution: Solution, final: list[float]) -> Plan:
  """Reads the attempts of a solution and appends their values to `final`."""
  # With a cost of its own: rescoring is not charged to the strategy.
  question = dataclasses.replace(solution.question, cost=Cost())
  root = question.root()
  yield Prefill([root])
  rows = fork([root], [0] * len(solution.attempts))
  for row, attempt in zip(rows, solution.attempts, strict=True):
    row.tokens += attempt.tokens
    row.done = True  # so that `Extend` samples nothing
  yield Extend(rows)
  final += [row.value for row in rows]
  return rows
