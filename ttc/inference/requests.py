"""Plans: how a question is worked on, as a generator of requests.

    def plan(question):
      root = question.root()
      yield Prefill([root])                 # both models read the prompt
      rows = fork([root], [0, 0, 0, 0])     # four children, fresh keys
      yield Extend(rows, steps=1)           # one step each, with a value
      ...
      return rows

A plan knows neither devices nor other questions. The scheduler resumes it when
all rows of its request are ready.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
import dataclasses
import threading
from typing import Protocol

import numpy as np

from ttc.inference.cost import Cost
from ttc.inference.rows import fold_keys, Row


@dataclasses.dataclass(frozen=True)
class Prefill:
  """Both models read the known tokens of the rows."""

  rows: Sequence[Row]


@dataclasses.dataclass(frozen=True)
class Extend:
  """Rows grow, and the verifier reads what is new of them.

  Attributes:
    rows: rows to extend; those that are done stay as they are.
    steps: number of step ends after which a row pauses; 0 runs to its end.
    allowance: tokens that each row gains at most; None bounds steps by
      `Generation.max_step_tokens`.
    greedy: whether to take the most likely token instead of sampling.
    temperature: of rows that are not greedy; None is that of `Generation`.
    keep: whether a row that ends keeps its slot, because it will be rewound.
    slots: largest number of slots that the plan will hold from now on; None
      leaves the earlier promise.
  """

  rows: Sequence[Row]
  steps: int = 0
  allowance: Sequence[int] | None = None
  greedy: bool = False
  temperature: float | None = None
  keep: bool = False
  slots: int | None = None

  def most(self, step: int) -> list[int]:
    """Tokens that each row may gain, at most.

    Args:
      step: `Generation.max_step_tokens`.
    """
    room = [row.limit - len(row.tokens) for row in self.rows]
    if self.allowance is not None:
      return list(map(min, room, self.allowance))
    return [min(own, self.steps * step) for own in room] if self.steps else room


Plan = Generator[Prefill | Extend, None, Sequence[Row]]


@dataclasses.dataclass(frozen=True, eq=False)
class Question:
  """A prompt to continue.

  Attributes:
    id: id of the problem.
    prompt: tokens of the prompt.
    key: uint32 [2], from the run's seed and the problem's id.
    room: largest number of tokens of an attempt.
    cost: work spent on it so far.
    stem: a row of the prompt whose caches all roots share; None where a root
      has to read the prompt.
    cancelled: set it, in any thread, to end the plan before the next round.
  """

  id: int
  prompt: Sequence[int]
  key: np.ndarray
  room: int
  cost: Cost = dataclasses.field(default_factory=Cost)
  stem: Row | None = None
  cancelled: threading.Event = dataclasses.field(
    default_factory=threading.Event
  )

  def root(self) -> Row:
    """The row that all others descend from."""
    if self.stem is not None:
      root = self.stem.child(0)
      root.key, root.ordinal = self.key, None
      return root
    start = len(self.prompt)
    return Row(list(self.prompt), start, start + self.room, self.key)


class PlanRunner(Protocol):
  """What serves plans: a `Scheduler`, or one whose proposer is elsewhere."""

  def run(
    self, plans: Iterable[tuple[Question, Plan, int]]
  ) -> Iterator[tuple[Question, list[Row]]]:
    """Works on questions and yields them, with their rows, as they finish.

    Args:
      plans: question, its plan, and the most slots that it holds at once.
    """


def rewritten(plan: Plan, change: Callable[[Extend], Extend]) -> Plan:
  """A plan whose requests to extend are changed on their way."""
  while True:
    try:
      request = next(plan)
    except StopIteration as stop:
      return stop.value
    yield change(request) if isinstance(request, Extend) else request


def fork(rows: Sequence[Row], parents: Sequence[int]) -> list[Row]:
  """Replaces rows by children, with fold_in(parent's key, ordinal) as keys.

  Args:
    rows: the parents; they are consumed.
    parents: index of each child's parent; ordinals count from 0 among the
      children of one parent.
  """
  fold_keys(rows[parent] for parent in set(parents))
  seen = [0] * len(rows)
  children = []
  for parent in parents:
    children.append(rows[parent].child(seen[parent]))
    seen[parent] += 1
  for row in rows:
    row.leave()
  return children
