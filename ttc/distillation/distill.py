"""`ttc distill`: answers that were right become examples for the proposer.

A round of STaR, ReST^EM or of distilled search is three stages: sample or
search, distill, and train from the base model. The next round samples from the
model of this one; see gin/experiments/worksheet_distill.gin.
"""

import dataclasses
from typing import ClassVar

from ttc.data.problems import Task
from ttc.distillation import keeping
from ttc.pipeline import records
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.stage import StageRun
from ttc.runtime import limits
from ttc.stages import example_checks

# Kinds of stages.
_ANSWER = ('sample', 'search', 'revise', 'apply_policy', 'allocate')


@dataclasses.dataclass(frozen=True)
class Distill:
  """Keeps distinct right answers, up to a number of each question.

  A row is {"problem": id, "answers": how many there were, "right": those that
  are right and whole, "distinct": texts among them, "examples": [{"tokens":
  [...], "loss_start": index of the first token of the answer}, ...]}.

  Attributes:
    task: the task that was sampled.
    source: name of the stage with the answers; those of all its arms, budgets
      and rounds are taken together.
    cap: the most examples of a question, drawn by the experiment's seed; None
      for all. Without one, easy questions make most of the examples.
    accept: where there are no references: answers are right that the verifier
      of the source values at this or more, in [0, 1]. None leaves that to the
      grader.
    split: split of the task that its questions are from.
    size: questions per part.
    name: name of the stage.

  Raises:
    ValueError: a field is out of its range, or questions are those of the test.
  """

  kind: ClassVar[str] = 'distill'
  task: Task
  source: str = 'sample'
  cap: int | None = 10
  accept: float | None = None
  split: str = 'finetune'
  size: int = 1000
  name: str = 'distill'

  def __post_init__(self):
    limits.whole(self, 'cap', 'size')
    limits.real(self, 'accept', least=0, most=1)
    if self.split == 'test':
      raise ValueError(
        "Distill.split='test' would train on what is measured; answer the "
        "questions of 'finetune'."
      )

  def check(self, experiment: Experiment) -> None:
    """Checks the configuration before anything runs.

    Raises:
      ValueError: the source is not there, writes no answers, asks questions of
        another split, or has no verifier where `accept` needs one.
    """
    stage = experiment.source(self, self.source)
    asked = example_checks.questions(experiment, self, self.source)
    example_checks.check_split(self, self.task, self.split, asked)
    if stage is None:
      return
    if stage.kind not in _ANSWER:
      raise ValueError(
        f'{self.source!r} is a stage of kind {stage.kind!r}, which writes no '
        f'answers; name one of kind {", ".join(_ANSWER)}.'
      )
    solver = getattr(stage, 'solver', None)
    if self.accept is not None and solver and not solver.verifier:
      raise ValueError(
        f'Distill.accept={self.accept:g} needs values, and {self.source!r} has '
        'no verifier; name one in its Solver.verifier.'
      )

  def longest(self, samples: int | None, prompt: int, attempt: int) -> int:
    """Largest number of tokens of an example; as `sources.Source.longest`."""
    del samples
    return prompt + attempt + 1

  def __call__(self, run: StageRun) -> None:
    """Writes one row per question."""
    vocabulary = self.task.vocabulary
    problems = {p.id: p for p in self.task.problems(self.split)}
    answered = keeping.by_question(run.read(self.source))
    for part in run.parts(answered, self.size):
      rows = []
      for id, answers in part.items:
        right = keeping.accepted(answers, self.accept)
        texts = keeping.distinct(right)
        prompt = self.task.prompt_tokens(problems[id])
        documents = [
          keeping.document(row, id, prompt, vocabulary)
          for row in keeping.capped(texts, self.cap, run.seed, id)
        ]
        rows.append(
          {
            'problem': id,
            'answers': len(answers),
            'right': len(right),
            'distinct': len(texts),
            'examples': [
              {'tokens': d.tokens, 'loss_start': d.loss_start}
              for d in documents
            ],
          }
        )
      part.write(rows)

  def show(self, run: StageRun) -> str:
    """Text: how many answers were right and kept, of how many questions."""
    rows = records.read_rows(run.folder)
    total = lambda name: sum(row[name] for row in rows)
    kept = [len(row['examples']) for row in rows]
    return (
      f'{run.label}: {sum(kept)} examples of {sum(map(bool, kept))} of '
      f'{len(rows)} questions; {total("right")} of {total("answers")} answers '
      f'right and whole, {total("distinct")} of them distinct'
    )
