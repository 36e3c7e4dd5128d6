"""Files of questions with reference answers, for a task to pose and grade."""

from collections.abc import Mapping
import dataclasses
import pathlib

from ttc.answering import asked
from ttc.answering.asked import Asked
from ttc.data import jsonl
from ttc.data.jsonl import Rows
from ttc.data.problems import Problem, Task
from ttc.data.questions import Questions


@dataclasses.dataclass(frozen=True)
class References:
  """The questions of a file that can be judged.

  Attributes:
    path: of the file, JSON lines, gzipped or not.
    question: field with the text of a question.
    answer: field with its reference answer, where the task needs one.
    problems: with different ids.
    without: number of lines that are not asked, by reason.
    unread: number of lines with a reference answer that the task does not need,
      because its questions tell what answers them.
  """

  path: pathlib.Path
  question: str
  answer: str
  problems: tuple[Problem, ...] = ()
  without: Mapping[str, int] = dataclasses.field(default_factory=dict)
  unread: int = 0

  def read(self, task: Task, split: str) -> 'References':
    """The questions as a task poses them.

    A question of the split keeps the id that it has there, so that the same
    seed gives the attempts that a run recorded; see `asked.posed`.

    Args:
      task: whose prompts and grading they get. The files of its splits need not
        be there.
      split: of the task.

    Raises:
      ValueError: a line lacks a field, no question has a reference answer, or
        the task cannot pose one.
    """
    texts, unread = self._texts(isinstance(task, Questions))
    if isinstance(task, Questions):
      own = self._read_by(task)
      given, without = own.problems('test'), own.left_out('test')
      texts = [problem.question for problem in given]
      problems = [
        dataclasses.replace(problem, id=known.id)
        for problem, known in zip(
          given, asked.posed(task, split, texts), strict=True
        )
      ]
    else:
      problems = asked.posed(task, split, texts)
      twice = len(texts) - len(problems)
      without = {'asked twice': twice} if twice else {}
    if not problems:
      told = ', '.join(f'{n} left out: {why}' for why, n in without.items())
      raise ValueError(
        f'{self.path} has no question that can be judged '
        f'({told or "it has no lines"}); write reference answers in the field '
        f'{self.answer!r}, or name theirs with --answer.'
      )
    return dataclasses.replace(
      self, problems=tuple(problems), without=without, unread=unread
    )

  def asked_by(self, task: Task) -> Asked:
    """The questions for a solver, whose task may pose them in its own way."""
    own = self._read_by(task) if isinstance(task, Questions) else task
    return Asked(self.problems, own, str(self.path), self.without)

  def _read_by(self, task: Questions) -> Questions:
    """The task with the file for its own ones."""
    rows = Rows(str(self.path), question=self.question, answer=self.answer)
    return dataclasses.replace(task, test=rows, finetune=rows)

  def _texts(self, graded: bool) -> tuple[list[str], int]:
    """The questions of all lines, and how many answers are not read.

    Args:
      graded: whether the answers are.

    Raises:
      ValueError: as of `read`.
    """
    texts, unread = [], 0
    for line, fields in jsonl.read_objects(str(self.path)):
      try:
        texts.append(jsonl.text(fields, self.question) or '')
        if graded:
          jsonl.answer(fields, self.answer)
        unread += not graded and self.answer in fields
      except jsonl.MissingFieldError as error:
        raise ValueError(
          f'{self.path}: line {line}: {error} Name the fields with --field and '
          '--answer.'
        ) from error
      except ValueError as error:
        raise ValueError(f'{self.path}: line {line}: {error}') from error
    return texts, unread
