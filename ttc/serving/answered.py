"""What comes of a question, and what goes to and fro until it does."""

from collections.abc import Generator, Sequence
import dataclasses
from typing import NamedTuple

from ttc.answering.replies import Reply
from ttc.inference.requests import Plan, Question
from ttc.inference.rows import Row


@dataclasses.dataclass(frozen=True)
class Answered:
  """A reply, and what of its cost clients count.

  Attributes:
    reply: the reply.
    prompt: tokens of the prompt.
    sampled: tokens that were sampled, in all attempts.
  """

  reply: Reply
  prompt: int
  sampled: int


class Assignment(NamedTuple):
  """What a scheduler is to work on.

  Attributes:
    question: the question.
    plan: how it goes on.
    slots: the most that the plan holds at once.
    by: index of the scheduler, one for each pair of models.
  """

  question: Question
  plan: Plan
  slots: int
  by: int = 0


# Yields work, and is sent the rows that come of it.
Solving = Generator[Assignment, Sequence[Row], Answered]
