"""Scores finished attempts with another verifier (paper figures 14, 15)."""

from collections.abc import Sequence
import dataclasses

from ttc.inference.cost import Cost
from ttc.inference.requests import Extend, fork, Plan, Prefill, Question
from ttc.inference.scheduler import Scheduler
from ttc.search.solutions import Attempt, Solution


def final_values(
  scheduler: Scheduler, solutions: Sequence[Solution]
) -> list[list[float]]:
  """The value at the last token of each attempt; see `token_values`."""
  values = token_values(scheduler, solutions)
  return [[attempt[-1] for attempt in solution] for solution in values]


def token_values(
  scheduler: Scheduler, solutions: Sequence[Solution]
) -> list[list[list[float]]]:
  """Reads the value at each token of each attempt.

  Costs one prefill of every attempt, and one of the prompt per solution, none
  of it charged to the solutions: the strategies that found them did without.

  Args:
    scheduler: with models whose verifier is the other one and whose proposer is
      None.
    solutions: finished attempts, in the vocabulary that the models expect.

  Returns:
    Per solution and attempt, in order, one value in [0, 1] per token.
  """
  values = [[] for _ in solutions]
  plans = []
  for solution, read in zip(solutions, values, strict=True):
    question = dataclasses.replace(solution.question, cost=Cost())
    # Two slots: for the prompt, and for an attempt that is being read.
    plans.append((question, _plan(question, solution.attempts, read), 2))
  for _ in scheduler.run(plans):
    pass
  return values


def _plan(
  question: Question, attempts: Sequence[Attempt], read: list[list[float]]
) -> Plan:
  """Reads the attempts at a question and appends their values to `read`."""
  root = question.root()
  yield Prefill([root])
  rows = fork([root], [0] * len(attempts))
  for row, attempt in zip(rows, attempts, strict=True):
    row.tokens += attempt.tokens
    row.done = True  # so that `Extend` samples nothing
  yield Extend(rows)
  read += [row.values for row in rows]
  return rows
