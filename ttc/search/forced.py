"""Budget forcing: thinking that is told to go on, or to end.

    attempt    think think </think> ...   as the model would end its thinking
    go on      think think Wait think think ...
    end        think think think </think> answer

See Muennighoff et al. 2025 (s1). It is for checkpoints that think before they
answer, and needs no verifier. Forced or not, an attempt is one generation, with
no more tokens than any other.
"""

import dataclasses
from typing import ClassVar

from ttc.data.problems import Task
from ttc.examples.context import check_texts, inserted
from ttc.inference.requests import Extend, fork, Plan, Prefill, Question
from ttc.inference.rows import Row
from ttc.runtime import limits
from ttc.search.strategies import at_least_one


@dataclasses.dataclass(frozen=True)
class Forced:
  """N attempts with a number of thinking tokens that is not the model's.

  Thinking ends at the text `close` or where the attempt ends. An end that is
  taken back was sampled: it is in the cost and in `logprob`, though not in the
  attempt. What is put in is read, not sampled.

  Attributes:
    task: whose texts these are.
    wait: text instead of an end of thinking; '' lets it end.
    close: text that ends thinking.
    waits: ends that are taken back at most.
    most: tokens of thinking after which `close` is put in; None never does.

  Raises:
    ValueError: a number is out of its range, there are texts without a task, or
      `most` without `close`.
  """

  verified: ClassVar[bool] = False
  task: Task | None = dataclasses.field(default=None, repr=False)
  wait: str = ''
  close: str = ''
  waits: int = 1
  most: int | None = None

  def __post_init__(self):
    limits.whole(self, 'waits', least=0)
    limits.whole(self, 'most')
    check_texts(self, 'wait', 'close')
    if self.most is not None and not self.close:
      raise ValueError(
        f'Forced.most={self.most} ends thinking by a text; give Forced.close.'
      )

  def rows(self, budget: int) -> int:
    return at_least_one(self, budget)

  def slots(self, budget: int) -> int:
    # Rows wait for each other at every step end, each with its caches.
    return self.rows(budget)

  def longest(self, prompt: int, attempt: int) -> int:
    """Returns as `Chains.longest`, with the ends that may be taken back.

    Rows are shorter, but such an end is paid for like what is kept.
    """
    return prompt + attempt + self.waits * bool(self.wait)

  def plan(self, question: Question, budget: int) -> Plan:
    root = question.root()
    yield Prefill([root])
    rows = fork([root], [0] * self.rows(budget))
    thoughts = [_Thought(row, self.waits if self.wait else 0) for row in rows]
    while thoughts:
      allowance = None
      if self.most is not None:
        allowance = [self.most - len(each.row.attempt) for each in thoughts]
      live = [each.row for each in thoughts]
      yield Extend(live, steps=1, allowance=allowance, keep=True)
      thoughts = [each for each in thoughts if self._goes_on(each)]
    yield Extend(rows)
    return rows

  def _goes_on(self, thought: '_Thought') -> bool:
    """Puts in what a row needs now; whether it is still thinking."""
    row, close = thought.row, inserted(self.close, self.task)
    end = thought.end(close)
    if end is not None:
      wait = inserted(self.wait, self.task)
      if not thought.waits or not thought.put(wait, end):
        return False
      thought.waits -= 1
    elif row.done:  # at its limit
      return False
    if self.most is not None and len(row.attempt) >= self.most:
      thought.put(close, len(row.tokens))
      return False
    return True


@dataclasses.dataclass
class _Thought:
  """A row that is thinking.

  Attributes:
    row: the row.
    waits: ends that may still be taken back.
    seen: tokens of the row that were put in or searched for an end before.
  """

  row: Row
  waits: int
  seen: int = 0

  def end(self, close: list[int]) -> int | None:
    """The first of the tokens that end the thinking; None while it goes on."""
    row, length = self.row, len(close)
    last = len(row.tokens) - length
    for at in range(max(row.start, self.seen), last + 1) if close else ():
      if row.tokens[at : at + length] == close:
        return at
    self.seen = max(self.seen, last + 1)
    ended = row.done and len(row.tokens) < row.limit
    return len(row.tokens) - 1 if ended else None

  def put(self, text: list[int], at: int) -> bool:
    """Replaces what follows the first `at` tokens, if there is room for it."""
    row = self.row
    if at + len(text) >= row.limit:
      return False
    row.cut(at)
    row.done = False
    row.tokens += text
    self.seen = len(row.tokens)
    return True
