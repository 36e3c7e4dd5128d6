"""`ttc train`: finetunes a proposer or a verifier on rows of other stages."""

import dataclasses
from typing import ClassVar

from ttc.data.problems import Task
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.stage import StageRun
from ttc.stages import fitting
from ttc.stages.sources import Source


@dataclasses.dataclass(frozen=True)
class Train:
  """Finetunes the model of an earlier stage.

  Attributes:
    name: name of the stage, e.g. 'prm', 'orm', 'revision'.
    task: the task that the examples are about.
    source: makes the examples. Its kind decides whether a language model or a
      verifier is trained.
    fit: how the model is trained.
    start: name of the stage, or absolute path, of the model to start from.
    split: split of the task that the questions are from.
  """

  kind: ClassVar[str] = 'train'
  name: str
  task: Task
  source: Source
  fit: fitting.Fit
  start: str = 'pretrain'
  split: str = 'finetune'

  def check(self, experiment: Experiment) -> None:
    """Checks the configuration before anything runs.

    Raises:
      ValueError: source or start are not there, or rows or model cannot be
        divided over the devices.
    """
    experiment.source(self, self.source.stage)
    experiment.source(self, self.start)
    self.fit.check(self.name)

  def __call__(self, run: StageRun) -> None:
    """Writes the examples as a data set and trains the model on it."""
    rows = run.read(self.source.stage)
    vocabulary = self.task.vocabulary
    prompts = {
      problem.id: self.task.prompt_tokens(problem)
      for problem in self.task.problems(self.split)
    }
    fitting.train(
      run,
      self.fit,
      self.source.kind,
      self.source.examples(rows, prompts, vocabulary),
      vocabulary.size,
      start=run.input(self.start),
    )
