"""Results of a strategy: a question and its finished attempts."""

from collections.abc import Mapping, Sequence
import dataclasses
from typing import Any

from ttc.inference.models import Models
from ttc.inference.requests import Question
from ttc.inference.rows import Row


@dataclasses.dataclass(frozen=True)
class Attempt:
  """One sampled solution.

  Attributes:
    tokens: the sampled tokens, the end token included if there is one.
    truncated: whether sampling stopped at the token limit, not at an end token.
    values: the verifier's value in [0, 1] at each step end, in order; the last
      one belongs to the last token. None without a verifier.
    logprob: log-probability of the sampled tokens under the proposer at
      temperature 1; None where it is not known.
    certainty: sum over the sampled tokens, see `Generation`; None where it was
      not asked for.
  """

  tokens: list[int]
  truncated: bool
  values: list[float] | None
  logprob: float | None
  certainty: float | None = None

  @classmethod
  def of(cls, row: Row, models: Models) -> 'Attempt':
    """Converts a row.

    Args:
      row: prefilled by the verifier, if there is one, to its last token.
      models: the models that sampled and scored it.
    """
    tokens, (step_end, end) = row.attempt, models.marks
    values = None
    if models.verifier is not None:
      ends = [step_end[token] or end[token] for token in tokens]
      values = [
        value for value, ended in zip(row.values, ends, strict=True) if ended
      ]
      if tokens and not ends[-1]:
        # Truncated within a step: the attempt is valued where it stopped.
        values.append(row.values[-1])
    truncated = not (tokens and end[tokens[-1]])
    certainty = row.certainty if models.generation.certainty else None
    return cls(tokens, truncated, values, row.logprob, certainty)

  @classmethod
  def recorded(cls, row: Mapping[str, Any]) -> 'Attempt':
    """The attempt that a row of records holds, see `Solver.judge`."""
    return cls(
      row['tokens'],
      row['truncated'],
      row.get('values'),
      row['logprob'],
      row.get('certainty'),
    )


@dataclasses.dataclass(frozen=True)
class Solution:
  """A question and its attempts, in the order of the strategy's rows."""

  question: Question
  attempts: Sequence[Attempt]

  @property
  def cost(self) -> dict[str, list[float]]:
    """Work by kind, as in the records; see `Cost.record`."""
    return self.question.cost.record()
