"""Finished attempts in the eyes of another verifier (PAPER figures 14, 15)."""

from collections.abc import Sequence
import dataclasses

from ttc.inference.cost import Cost
from ttc.inference.requests import Extend, fork, Plan, Prefill
from ttc.inference.scheduler import Scheduler
from ttc.search.solutions import Solution


def final_values(
  scheduler: Scheduler, solutions: Sequence[Solution]
) -> list[list[float]]:
  """The value at the last token of each attempt, in [0, 1].

  Args:
    scheduler: of models whose verifier is the other one, and whose proposer
      is None.
    solutions: with the vocabulary of that verifier.

  Returns:
    For each solution the values of its attempts, in order.
  """
  values = [[] for _ in solutions]
  plans = (
    (solution.question, _plan(solution, found), 2)
    for solution, found in zip(solutions, values, strict=True)
  )
  for _ in scheduler.run(plans):
    pass
  return values


def _plan(solution: Solution, found: list[float]) -> Plan:
  question = dataclasses.replace(solution.question, cost=Cost())
  root = question.root()
  yield Prefill([root])
  rows = fork([root], [0] * len(solution.attempts))
  for row, attempt in zip(rows, solution.attempts, strict=True):
    row.tokens += attempt.tokens
    row.done = True
  yield Extend(rows)
  found += [row.value for row in rows]
  return rows
