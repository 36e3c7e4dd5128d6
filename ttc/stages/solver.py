"""What sampling stages have in common: models, prompts, keys and grading."""

from collections.abc import Mapping, Sequence
import dataclasses
import functools
from typing import Any

import jax
import numpy as np

from ttc.data.problems import Problem, Task
from ttc.data.vocabulary import end_table, step_end_table
from ttc.examples import context
from ttc.external.endpoint import Endpoint
from ttc.external.remote import RemoteScheduler
from ttc.inference import keys
from ttc.inference.capacity import Capacity
from ttc.inference.generation import Generation
from ttc.inference.models import Models
from ttc.inference.requests import PlanRunner, Question
from ttc.inference.scheduler import Scheduler
from ttc.inference.verifier_text import Bridge
from ttc.inference.without_history import WithoutHistory
from ttc.models import devices, partitioning
from ttc.models.config import TransformerConfig
from ttc.pipeline import model_folders
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.stage import Stage, StageRun
from ttc.runtime import limits, storage
from ttc.search.solutions import Attempt
from ttc.stages import example_checks, loading, model_checks

# Tokens of a verifier's text per token of the row, where it has a tokenizer of
# its own: its tokens may be shorter, and text is added around the steps.
_SPREAD = 3


@dataclasses.dataclass(frozen=True)
class Solver:
  """The models, questions and sizes of a sampling stage.

  Attributes:
    task: the questions and their grading.
    generation: how attempts are sampled.
    proposer: name of the stage that trained the proposer, absolute path of a
      model, or a server that samples; the verifier is read here all the same.
    verifier: the same of the verifier; '' for none. One that was converted with
      a reader may have another vocabulary than the proposer.
    scorers: pairs (name, stage or path) of further verifiers. Their final
      scores are recorded under the name and do not influence the search.
    split: split of the task that the questions are from.
    questions: number of questions, the first ones after `skip`; None for all.
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
    skip: number of questions of the split that are passed over, from its first
      on: others may be fitted on those that trained no verifier.
    verify_alone: whether the verifier reads an attempt without the earlier ones
      in its context, as one with a reader always does.
  """

  task: Task
  generation: Generation
  proposer: str | Endpoint = 'pretrain'
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
  skip: int = dataclasses.field(default=0, metadata={'recorded': 'changed'})
  verify_alone: bool = dataclasses.field(
    default=False, metadata={'recorded': 'changed'}
  )

  def __post_init__(self):
    limits.whole(self, 'skip', least=0)
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
    if self.generation.certainty:
      loading.check_here(self, 'Generation.certainty')
    models = loading.here(self)
    for stage, head in models:
      model_checks.check_head(experiment, reader, stage, head)
    example_checks.check_any(self)
    # Called for its error: no token of the vocabulary may end a step.
    step_end_table(self.task.vocabulary, self.task.delimiter)
    for stage, _ in models:
      cfg = model_checks.known(experiment, reader, stage)
      if model_checks.has_reader(stage):
        # For its errors alone, before anything has been sampled.
        folder = model_folders.folder(storage.path(stage))
        loading.bridge(self, folder, cfg, np.zeros(0, bool))
      elif cfg is not None:
        loading.check_fits(self, stage, cfg, attempts)
    example_checks.check_asked(self)
    self.check_devices()  # last: another machine has others

  @functools.cached_property
  def problems(self) -> list[Problem]:
    """The questions, in the order of the task."""
    left = self.task.problems(self.split)[self.skip :]
    return left[: self.questions]

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
    vocabulary, proposer = self.task.vocabulary, None
    # Tables have an entry per id of the model, which may have more ids than the
    # task has tokens. The padding ends nothing.
    size = vocabulary.size
    if not isinstance(self.proposer, Endpoint):
      proposer = loading.model(self, run, mesh, self.proposer, 'logits')
      size = proposer.cfg.vocab_size
    end, step_end = np.zeros((2, size), bool)
    end[: vocabulary.size] = end_table(vocabulary)
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
      ends=dict.fromkeys(context.bare_ends(vocabulary), vocabulary.eos_id),
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
      name: self._here(
        run,
        self._verified(run, dataclasses.replace(models, proposer=None), stage),
        slots=1,
        longest=self.prompt_width + self.generation.max_tokens,
      )
      for name, stage in self.scorers
    }

  def scheduler(
    self,
    run: StageRun,
    models: Models,
    slots: int = 1,
    longest: int | None = None,
  ) -> PlanRunner:
    """Makes a scheduler for the models, and its KV pools.

    Args:
      run: receives the utilization after each round.
      models: models from `load`.
      slots: largest number of slots that one question holds at once.
      longest: tokens in the longest row; None is a prompt and one attempt.
    """
    if longest is None:
      longest = self.prompt_width + self.generation.max_tokens
    if not isinstance(self.proposer, Endpoint):
      return self._here(run, models, slots, longest)
    for caveat in self.proposer.caveats:
      run.say(caveat)
    return RemoteScheduler(
      self.proposer,
      self.task.vocabulary,
      models,
      self._here(run, models, 2, longest) if models.verifier else None,
      longest,
      watch=run.tell,
      say=run.say,
    )

  def _here(
    self, run: StageRun, models: Models, slots: int, longest: int
  ) -> Scheduler:
    if isinstance(models.bridge, Bridge):
      longest = self.longest_text(longest)
    capacity = Capacity.create(self.rows, longest, slots, self.line)
    return Scheduler(models, capacity, run.tell)

  def longest_text(self, row: int) -> int:
    """Tokens that a verifier with a reader may read of a row."""
    return max(row, self.verifier_tokens or _SPREAD * row)

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
      is one, "certainty": where `Generation` asks for it}.
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
      if attempt.certainty is not None:
        row['certainty'] = attempt.certainty
      rows.append(row)
    return rows

  def judge_after(
    self,
    earlier: Sequence[Mapping[str, Any]],
    problem: int,
    attempts: Sequence[Attempt],
  ) -> list[dict]:
    """Grades attempts that follow others, with which they vote.

    Args:
      earlier: rows of those, as records hold them.
      problem: id of the problem.
      attempts: the new ones.

    Returns:
      One row per new attempt, see `judge`.
    """
    before = [*map(Attempt.recorded, earlier)]
    return self.judge(problem, [*before, *attempts])[len(before) :]

  @functools.cached_property
  def lengths(self) -> dict[int, int]:
    """Number of tokens in each prompt, by the id of its problem."""
    return {problem.id: len(self.prompt(problem)) for problem in self.problems}

  def check_devices(self) -> None:
    """Raises DevicesError if `model_parallel` does not divide the devices."""
    count = jax.local_device_count()
    if count % self.model_parallel:
      raise devices.DevicesError(
        f'Solver.model_parallel={self.model_parallel} does not divide the '
        f'{count} devices of a process; choose a divisor.'
      )

  def _verified(self, run: StageRun, models: Models, stage: str) -> Models:
    """The models with a verifier, and with a bridge if it has a reader."""
    verifier = loading.model(self, run, models.mesh, stage, 'value')
    folder = model_folders.folder(run.input(stage))
    bridge = loading.bridge(self, folder, verifier.cfg, models.step_end)
    if bridge is None and self.verify_alone:
      prompts = {problem.id: self.prompt(problem) for problem in self.problems}
      bridge = WithoutHistory(prompts, models.ends)
    return dataclasses.replace(models, verifier=verifier, bridge=bridge)
