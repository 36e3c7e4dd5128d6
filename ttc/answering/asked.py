"""Questions of a user's own, put and read as a task puts and reads its own."""

from collections.abc import Mapping, Sequence
import dataclasses
import pathlib
from typing import Any
import zlib

from ttc.data import jsonl
from ttc.data.problems import Grade, Problem, Task
from ttc.data.questions import Questions
from ttc.data.vocabulary import Vocabulary
from ttc.pipeline import fingerprint
from ttc.runtime.safe_text import quoted

LONGEST = 100_000  # characters of a question, before it is encoded


@dataclasses.dataclass(frozen=True)
class Asked:
  """Implements `problems.Task` for problems that are in none of its splits.

  Attributes:
    asked: the problems, in every split.
    task: whose vocabulary, prompts and grading they get. It is no field, since
      its files of questions are not read and need not be there.
    path: of the file that the problems are from; '' for none.
    without: how many of its lines are not asked, by reason.
    content: digest of the problems, in whose place stage.json has it.
    posed_by: the bindings of the task.
  """

  asked: tuple[Problem, ...] = dataclasses.field(metadata={'recorded': False})
  task: dataclasses.InitVar[Task]
  path: str = ''
  without: Mapping[str, int] = dataclasses.field(
    default_factory=dict, metadata={'recorded': False}
  )
  content: str = dataclasses.field(init=False)
  posed_by: Mapping[str, Any] = dataclasses.field(init=False)

  def __post_init__(self, task: Task):
    plain = [dataclasses.astuple(problem) for problem in self.asked]
    made = {
      '_task': task,
      'content': fingerprint.digest(plain),
      'posed_by': fingerprint.bindings(task),
    }
    for name, value in made.items():
      object.__setattr__(self, name, value)

  @property
  def vocabulary(self) -> Vocabulary:
    return self._task.vocabulary

  @property
  def delimiter(self) -> str:
    return self._task.delimiter

  def files(self) -> list[str | pathlib.Path]:
    """The tokenizer's files, and the one that the problems are from."""
    own = list(getattr(self.vocabulary, 'files', tuple)())
    return [*own, self.path] if self.path else own

  def problems(self, split: str) -> list[Problem]:
    del split
    return list(self.asked)

  def left_out(self, split: str) -> Mapping[str, int]:
    del split
    return self.without

  def prompt(self, problem: Problem) -> str:
    return self._task.prompt(problem)

  def prompt_tokens(self, problem: Problem) -> list[int]:
    return self._task.prompt_tokens(problem)

  def grade(self, problem: Problem, text: str) -> Grade:
    return self._task.grade(problem, text)

  def grade_all(self, problem: Problem, texts: Sequence[str]) -> list[Grade]:
    return self._task.grade_all(problem, texts)


def posed(task: Task, split: str, questions: Sequence[str]) -> list[Problem]:
  """The problems that questions are; equal questions are one.

  A question of the split is that problem, so that the same seed gives the
  attempts that a run recorded. Any other has an id from its text: its attempts
  do not depend on what else is asked.

  Args:
    task: whose questions are known, where its files are there.
    split: of the task.
    questions: texts.

  Raises:
    ValueError: a question is empty or too long, or the task cannot put or read
      it.
  """
  questions = list(dict.fromkeys(questions))
  for question in questions:
    _check(question)
  if isinstance(task, Questions):
    task.check_asked(questions)
  known = _known(task, split)
  taken = {known[q].id for q in questions if q in known}
  problems = []
  for question in questions:
    problem = known.get(question)
    if problem is None:
      id = zlib.crc32(question.encode())
      while id in taken:
        id += 1
      taken.add(id)
      problem = Problem(id, question)
      try:
        # For their errors: of a text that this task's questions cannot have.
        task.prompt_tokens(problem)
        task.grade(problem, '')
      except ValueError as error:
        raise ValueError(
          f'the question {quoted(question, 60)} cannot be asked: {error}'
        ) from error
    problems.append(problem)
  return problems


def _check(question: str) -> None:
  if not question.strip():
    raise ValueError('a question is empty; write it, or leave it out.')
  if len(question) > LONGEST:
    raise ValueError(
      f'the question {quoted(question, 60)} has {len(question)} characters, '
      f'more than {LONGEST}; shorten it.'
    )
  jsonl.whole('question', question)


def _known(task: Task, split: str) -> dict[str, Problem]:
  """The problems of a split by their texts; {} where its file is elsewhere."""
  try:
    return {problem.question: problem for problem in task.problems(split)}
  except (ValueError, OSError):
    return {}
