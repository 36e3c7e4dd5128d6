"""`ttc label`: Monte-Carlo values of every step prefix (paper §5.1).

The value of a prefix is the share of its rollouts that reach the right answer.
"""

from collections.abc import Iterator, Mapping, Sequence
import dataclasses
from typing import ClassVar

import numpy as np

from ttc.examples import labelling
from ttc.inference import keys
from ttc.inference.models import Models
from ttc.inference.requests import Plan, PlanRunner, Question
from ttc.inference.rows import Row
from ttc.models import partitioning
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.records import read_mark
from ttc.pipeline.stage import StageRun
from ttc.runtime import limits
from ttc.search.rollouts import Branch, continuations
from ttc.search.solutions import Attempt
from ttc.stages import example_checks
from ttc.stages.solver import Solver
from ttc.stages.streams import stage_key

# KV slots per solution: one for the solution, which its rollouts are forked
# from, and one for a rollout. Rollouts run to their end, so they take turns.
_SLOTS = 2


@dataclasses.dataclass(frozen=True)
class Label:
  """Labels the steps of sampled solutions with the success of rollouts.

  Attributes:
    solver: the base model that sampled the solutions, on their split.
    rollouts: rollouts per step prefix (K); the paper takes 16.
    samples: at most this number of solutions per question is labelled, the
      first ones with an answer that can be parsed; the paper takes 16.
    source: name of the stage that sampled the solutions.
    size: questions per part.
    name: name of the stage.
  """

  kind: ClassVar[str] = 'label'
  solver: Solver
  rollouts: int = 16
  samples: int = 16
  source: str = 'sample'
  size: int = 256
  name: str = 'label'

  def __post_init__(self):
    limits.whole(self, 'rollouts', 'samples', 'size')

  def check(self, experiment: Experiment) -> None:
    """Raises ValueError for missing inputs, or for a verifier."""
    if self.solver.verifier:
      # The rows of labels have no values, and `continuations` allows none.
      raise ValueError(
        f'Solver.verifier={self.solver.verifier!r}: labels are the outcomes of '
        "rollouts and need no verifier; give Label a Solver with verifier=''."
      )
    self.solver.check(experiment, self)
    asked = example_checks.questions(experiment, self, self.source)
    example_checks.check_split(self, self.solver.task, self.solver.split, asked)

  def __call__(self, run: StageRun) -> None:
    """Writes one row per labelled solution; see `labelling.label_record`."""
    known = self.solver.by_id
    records = [r for r in run.read(self.source) if r['problem'] in known]
    scheduler = None
    for part in run.parts(
      records, self.size, rows=lambda record: len(self._chosen(record))
    ):
      if scheduler is None:
        self.solver.say_if_equal(run, self.rollouts)
        models = self.solver.load(run)
        scheduler = self.solver.scheduler(run, models)
      with partitioning.use(models.mesh):
        part.write(self._records(run, models, scheduler, part.items))

  def show(self, run: StageRun) -> str:
    """Text: number of solutions labelled, and of those without an answer."""
    dropped = sum(labelling.parsable(r)[1] for r in run.read(self.source))
    # From the mark, which is much faster than parsing the rows.
    mark = read_mark(run.folder)
    count = sum(mark['rows'].values()) if mark else 0
    return (
      f'{run.label}: {count} solution{"s" * (count != 1)} labelled; {dropped} '
      'of the samples have no answer that can be parsed and were left out'
    )

  def _chosen(self, record: Mapping) -> list[int]:
    """Indices of the rows of a sample record that get labels."""
    return labelling.parsable(record)[0][: self.samples]

  def _records(
    self,
    run: StageRun,
    models: Models,
    scheduler: PlanRunner,
    records: Sequence[Mapping],
  ) -> list[dict]:
    """The label rows of the solutions in sample records, in their order."""
    samples = [
      _Sample(record, row) for record in records for row in self._chosen(record)
    ]
    plans = self._plans(samples, stage_key(run), models)
    rollouts = {
      question.id: self._graded(samples[question.id], rows, models)
      for question, rows in scheduler.run(plans)
    }
    return [
      labelling.label_record(
        sample.problem,
        sample.row,
        sample.tokens,
        sample.correct,
        rollouts.get(place, ()),  # none for a solution of a single step
        models.step_end,
      )
      for place, sample in enumerate(samples)
    ]

  def _plans(
    self, samples: Sequence['_Sample'], key: np.ndarray, models: Models
  ) -> Iterator[tuple[Question, Plan, int]]:
    """Yields a plan per solution with more than one step.

    The id of its question is the solution's index in `samples`, as one problem
    has several solutions.

    Args:
      samples: the solutions.
      key: uint32 [2], the random stream of the stage.
      models: models to sample with.
    """
    most = self.solver.generation.max_tokens
    for place, sample in enumerate(samples):
      # Not the last step: the label of a finished solution is its grade.
      ends = labelling.step_ends(sample.tokens, models.step_end)[:-1]
      if not ends:
        continue
      # From problem, row and step alone, so that rollouts do not depend on the
      # part or on the process.
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

  def _graded(
    self, sample: '_Sample', rows: Sequence[Row], models: Models
  ) -> list[labelling.Rollout]:
    """(index of the step, tokens, correct) of the rollouts of a solution.

    Args:
      sample: the solution.
      rows: its finished rollouts, `self.rollouts` per step, by step.
      models: models that sampled them.
    """
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
  """A solution: row `row` of the sample record `record`."""

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
