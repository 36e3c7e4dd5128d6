"""`ttc revise_data`: trajectories of revisions from samples (paper §6.1)."""

import dataclasses
from typing import ClassVar

from ttc.data.problems import Task
from ttc.examples.trajectories import Trajectories
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.stage import StageRun
from ttc.runtime import limits
from ttc.stages import example_checks


@dataclasses.dataclass(frozen=True)
class ReviseData:
  """Makes training data of a revision model from independent samples.

  A trajectory is a few wrong attempts at a question, then a right one, which
  alone is trained on. A row is {"problem": id, "examples": [{"tokens": [...],
  "loss_start": index of the first token of the right attempt}, ...]}.

  Attributes:
    task: the task that was sampled.
    trajectories: how attempts are combined. The experiment's seed is added to
      its seed.
    source: name of the stage with the samples.
    split: split of the task that its questions are from.
    size: questions per part.
    name: name of the stage.
  """

  kind: ClassVar[str] = 'revise_data'
  task: Task
  trajectories: Trajectories = Trajectories()
  source: str = 'sample'
  split: str = 'finetune'
  size: int = 1000
  name: str = 'revise_data'

  def __post_init__(self):
    limits.whole(self, 'size')

  def check(self, experiment: Experiment) -> None:
    """Raises ValueError for a source that is not there or does not fit."""
    asked = example_checks.questions(experiment, self, self.source)
    example_checks.check_split(self, self.task, self.split, asked)
    source = experiment.source(self, self.source)
    solver = getattr(source, 'solver', None)
    if self.trajectories.marks and solver and not solver.verifier:
      raise ValueError(
        f'{self.name} marks the steps of {self.source}, which has no verifier; '
        f'give the Solver.verifier of {self.source}, or no Trajectories.marks.'
      )

  def longest(self, samples: int | None, prompt: int, attempt: int) -> int:
    """The prompt, the attempts before the target, the target and its end."""
    how = self.trajectories
    earlier = how.max_context
    if samples is not None:  # the target may be among its own context
      earlier = min(earlier, samples - (not how.right_share))
    each = how.marks.longest(attempt) if how.marks else attempt + 1
    return prompt + earlier * each + attempt + 1

  def __call__(self, run: StageRun) -> None:
    """Writes one row with the trajectories of each sampled question."""
    vocabulary = self.task.vocabulary
    trajectories = dataclasses.replace(
      self.trajectories, seed=self.trajectories.seed + run.seed
    )
    problems = {p.id: p for p in self.task.problems(self.split)}
    for part in run.parts(run.read(self.source), self.size):
      rows = []
      for record in part.items:
        prompt = self.task.prompt_tokens(problems[record['problem']])
        documents = trajectories(record, prompt, vocabulary)
        examples = [
          {'tokens': d.tokens, 'loss_start': d.loss_start} for d in documents
        ]
        rows.append({'problem': record['problem'], 'examples': examples})
      part.write(rows)
