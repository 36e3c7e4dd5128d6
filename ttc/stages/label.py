"""`ttc label`: Monte-Carlo values of every step prefix (paper §5.1)."""

from collections.abc import Iterator, Mapping, Sequence
import dataclasses
from typing import ClassVar

import numpy as np

from ttc.data import labelling
from ttc.inference import keys
from ttc.inference.models import Models
from ttc.inference.requests import Plan, Question
from ttc.inference.rows import Row
from ttc.inference.scheduler import Scheduler
from ttc.models import partitioning
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.stage import StageRun
from ttc.search.rollouts import Branch, continuations
from ttc.search.solutions import Attempt
from ttc.stages.solver import Solver, stage_key

_SLOTS = 2  # a solution's own, and a rollout's


@dataclasses.dataclass(frozen=True)
class Label:
  """Continues each step of sampled solutions, and counts what comes right.

  Attributes:
    solver: the base model that made the samples, on their split.
    rollouts: continuations of each step prefix (K); the paper has 16.
    samples: parsable solutions labelled a question, at most; the paper has 16.
    source: the stage with the samples.
    size: questions a part.
    name: of the stage.
  """

  kind: ClassVar[str] = 'label'
  solver: Solver
  rollouts: int = 16
  samples: int = 16
  source: str = 'sample'
  size: int = 256
  name: str = 'label'

  def __post_init__(self):
    for name in ('rollouts', 'samples'):
      if getattr(self, name) < 1:
        raise ValueError(
          f'Label.{name}={getattr(self, name)}; it must be at least 1.'
        )

  def check(self, experiment: Experiment) -> None:
    """Needs samples and a proposer before it."""
    experiment.source(self, self.source)
    self.solver.check(experiment, self)

  def __call__(self, run: StageRun) -> None:
    """Writes one line for each labelled solution."""
    known = self.solver.by_id
    records = [r for r in run.read(self.source) if r['problem'] in known]
    scheduler = None
    for part in run.parts(records, self.size):
      if scheduler is None:
        models = self.solver.load(run)
        scheduler = self.solver.scheduler(run, models)
      with partitioning.use(models.mesh):
        part.write(self._lines(run, models, scheduler, part.items))

  def show(self, run: StageRun) -> str:
    """How many solutions were labelled, and how many could not be."""
    dropped = sum(labelling.parsable(r)[1] for r in run.read(self.source))
    lines = sum(
      path.read_bytes().count(b'\n') for path in run.folder.glob('part-*.jsonl')
    )
    return (
      f'{run.label}: {lines} solutions labelled; {dropped} of the '
      'samples have no answer that can be parsed and were left out'
    )

  def _lines(
    self,
    run: StageRun,
    models: Models,
    scheduler: Scheduler,
    records: Sequence[Mapping],
  ) -> list[dict]:
    samples = [
      _Sample(record, row)
      for record in records
      for row in labelling.parsable(record)[0][: self.samples]
    ]
    plans = self._plans(samples, stage_key(run), models)
    rollouts = {
      question.id: self._judged(samples[question.id], rows, models)
      for question, rows in scheduler.run(plans)
    }
    return [
      labelling.label_record(
        sample.problem,
        sample.row,
        sample.tokens,
        sample.correct,
        rollouts.get(place, ()),
        models.step_end,
      )
      for place, sample in enumerate(samples)
    ]

  def _plans(
    self, samples: Sequence['_Sample'], key: np.ndarray, models: Models
  ) -> Iterator[tuple[Question, Plan, int]]:
    """One plan for each sample with a step to continue, named by its place."""
    most = self.solver.generation.max_tokens
    for place, sample in enumerate(samples):
      ends = labelling.step_ends(sample.tokens, models.step_end)[:-1]
      if not ends:
        continue
      own = keys.fold(keys.fold(key, [sample.problem])[0], [sample.row])[0]
      branches = [
        Branch(end + 1, each)
        for end, each in zip(
          ends, keys.fold(own, np.arange(len(ends))), strict=True
        )
      ]
      prompt = self.solver.prompt(self.solver.by_id[sample.problem])
      question = Question(place, prompt, key, most)
      yield (
        question,
        continuations(question, sample.tokens, branches, self.rollouts),
        _SLOTS,
      )

  def _judged(
    self, sample: '_Sample', rows: Sequence[Row], models: Models
  ) -> list[labelling.Rollout]:
    """(branch, tokens, correct) of a sample's rollouts."""
    ends = labelling.step_ends(sample.tokens, models.step_end)
    attempts = [Attempt.of(row, models) for row in rows]
    branches = [index // self.rollouts for index in range(len(rows))]
    graded = self.solver.judge(
      sample.problem,
      attempts,
      [sample.tokens[: ends[branch] + 1] for branch in branches],
    )
    return [
      (branch, attempt.tokens, row['correct'])
      for branch, attempt, row in zip(branches, attempts, graded, strict=True)
    ]


@dataclasses.dataclass(frozen=True)
class _Sample:
  """A row of a sample record."""

  record: Mapping
  row: int

  @property
  def problem(self) -> int:
    return self.record['problem']

  @property
  def tokens(self) -> list[int]:
    return self.record['rows'][self.row]['tokens']

  @property
  def correct(self) -> bool:
    return self.record['rows'][self.row]['correct']
