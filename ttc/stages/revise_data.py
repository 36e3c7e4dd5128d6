"""`ttc revise_data`: from parallel samples to trajectories (paper §6.1)."""

import dataclasses
from typing import ClassVar

from ttc.data.problems import Task
from ttc.data.trajectories import Trajectories
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.stage import StageRun


@dataclasses.dataclass(frozen=True)
class ReviseData:
  """Pairs the wrong attempts at a question with the right ones.

  A line is {"problem", "examples": [{"tokens", "loss_start"}, ...]}.

  Attributes:
    task: that was sampled.
    trajectories: how they are put together; its seed counts from the
      experiment's.
    source: the stage with the samples.
    split: of its questions.
    size: questions a part.
    name: of the stage.
  """

  kind: ClassVar[str] = 'revise_data'
  task: Task
  trajectories: Trajectories = Trajectories()
  source: str = 'sample'
  split: str = 'finetune'
  size: int = 1000
  name: str = 'revise_data'

  def check(self, experiment: Experiment) -> None:
    """Needs samples before it."""
    experiment.source(self, self.source)

  def __call__(self, run: StageRun) -> None:
    """Writes the trajectories of each sampled question."""
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
