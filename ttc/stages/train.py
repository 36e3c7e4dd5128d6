"""`ttc train`: finetunes a proposer or a verifier on rows of other stages."""

import dataclasses
from typing import ClassVar

from ttc.data.problems import Task
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.stage import StageRun
from ttc.stages import example_checks, fitting, model_checks
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
      ValueError: source or start are not there, examples may be longer than a
        row, none of their questions is held out, or rows or model cannot be
        divided over the devices.
    """
    stage = experiment.source(self, self.source.stage)
    model_checks.check_head(experiment, self, self.start, None)
    asked = example_checks.questions(experiment, self, self.source.stage)
    example_checks.check_split(self, self.task, self.split, asked)
    if asked is not None:
      example_checks.check_held_out(
        asked, self.fit.held_out, experiment.seeds, 'questions'
      )
    for sampler in example_checks.samplers(experiment, self, self.source.stage):
      prompt = sampler.solver.prompt_width
      attempt = sampler.solver.generation.max_tokens
      samples = getattr(sampler, 'num', None)
      example_checks.check_length(
        self.fit.loop,
        self.source.longest(stage, samples, prompt, attempt),
        f'a prompt of {prompt} and attempts of Generation.max_tokens={attempt}',
      )
    self.fit.check(self.name)  # the devices last, as in Solver

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
