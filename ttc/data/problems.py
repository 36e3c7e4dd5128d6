"""What is being solved: problems, their grading, and the task holding both."""

from collections.abc import Mapping, Sequence
import dataclasses
from typing import Protocol

from ttc.data.vocabulary import Vocabulary


@dataclasses.dataclass(frozen=True)
class Problem:
  """One question.

  Attributes:
    id: unique over all splits of a task.
    question: the text that tells this problem from every other one.
    answer: a reference answer, or '' where grading needs none.
    level: the difficulty its author gave it, where there is one.
    solution: a worked one, or ''.
  """

  id: int
  question: str
  answer: str = ''
  level: int | None = None
  solution: str = ''


@dataclasses.dataclass(frozen=True)
class Grade:
  """The verdict on one attempt.

  Attributes:
    answer: canonical form, equal for answers that vote together; None where
      the text cannot be parsed.
    correct: whether the attempt solves the problem; never where answer is None.
  """

  answer: str | None
  correct: bool


class Task(Protocol):
  """A set of problems and the exact judge of attempts at them."""

  vocabulary: Vocabulary
  delimiter: str  # a token holding it ends a step

  def problems(self, split: str) -> list[Problem]:
    """Problems of 'pretrain', 'finetune' or 'test', disjoint by question."""

  def left_out(self, split: str) -> Mapping[str, int]:
    """How many questions the split lacks, by the reason why."""

  def prompt(self, problem: Problem) -> str:
    """The text that the proposer continues."""

  def prompt_tokens(self, problem: Problem) -> list[int]:
    """The same as tokens, those included that no text spells."""

  def grade(self, problem: Problem, text: str) -> Grade:
    """Judges one attempt; total: no text that a model writes makes it raise."""

  def grade_all(self, problem: Problem, texts: Sequence[str]) -> list[Grade]:
    """Judges attempts that will vote with each other.

    Verdicts are those of `grade`; answers may be found equal here that only a
    comparison of the two can tell to be so.
    """
