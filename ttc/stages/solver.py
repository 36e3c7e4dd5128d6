"""What sampling stages have in common: models, prompts, keys and grading."""

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
from ttc.pipeline import model_folders
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.stage import Stage, StageRun
from ttc.runtime import limits, storage
from ttc.search.solutions import Attempt
from ttc.stages import example_checks, model_checks

# Tokens of a verifier's text per token of the row, where it has a tokenizer of
# its own: its tokens may be shorter, and text is added around the steps.
_SPREAD = 3


@dataclasses.dataclass(frozen=True)
class Solver:
  """The models, questions and sizes of a sampling stage.

  Attributes:
    task: the questions and their grading.
    generation: how attempts are sampled.
    proposer: name of the stage that trained the proposer, or absolute path of a
      model.
    verifier: the same of the verifier; '' for none. One that was converted with
      a reader may have another vocabulary than the proposer.
    scorers: pairs (name, stage or path) of further verifiers. Their final
      scores are recorded under the name and do not influence the search.
    split: split of the task that the questions are from.
    questions: number of questions, the first ones of the split; None for all.
    rows: rows sampled at once per device, or per group of `model_parallel`
      devices.
    line: tokens per prefill, per device or group.
    prompt_tokens: longest prompt, in tokens; questions with longer ones are
      recorded as skipped. None for no limit.
    verifier_tokens: longest text of a verifier with a reader, in its tokens;
      None is three times the longest row.
    model_parallel: number of devices that a model is sharded over. The groups
      of this number of devices divide the rows among them.
    shape: expected shape of the proposer, for a path that could hold another
      model; only sizes are compared. None for any. `ttc plan` uses it where
      the path does not exist yet.
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

  def __post_init__(self):
    limits.whole(
      self,
      'questions',
      'rows',
      'line',
      'prompt_tokens',
      'verifier_tokens',
      'model_parallel',
    )
    for pair in self.scorers:
      if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise ValueError(
          f'Solver.scorers={self.scorers!r} has {pair!r}, which is no pair; '
          "write (('orm', 'orm'),): a name, and a stage or path."
        )

  def check(
    self, experiment: Experiment, reader: Stage, attempts: int = 1
  ) -> None:
    """Checks the configuration before anything runs.

    Args:
      experiment: the experiment of the stage.
      reader: the stage that samples.
      attempts: largest number of attempts in one context, with the one being
        sampled.

    Raises:
      ValueError: a model is not there or does not fit task, devices or context,
        or the split has too few questions, or none that can be asked.
    """
    verifiers = [stage for _, stage in self.scorers]
    if self.verifier:
      verifiers.append(self.verifier)
    for stage in (self.proposer, *verifiers):
      experiment.source(reader, stage)
    example_checks.check_any(self)
    # Called for its error: no token of the vocabulary may end a step.
    step_end_table(self.task.vocabulary, self.task.delimiter)
    self.check_devices()
    for stage in dict.fromkeys((self.proposer, *verifiers)):
      cfg = model_checks.known(experiment, reader, stage)
      if model_checks.has_reader(stage):
        # For its errors alone, before anything has been sampled.
        self._bridge(storage.path(stage), cfg, np.zeros(0, bool))
      elif cfg is not None:
        self._check_fits(stage, cfg, attempts)
    example_checks.check_asked(self)

  @functools.cached_property
  def problems(self) -> list[Problem]:
    """The questions, in the order of the task."""
    return self.task.problems(self.split)[: self.questions]

  @functools.cached_property
  def by_id(self) -> dict[int, Problem]:
    """The questions by id."""
    return {problem.id: problem for problem in self.problems}

  @functools.cached_property
  def prompt_width(self) -> int:
    """Number of tokens in the longest prompt that is not skipped."""
    return max(
      (
        self.lengths[problem.id]
        for problem in self.problems
        if not self.skipped(problem)
      ),
      default=1,
    )

  def skipped(self, problem: Problem) -> str:
    """Why a question is skipped; '' for one that is not."""
    length = self.lengths[problem.id]
    if self.prompt_tokens is None or length <= self.prompt_tokens:
      return ''
    return (
      f'its prompt has {length} tokens, more than '
      f'Solver.prompt_tokens={self.prompt_tokens}'
    )

  def prompt(self, problem: Problem) -> list[int]:
    """Tokens of the prompt that the proposer continues."""
    return self.task.prompt_tokens(problem)

  def load(self, run: StageRun) -> Models:
    """Loads proposer and verifier onto the devices of this process.

    Args:
      run: the run of the stage; records the models as its inputs.

    Raises:
      RefusedError: the stage of a model is not complete.
      ValueError: a model does not fit, or has the wrong head.
    """
    # Local devices only: each process samples parts of its own, at its own
    # pace, so its programs must not wait for those of other processes.
    mesh = partitioning.make_mesh(
      model=self.model_parallel, devices=jax.local_devices()
    )
    vocabulary = self.task.vocabulary
    # Tables have an entry per id of the model, which may have more ids than the
    # task has tokens. The padding ends nothing.
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

  def say_if_equal(self, run: StageRun, samples: int) -> None:
    """Says that a question's samples will be equal, where they will be.

    Args:
      run: the run of the stage.
      samples: the most that are drawn from one context.
    """
    if samples > 1 and self.generation.temperature == 0:
      run.say(
        f'Generation.temperature=0: all {samples} samples of a question will '
        'be equal; raise it, or sample once.'
      )

  def load_scorers(self, run: StageRun, models: Models) -> dict[str, Scheduler]:
    """Loads the further verifiers; a scheduler for each, by name.

    Args:
      run: the run of the stage.
      models: models from `load`, whose mesh is shared.
    """
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
    """Makes a scheduler for the models, and its KV pools.

    Args:
      run: receives the utilization after each round.
      models: models from `load`.
      slots: largest number of slots that one question holds at once.
      longest: tokens in the longest row; None is a prompt and one attempt.
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
    """Makes a question for each problem.

    Args:
      problems: the problems.
      key: uint32 [2]. A question's key is folded from it and the problem's id,
        so that samples do not depend on the other problems of a part.
    """
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
    """Grades attempts at a problem.

    Args:
      problem: id of the problem.
      attempts: all attempts that will vote together, because their answers are
        compared with each other.
      prefixes: for each attempt, tokens of the solution that it continues;
        None if attempts are whole solutions.

    Returns:
      One row per attempt: {"tokens": without the prefix, "text": with it,
      "answer", "correct", "truncated", "logprob", "undecided": why, if the
      grader could not decide, "values": of the verifier at step ends, if there
      is one}.
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
      if grade.undecided:
        row['undecided'] = grade.undecided
      if attempt.values is not None:
        row['values'] = attempt.values
      rows.append(row)
    return rows

  @functools.cached_property
  def lengths(self) -> dict[int, int]:
    """Number of tokens in each prompt, by the id of its problem."""
    return {problem.id: len(self.prompt(problem)) for problem in self.problems}

  def check_devices(self) -> None:
    """Raises ValueError if devices cannot be grouped by `model_parallel`."""
    devices = jax.local_device_count()
    if devices % self.model_parallel:
      raise ValueError(
        f'Solver.model_parallel={self.model_parallel} does not divide the '
        f'{devices} devices of a process; choose a divisor.'
      )

  def _check_fits(
    self, stage: str, cfg: TransformerConfig, attempts: int = 1
  ) -> None:
    """Checks one model; `attempts` as in `check`. Raises ValueError."""
    partitioning.check(stage, cfg, model=self.model_parallel)
    model_checks.check_tokens(stage, cfg, self.task.vocabulary.size)
    if self.shape and stage == self.proposer:
      model_checks.check_sizes(stage, cfg, self.shape)
    if cfg.context is not None:
      # One token, <revise>, is between each two attempts.
      room = attempts * (self.generation.max_tokens + 1) - 1
      model_checks.check_context(
        stage, cfg, self.prompt_width, self.prompt_width + room
      )

  def _verified(self, run: StageRun, models: Models, stage: str) -> Models:
    """The models with a verifier, and with a bridge if it has a reader."""
    verifier = self._model(run, models.mesh, stage, 'value')
    bridge = self._bridge(run.input(stage), verifier.cfg, models.step_end)
    return dataclasses.replace(models, verifier=verifier, bridge=bridge)

  def _bridge(self, made, cfg, step_end) -> Bridge | None:
    """The bridge to a verifier, or None if it reads the proposer's tokens."""
    folder = model_folders.folder(made)
    reader = orbax.load_reader(str(folder))
    if reader is None:
      return None
    questions = {problem.id: problem.question for problem in self.problems}
    path, vocabulary = folder / 'tokenizer.json', self.task.vocabulary
    return Bridge(reader, path, vocabulary, step_end, questions, cfg)

  def _model(self, run, mesh, stage, head) -> Model:
    """Loads the model of a stage, which must have the head."""
    made = run.input(stage)
    folder = model_folders.folder(made)
    # Before the parameters are read. One with a reader has its own vocabulary,
    # and its texts are longer than rows, so these checks do not apply to it.
    if not model_checks.has_reader(stage):
      self._check_fits(stage, orbax.load_config(str(folder))[0])
    cfg, stored_head, params = orbax.load_model(str(folder), mesh)
    if stored_head != head:
      raise ValueError(
        f'The model of stage {stage!r} has a {stored_head!r} head; a '
        f'{"proposer" if head == "logits" else "verifier"} needs {head!r}.'
      )
    # Key/value heads are repeated where there are fewer than `model_parallel`.
    return Model.consuming(
      copies.params(params, cfg, head, mesh),
      copies.config(cfg, self.model_parallel),
      f'{run.label}: the model of {stage!r}',
    )


def stage_key(run: StageRun, *what: object) -> np.ndarray:
  """The root of a random stream, a function of seed, stage name and `what`.

  Args:
    run: the run of a stage with a seed.
    *what: values whose repr tells streams of the stage apart, e.g. a strategy
      and a budget.

  Returns:
    A key, uint32 [2].
  """
  key = keys.root(run.seed)
  for value in (run.label.rsplit('/', 1)[-1], *what):
    # Not hash(), which differs between processes for strings.
    key = keys.fold(key, [zlib.crc32(repr(value).encode())])[0]
  return key
