"""Earlier attempts as the next one sees them, with marks on their steps.

    prompt  step <bad> step <bad> step <revise>

A mark stands before its step: a causal model then knows what it is to think of
the tokens that it copies or leaves. Training and inference write the same.
"""

from collections.abc import Sequence
import dataclasses
import functools

import numpy as np

from ttc.data.problems import Task
from ttc.data.vocabulary import step_end_table, Vocabulary
from ttc.examples.context import (
  check_texts,
  inserted,
  strip_end,
  vocabulary_of,
)
from ttc.examples.labelling import step_ends
from ttc.runtime import limits


@dataclasses.dataclass(frozen=True)
class Marks:
  """Writes an attempt and what the verifier thinks of each of its steps.

  Attributes:
    task: whose vocabulary and steps these are. None for a vocabulary of words,
      without marks: `<revise>` alone follows an attempt.
    good: text before a step that the verifier has nothing against; '' for none.
    bad: text before one at which its value falls; '' for none.
    threshold: the value falls where it is below this share of the value at the
      step before, or of 1 at the first step. After a step that was wrong all
      values are low, and say nothing of the step itself.
    most: steps that are marked at most, from the first on.

  Raises:
    ValueError: a number is out of its range, or there is a text without a task.
  """

  task: Task | None = dataclasses.field(default=None, repr=False)
  good: str = ''
  bad: str = ''
  threshold: float = 0.05
  most: int = 64

  def __post_init__(self):
    limits.real(self, 'threshold', least=0, most=1)
    limits.whole(self, 'most')
    check_texts(self, 'good', 'bad')

  @property
  def vocabulary(self) -> Vocabulary:
    return vocabulary_of(self.task)

  def longest(self, attempt: int) -> int:
    """Returns the tokens that an attempt of so many has in a context."""
    mark = max(map(len, self._texts))
    return attempt + 1 + mark * min(attempt, self.most)

  def __call__(
    self, attempt: Sequence[int], values: Sequence[float]
  ) -> list[int]:
    """Returns the tokens of an attempt in a context.

    Args:
      attempt: its tokens, the end token included if there is one.
      values: of the verifier in [0, 1] at each of `ends`.
    """
    tokens, begin, before = [], 0, 1.0
    bad, good = self._texts
    for step, end in enumerate(self.ends(attempt)):
      if step < self.most:
        tokens += good if values[step] >= self.threshold * before else bad
      tokens += strip_end(attempt[begin : end + 1], self.vocabulary)
      begin, before = end + 1, values[step]
    return [*tokens, self.vocabulary.revise_id]

  def ends(self, attempt: Sequence[int]) -> list[int]:
    """Returns the indices of the last tokens of an attempt's steps.

    Without a task the attempt is one step.
    """
    if self.task is None:
      return [len(attempt) - 1] if attempt else []
    return step_ends(attempt, self._step_end)

  @functools.cached_property
  def _texts(self) -> tuple[list[int], list[int]]:
    """Tokens of the marks on a bad step, and on a good one."""
    return inserted(self.bad, self.task), inserted(self.good, self.task)

  @functools.cached_property
  def _step_end(self) -> np.ndarray:
    return step_end_table(self.vocabulary, self.task.delimiter)
