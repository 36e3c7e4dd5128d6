"""K continuations of each step of a solution (paper §5.1).

The models read the solution once. A rollout from an earlier step is a row that
goes on from fewer of the same cells.

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
  """Where rollouts leave a solution.

  Attributes:
    tokens: of the solution that they keep.
    key: uint32 [2]; rollout r draws from fold_in(key, r).
  """

  tokens: int
  key: np.ndarray


def continuations(
  question: Question,
  solution: Sequence[int],
  branches: Sequence[Branch],
  num: int,
) -> Plan:
  """Samples `num` rollouts of each branch, branch by branch in the result.

  Args:
    question: its `room` bounds solution and rollout together.
    solution: tokens behind the prompt.
    branches: in rising order.
    num: rollouts of each (K).
  """
  prompt = len(question.prompt)
  root = question.root()
  root.tokens += solution[: branches[-1].tokens]
  yield Prefill([root])
  rows = []
  for branch in branches:
    for ordinal in range(num):
      row = root.child(ordinal, prompt + branch.tokens)
      row.key, row.start = branch.key, len(row.tokens)
      rows.append(row)
  yield Extend(rows)
  return rows
