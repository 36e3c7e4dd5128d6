"""Monte-Carlo rollouts from the steps of a solution (paper §5.1).

The share of correct rollouts is the label of a step (Wang et al. 2023). The
solution is prefilled once. A rollout from an earlier step is a row that keeps
fewer of the cached positions:

      solution   q q a a | b b | c c c <end>
      branch 0   q q a a ........            K rows
      branch 1   q q a a | b b ........      K rows
"""

from collections.abc import Sequence
import dataclasses

import numpy as np

from ttc.inference.requests import Extend, Plan, Prefill, Question


@dataclasses.dataclass(frozen=True)
class Branch:
  """A place in a solution from which rollouts continue.

  Attributes:
    tokens: number of the solution's tokens before that place.
    key: uint32 [2]; rollout r samples with fold_in(key, r).
  """

  tokens: int
  key: np.ndarray


def continuations(
  question: Question,
  solution: Sequence[int],
  branches: Sequence[Branch],
  num: int,
) -> Plan:
  """Returns a plan that samples rollouts, each to the end of an attempt.

  Costs one prefill of the solution, and K rollouts per branch. The models must
  have no verifier, which `stages.label` checks: it would value the solution's
  tokens too, but a rollout's attempt begins at its branch.

  Args:
    question: its `room` bounds the tokens of solution and rollout together.
    solution: tokens that follow the prompt.
    branches: at least one, in rising order of `tokens`.
    num: rollouts per branch (K).

  Returns:
    A plan that returns rows, those of the first branch first, K per branch. A
    row's attempt is the rollout alone.
  """
  prompt = len(question.prompt)
  root = question.root()
  root.tokens += solution[: branches[-1].tokens]
  yield Prefill([root])
  rows = []
  for branch in branches:
    for ordinal in range(num):
      row = root.child(ordinal, prompt + branch.tokens)
      # The ordinal is still to be folded, into the branch's key.
      row.key, row.start = branch.key, len(row.tokens)
      rows.append(row)
  yield Extend(rows)
  return rows
