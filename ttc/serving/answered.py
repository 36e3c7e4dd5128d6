"""What comes of a question, and what goes to and fro until it does."""

from collections.abc import Generator, Sequence
import dataclasses

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


# Yields what a scheduler is to work on, and is sent the rows that come of it.
Solving = Generator[tuple[Question, Plan, int], Sequence[Row], Answered]
