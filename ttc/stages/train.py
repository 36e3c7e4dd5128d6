"""`ttc train`: finetunes a proposer or a verifier on what stages made."""

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
    name: of the stage, e.g. 'prm', 'orm', 'revision'.
    task: whose questions the examples are about.
    source: what makes the examples; it decides on language model or verifier.
    fit: how.
    start: the stage whose model training starts from.
    split: of the questions.
  """

  kind: ClassVar[str] = 'train'
  name: str
  task: Task
  source: Source
  fit: fitting.Fit
  start: str = 'pretrain'
  split: str = 'finetune'

  def check(self, experiment: Experiment) -> None:
    """Needs its source and its start before it, and devices that fit."""
    experiment.source(self, self.source.stage)
    experiment.source(self, self.start)
    self.fit.check(self.name)

  def __call__(self, run: StageRun) -> None:
    """Makes the examples a data set and trains on it."""
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
