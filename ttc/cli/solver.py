"""What every stage that samples needs: models, prompts, keys, graded rows."""

from collections.abc import Iterator, Sequence
import dataclasses
import functools
import zlib

import jax
import numpy as np

from ttc import partitioning
from ttc.checkpoints import orbax
from ttc.cli.experiment import Experiment
from ttc.cli.fitting import MODEL
from ttc.cli.stage import Stage, StageRun
from ttc.data.problems import Problem, Task
from ttc.data.prompts import Prompts
from ttc.data.vocabulary import step_end_table
from ttc.search.frontier import Generation, Model, Models
from ttc.search.solutions import Attempt


@dataclasses.dataclass(frozen=True)
class Solver:
  """Who answers which questions, and how.

  Attributes:
    task: the questions and their judge.
    generation: how attempts are sampled.
    proposer: the stage that trained the proposer.
    verifier: the stage that trained the verifier; '' for none.
    scorers: further verifiers, whose final scores go into the records and
      change nothing: pairs of the name there and the stage.
    split: of the questions.
    questions: how many of them, from the first; None for all.
    rows: rows that a program extends at once, over all devices; more where
      one question a device has more, fewer where they do not divide.
    model_parallel: devices over which a model is cut; the others share rows.
  """

  task: Task
  generation: Generation
  proposer: str = 'pretrain'
  verifier: str = ''
  scorers: tuple[tuple[str, str], ...] = ()
  split: str = 'test'
  questions: int | None = None
  rows: int = 512
  model_parallel: int = 1

  def check(self, experiment: Experiment, reader: Stage) -> None:
    """Needs its models before it, enough questions, and a mesh that fits.

    Args:
      experiment: around the stage.
      reader: the stage.
    """
    verifiers = [stage for _, stage in self.scorers]
    if self.verifier:
      verifiers.append(self.verifier)
    for stage in (self.proposer, *verifiers):
      experiment.source(reader, stage)
    count = len(self.problems)
    if self.questions is not None and self.questions > count:
      raise ValueError(
          f'Solver.questions={self.questions}, but the split {self.split!r} '
          f'has {count}; lower it, or ask the task for more.')
    self.batch(1)

  def batch(self, width: int) -> int:
    """Questions that a process gives a program, each with `width` rows.

    A question's rows stay on one device, so there is at least one for each.

    Raises:
      ValueError: the models cannot be cut over these devices.
    """
    devices, processes = jax.device_count(), jax.process_count()
    if devices % self.model_parallel:
      raise ValueError(
          f'Solver.model_parallel={self.model_parallel} does not divide the '
          f'{devices} devices; choose a divisor.')
    data = devices // self.model_parallel
    return max(1, self.rows // width // data) * data // processes

  @functools.cached_property
  def problems(self) -> list[Problem]:
    """The questions, in a fixed order."""
    return self.task.problems(self.split)[:self.questions]

  @functools.cached_property
  def by_id(self) -> dict[int, Problem]:
    return {problem.id: problem for problem in self.problems}

  @functools.cached_property
  def prompt_width(self) -> int:
    """Tokens of the longest prompt."""
    return max(len(self.prompt(problem)) for problem in self.problems)

  def prompt(self, problem: Problem) -> list[int]:
    """Tokens that the proposer continues."""
    return self.task.vocabulary.encode(self.task.prompt(problem))

  def load(self, run: StageRun) -> Models:
    """The trained models, on a mesh of all devices."""
    mesh = partitioning.make_mesh(model=self.model_parallel)
    vocabulary = self.task.vocabulary
    proposer = self._model(run, mesh, self.proposer, 'logits')
    end = np.zeros(proposer.cfg.vocab_size, bool)
    end[[vocabulary.eos_id, vocabulary.revise_id]] = True
    step_end = np.zeros(proposer.cfg.vocab_size, bool)
    step_end[:vocabulary.size] = step_end_table(
        vocabulary, self.task.delimiter)
    return Models(
        proposer=proposer,
        verifier=(self._model(run, mesh, self.verifier, 'value')
                  if self.verifier else None),
        step_end=step_end,
        end=end,
        generation=self.generation,
        mesh=mesh)

  def load_scorers(self, run: StageRun, models: Models) -> dict[str, Model]:
    """The further verifiers by name, on the mesh of the others."""
    return {name: self._model(run, models.mesh, stage, 'value')
            for name, stage in self.scorers}

  def prompts(self, problems: Sequence[Problem],
              size: int) -> Iterator[Prompts]:
    """Batches of `size` questions, the last one padded."""
    prompts = Prompts.stack(
        [problem.id for problem in problems],
        [self.prompt(problem) for problem in problems],
        width=self.prompt_width)
    return prompts.batches(size)

  def judge(self, problem: int, attempt: Attempt,
            prefix: Sequence[int] = ()) -> dict:
    """One row of a record.

    Args:
      problem: id of the question.
      attempt: what was sampled.
      prefix: the start of the solution that the attempt continues.
    """
    text = self.task.vocabulary.decode([*prefix, *attempt.tokens])
    grade = self.task.grade(self.by_id[problem], text)
    row = dict(
        tokens=attempt.tokens, text=text, answer=grade.answer,
        correct=grade.correct, truncated=attempt.truncated,
        logprob=attempt.logprob)
    return row if attempt.values is None else {**row, 'values': attempt.values}

  def _model(self, run, mesh, stage, head) -> Model:
    cfg, found, params = orbax.load_model(str(run.input(stage) / MODEL), mesh)
    if found != head:
      raise ValueError(
          f'The model of stage {stage!r} has a {found!r} head; a '
          f'{"proposer" if head == "logits" else "verifier"} needs {head!r}.')
    return Model(params, cfg)


def stage_key(run: StageRun, *what: object) -> jax.Array:
  """A stream of random numbers of this stage, seed and purpose alone."""
  key = jax.random.key(run.seed)
  for part in (run.label.rsplit('/', 1)[-1], *what):
    key = jax.random.fold_in(key, zlib.crc32(repr(part).encode()))
  return key
