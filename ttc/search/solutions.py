"""What a strategy hands back: a question's attempts."""

from collections.abc import Sequence
import dataclasses

from ttc.inference.models import Models
from ttc.inference.requests import Question
from ttc.inference.rows import Row


@dataclasses.dataclass(frozen=True)
class Attempt:
  """A finished row.

  Attributes:
    tokens: what was sampled, the ending token included if there is one.
    truncated: it stopped at its limit and not by a token of its own.
    values: the verifier's value at each step end, the last one final; None
      without a verifier.
    logprob: of the sampled tokens under the proposer at temperature 1.
  """

  tokens: list[int]
  truncated: bool
  values: list[float] | None
  logprob: float

  @classmethod
  def of(cls, row: Row, models: Models) -> 'Attempt':
    """A row as it stands; its last value is that of its last token."""
    tokens, (step_end, end) = row.attempt, models.marks
    values = None
    if models.verifier is not None:
      ends = [step_end[token] or end[token] for token in tokens]
      values = [
        value for value, ended in zip(row.values, ends, strict=True) if ended
      ]
      if tokens and not ends[-1]:
        values.append(row.values[-1])  # it is judged where it stopped
    return cls(tokens, not (tokens and end[tokens[-1]]), values, row.logprob)


@dataclasses.dataclass(frozen=True)
class Solution:
  """A question and its attempts, in the order of the rows."""

  question: Question
  attempts: Sequence[Attempt]

  @property
  def cost(self) -> dict[str, list[float]]:
    """As a record holds it."""
    return self.question.cost.record()
