"""Problems, grades, and the interface of a task."""

from collections.abc import Mapping, Sequence
import dataclasses
from typing import Protocol

from ttc.data.vocabulary import Vocabulary


@dataclasses.dataclass(frozen=True)
class Problem:
  """One question.

  Attributes:
    id: identifier, unique over all splits of a task.
    question: text of the question.
    answer: reference answer, or '' where grading needs none.
    level: difficulty assigned by the author, or None.
    solution: worked solution, or ''.
    shuffled: whether the question is not as it stands in its file, so that
      records hold it.
  """

  id: int
  question: str
  answer: str = ''
  level: int | None = None
  solution: str = ''
  shuffled: bool = dataclasses.field(
    default=False, metadata={'recorded': 'changed'}
  )

  @property
  def told(self) -> dict[str, str]:
    """What records hold of the problem beside its id."""
    return {'question': self.question} if self.shuffled else {}


@dataclasses.dataclass(frozen=True)
class Grade:
  """The grade of one attempt.

  Attributes:
    answer: canonical form of the answer, equal for answers that vote together;
      None if the text cannot be parsed.
    correct: whether the attempt solves the problem; False if `answer` is None.
    undecided: why a grader could not decide, which counts as wrong: 'crash',
      'timeout', 'memory', 'too deep', 'too long' or 'unsure'; '' where it did.
  """

  answer: str | None
  correct: bool
  undecided: str = ''


class Task(Protocol):
  """A set of problems, with their prompts and exact grading.

  Attributes:
    vocabulary: vocabulary of the model.
    delimiter: text that ends a step; a token whose text contains it ends one.
  """

  vocabulary: Vocabulary
  delimiter: str

  def problems(self, split: str) -> list[Problem]:
    """Returns the problems of 'pretrain', 'finetune' or 'test'.

    The splits share no question.

    Raises:
      ValueError: there is no such split.
    """

  def left_out(self, split: str) -> Mapping[str, int]:
    """Returns the number of questions left out of a split, by reason."""

  def prompt(self, problem: Problem) -> str:
    """Returns the text that the proposer continues."""

  def prompt_tokens(self, problem: Problem) -> list[int]:
    """Returns the prompt's tokens, special ones such as BOS included."""

  def grade(self, problem: Problem, text: str) -> Grade:
    """Grades one attempt. Never raises, whatever the text."""

  def grade_all(self, problem: Problem, texts: Sequence[str]) -> list[Grade]:
    """Grades attempts that vote with each other.

    `correct` is as in `grade`. `answer` may coincide for more attempts: some
    answers can only be found equal by comparing them with each other.
    """
