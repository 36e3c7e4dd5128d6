"""What every stage that samples needs: models, prompts, keys, graded rows."""

from collections.abc import Sequence
import dataclasses
import functools
import zlib

import jax
import numpy as np

from ttc.checkpoints import orbax
from ttc.data.problems import Problem, Task
from ttc.data.vocabulary import end_table, step_end_table
from ttc.inference import keys
from ttc.inference.capacity import Capacity
from ttc.inference.generation import Generation
from ttc.inference.models import Model, Models
from ttc.inference.requests import Question
from ttc.inference.scheduler import Scheduler
from ttc.inference.verifier_text import Bridge
from ttc.models import copies, partitioning
from ttc.models.config import TransformerConfig
from ttc.pipeline import model_folders as made
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.stage import Stage, StageRun
from ttc.search.solutions import Attempt
from ttc.stages import model_checks

# Tokens of a verifier's text for one of the row: another tokenizer, and texts
# around steps.
_SPREAD = 3


@dataclasses.dataclass(frozen=True)
class Solver:
  """Who answers which questions, and how.

  Attributes:
    task: the questions and their judge.
    generation: how attempts are sampled.
    proposer: the stage that trained the proposer.
    verifier: the stage that trained the verifier; '' for none. One of others,
      converted with a reader, may have another vocabulary.
    scorers: further verifiers, whose final scores go into the records and
      change nothing: pairs of the name there and the stage.
    split: of the questions.
    questions: how many of them, from the first; None for all.
    rows: rows sampled at once, a device or a group that a model is cut over.
    line: tokens that a model reads at once, a device.
    prompt_tokens: a question with a longer prompt is recorded as skipped; None
      takes them all.
    verifier_tokens: a verifier with a reader reads at most so many of a row;
      None is room for three times those of the row.
    model_parallel: devices over which a model is cut; the others share rows.
    shape: what the proposer must be, where it comes from elsewhere and another
      one could be mistaken for it; only its sizes matter. None takes any.
  """

  task: Task
  generation: Generation
  proposer: str = 'pretrain'
  verifier: str = ''
  scorers: tuple[tuple[str, str], ...] = ()
  split: str = 'test'
  questions: int | None = None
  rows: int = 256
  line: int = 512
  prompt_tokens: int | None = None
  verifier_tokens: int | None = None
  model_parallel: int = 1
  shape: TransformerConfig | None = None

  def check(
    self, experiment: Experiment, reader: Stage, attempts: int = 1
  ) -> None:
    """Needs its models before it, enough questions, and sizes that fit.

    Args:
      experiment: around the stage.
      reader: the stage.
      attempts: the most that one context holds, the last one included.
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
        f'has {count}; lower it, or ask the task for more.'
      )
    step_end_table(self.task.vocabulary, self.task.delimiter)
    self.check_devices()
    for stage in dict.fromkeys((self.proposer, *verifiers)):
      cfg = model_checks.known(experiment, reader, stage)
      if cfg is not None and not model_checks.has_reader(stage):
        self._check_fits(stage, cfg, attempts)

  @functools.cached_property
  def problems(self) -> list[Problem]:
    """The questions, in a fixed order."""
    return self.task.problems(self.split)[: self.questions]

  @functools.cached_property
  def by_id(self) -> dict[int, Problem]:
    return {problem.id: problem for problem in self.problems}

  @functools.cached_property
  def prompt_width(self) -> int:
    """Tokens of the longest prompt that is not skipped."""
    return max(
      (
        self._lengths[problem.id]
        for problem in self.problems
        if not self.skipped(problem)
      ),
      default=1,
    )

  def skipped(self, problem: Problem) -> str:
    """Why a question is left out; '' where it is not."""
    length = self._lengths[problem.id]
    if self.prompt_tokens is None or length <= self.prompt_tokens:
      return ''
    return (
      f'its prompt has {length} tokens, more than '
      f'Solver.prompt_tokens={self.prompt_tokens}'
    )

  def prompt(self, problem: Problem) -> list[int]:
    """Tokens that the proposer continues."""
    return self.task.prompt_tokens(problem)

  def load(self, run: StageRun) -> Models:
    """The trained models, on a mesh of this process's devices."""
    mesh = partitioning.make_mesh(
      model=self.model_parallel, devices=jax.local_devices()
    )
    vocabulary = self.task.vocabulary
    proposer = self._model(run, mesh, self.proposer, 'logits')
    end = np.zeros(proposer.cfg.vocab_size, bool)
    end[: vocabulary.size] = end_table(vocabulary)
    step_end = np.zeros(proposer.cfg.vocab_size, bool)
    step_end[: vocabulary.size] = step_end_table(
      vocabulary, self.task.delimiter
    )
    for reason, count in self.task.left_out(self.split).items():
      run.say(
        f'{count} questions of the split {self.split!r} left out: {reason}'
      )
    models = Models(
      proposer=proposer,
      verifier=None,
      step_end=step_end,
      end=end,
      generation=self.generation,
      mesh=mesh,
    )
    return (
      self._verified(run, models, self.verifier) if self.verifier else models
    )

  def load_scorers(self, run: StageRun, models: Models) -> dict[str, Scheduler]:
    """The further verifiers by name, on the mesh of the others."""
    return {
      name: self.scheduler(
        run,
        self._verified(run, dataclasses.replace(models, proposer=None), stage),
      )
      for name, stage in self.scorers
    }

  def scheduler(
    self,
    run: StageRun,
    models: Models,
    slots: int = 1,
    longest: int | None = None,
  ) -> Scheduler:
    """What works on many questions at once.

    Args:
      run: told of the load.
      models: from `load`.
      slots: the most rows of one question that must live at once.
      longest: tokens of a row; None is a prompt and an attempt.
    """
    if longest is None:
      longest = self.prompt_width + self.generation.max_tokens
    if models.bridge is not None:
      longest = max(longest, self.verifier_tokens or _SPREAD * longest)
    capacity = Capacity.create(self.rows, longest, slots, self.line)
    return Scheduler(models, capacity, run.tell)

  def posed(
    self, problems: Sequence[Problem], key: np.ndarray
  ) -> list[Question]:
    """Problems as what plans work on; each draws from (key, its id)."""
    folded = keys.fold(key, [problem.id for problem in problems])
    return [
      Question(
        problem.id, self.prompt(problem), own, self.generation.max_tokens
      )
      for problem, own in zip(problems, folded, strict=True)
    ]

  def judge(
    self,
    problem: int,
    attempts: Sequence[Attempt],
    prefixes: Sequence[Sequence[int]] | None = None,
  ) -> list[dict]:
    """Rows of a record, one an attempt.

    Args:
      problem: id of the question.
      attempts: what was sampled, all that will vote with each other.
      prefixes: the start of the solution that each attempt continues.
    """
    prefixes = prefixes or [()] * len(attempts)
    texts = [
      self.task.vocabulary.decode([*prefix, *attempt.tokens])
      for prefix, attempt in zip(prefixes, attempts, strict=True)
    ]
    grades = self.task.grade_all(self.by_id[problem], texts)
    rows = []
    for attempt, text, grade in zip(attempts, texts, grades, strict=True):
      row = dict(
        tokens=attempt.tokens,
        text=text,
        answer=grade.answer,
        correct=grade.correct,
        truncated=attempt.truncated,
        logprob=attempt.logprob,
      )
      if attempt.values is not None:
        row['values'] = attempt.values
      rows.append(row)
    return rows

  @functools.cached_property
  def _lengths(self) -> dict[int, int]:
    """Tokens of each prompt, by the id of its question."""
    return {problem.id: len(self.prompt(problem)) for problem in self.problems}

  def check_devices(self) -> None:
    """Raises ValueError where a process cannot hold its share of a model."""
    devices = jax.local_device_count()
    if devices % self.model_parallel:
      raise ValueError(
        f'Solver.model_parallel={self.model_parallel} does not divide the '
        f'{devices} devices of a process; choose a divisor.'
      )

  def _check_fits(
    self, stage: str, cfg: TransformerConfig, attempts: int = 1
  ) -> None:
    partitioning.check(stage, cfg, model=self.model_parallel)
    model_checks.check_tokens(stage, cfg, self.task.vocabulary.size)
    if self.shape and stage == self.proposer:
      model_checks.check_sizes(stage, cfg, self.shape)
    if cfg.context is not None:
      room = attempts * (self.generation.max_tokens + 1) - 1
      model_checks.check_context(
        stage, cfg, self.prompt_width, self.prompt_width + room
      )

  def _verified(self, run: StageRun, models: Models, stage: str) -> Models:
    """The same models with a verifier, and the bridge that it may need."""
    verifier = self._model(run, models.mesh, stage, 'value')
    folder = made.folder(run.input(stage))
    reader, bridge = orbax.load_reader(str(folder)), None
    if reader is not None:
      bridge = Bridge(
        reader,
        folder / 'tokenizer.json',
        self.task.vocabulary,
        models.step_end,
        {problem.id: problem.question for problem in self.problems},
        verifier.cfg,
      )
    return dataclasses.replace(models, verifier=verifier, bridge=bridge)

  def _model(self, run, mesh, stage, head) -> Model:
    folder = made.folder(run.input(stage))
    if not model_checks.has_reader(stage):
      self._check_fits(stage, orbax.load_config(str(folder))[0])
    cfg, found, params = orbax.load_model(str(folder), mesh)
    if found != head:
      raise ValueError(
        f'The model of stage {stage!r} has a {found!r} head; a '
        f'{"proposer" if head == "logits" else "verifier"} needs {head!r}.'
      )
    return Model.consuming(
      copies.params(params, cfg, head, mesh),
      copies.config(cfg, self.model_parallel),
    )


def stage_key(run: StageRun, *what: object) -> np.ndarray:
  """A stream of random numbers of this stage, seed and purpose alone."""
  key = keys.root(run.seed)
  for part in (run.label.rsplit('/', 1)[-1], *what):
    key = keys.fold(key, [zlib.crc32(repr(part).encode())])[0]
  return key
