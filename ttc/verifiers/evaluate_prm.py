"""`ttc evaluate_prm`: a verifier's value of every step of given solutions.

They are the answers of an earlier stage, whose first wrong step an embedded
task knows, or a file in ProcessBench's form. Several verifiers that read the
same answers can be compared question by question (`ttc compare`).
"""

from collections.abc import Sequence
import dataclasses
import pathlib
from typing import ClassVar

import numpy as np

from ttc.answering.asked import Asked
from ttc.data.problems import Problem
from ttc.data.vocabulary import step_end_table
from ttc.examples.labelling import step_ends
from ttc.inference import keys
from ttc.inference.models import Models
from ttc.inference.scheduler import Scheduler
from ttc.models import partitioning
from ttc.pipeline import records
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.stage import StageRun
from ttc.runtime import limits, storage
from ttc.search.rescoring import token_values
from ttc.search.solutions import Attempt, Solution
from ttc.stages.solver import Solver
from ttc.verifiers import first_error, process_bench

_SLOTS = 2  # of a question: its prompt, and a solution that is being read


@dataclasses.dataclass(frozen=True)
class EvaluatePrm:
  """Values the steps of solutions, and tells how well first errors are found.

  A row is {"problem": id, "rows": [{"values": at step ends, "first": index of
  the first wrong step, -1 for none, None where the answer cannot be parsed},
  ...]}, one for each answer in the order of the source. A solution of a file
  that cannot be read step by step has no rows and "skipped": why.

  Attributes:
    solver: the verifier, and its proposer, whose tokens the answers have. With
      a file its questions are not asked; its task puts those of the file.
    source: name of the stage with the answers, of one strategy and budget; ''
      for a file.
    file: path of a file as `process_bench` reads it; '' for a stage.
    size: questions per part.
    name: name of the stage.

  Raises:
    ValueError: there is not one source, or no verifier.
  """

  kind: ClassVar[str] = 'evaluate_prm'
  solver: Solver
  source: str = ''
  file: str = ''
  size: int = 256
  name: str = 'evaluate_prm'

  def __post_init__(self):
    limits.whole(self, 'size')
    if bool(self.source) == bool(self.file):
      raise ValueError(
        f'EvaluatePrm.source={self.source!r} and file={self.file!r}; name a '
        'stage with answers, or a file of labelled solutions, and not both.'
      )
    if not self.solver.verifier:
      raise ValueError(
        'EvaluatePrm.solver has no verifier; name it in Solver.verifier.'
      )
    if self.file:
      storage.local(self.file)

  def files(self) -> list[str | pathlib.Path]:
    """The file, which is part of the stage's identity."""
    return [self.file] if self.file else []

  def check(self, experiment: Experiment) -> None:
    """Checks the configuration before anything runs.

    Raises:
      ValueError: source, file or models are not there or do not fit, or the
        task does not know the first error of an answer.
    """
    solver = self.solver
    if self.file:
      labelled = process_bench.read(self.file)
      solver = self._of_file(labelled)
      for one in labelled:
        _labelled(solver, one)  # for its errors: of texts without tokens
    else:
      experiment.source(self, self.source)
      if not hasattr(solver.task, 'first_error'):
        raise ValueError(
          f'{type(solver.task).__name__} does not know which step of an '
          'answer is wrong; give EvaluatePrm.file solutions with labels.'
        )
    solver.check(experiment, self)

  def __call__(self, run: StageRun) -> None:
    """Writes one row per question, or per solution of the file."""
    solver, given = self._given(run)
    longest = max(len(solver.prompt(g.problem)) + g.longest for g in given)
    scheduler = None
    for part in run.parts(given, self.size):
      if scheduler is None:
        models = dataclasses.replace(solver.load(run), proposer=None)
        scheduler = solver.scheduler(run, models, _SLOTS, longest)
      with partitioning.use(models.mesh):
        part.write(_rows(solver, models, scheduler, part.items))

  def show(self, run: StageRun) -> str:
    """Text: accuracies at finding the first error, and their F1."""
    rows = records.read_rows(run.folder)
    read = [
      (row['problem'], own['values'], own['first'])
      for row in rows
      for own in row['rows']
      if own['first'] is not None and own['values']
    ]
    if not read:
      return f'{run.label}: no solution could be read'
    judged = first_error.judge(*zip(*read, strict=True))
    skipped = sum('skipped' in row for row in rows)
    share = lambda kind: (
      f'{100 * judged.found[kind].mean():.1f}%' if kind.any() else '-'
    )
    wrong, totals = judged.wrong, judged.rows(np.unique(judged.problem)).mean(1)
    return (
      f'{run.label}: first error found in {share(wrong)} of {wrong.sum()} '
      f'wrong solutions, none in {share(~wrong)} of {(~wrong).sum()} right '
      f'ones, F1 {100 * first_error.f1(totals):.1f}%; {skipped} skipped'
    )

  def _given(self, run: StageRun) -> tuple[Solver, list['_Given']]:
    """Who reads, and the solutions of each question."""
    if self.source:
      return self.solver, _answers(self.solver, self.source, run)
    labelled = process_bench.read(self.file)
    solver = self._of_file(labelled)
    return solver, [_labelled(solver, one) for one in labelled]

  def _of_file(
    self, labelled: Sequence[process_bench.LabelledSolution]
  ) -> Solver:
    """The solver, with the questions of the file."""
    asked = Asked(tuple(one.problem for one in labelled), self.solver.task)
    return dataclasses.replace(self.solver, task=asked, questions=None, skip=0)


@dataclasses.dataclass(frozen=True)
class _Given:
  """Solutions of a question.

  Attributes:
    problem: the question.
    solutions: tokens of each.
    first: index of the first wrong step of each, -1 or None.
    skipped: why there are none to read; ''.
  """

  problem: Problem
  solutions: Sequence[Sequence[int]]
  first: Sequence[int | None]
  skipped: str = ''

  @property
  def longest(self) -> int:
    """Tokens in the longest solution."""
    return max(map(len, self.solutions), default=0)


def _answers(solver: Solver, source: str, run: StageRun) -> list[_Given]:
  """The answers in a stage's records.

  Raises:
    ValueError: a question has several records.
  """
  given = {}
  for record in run.read(source):
    problem, rows = solver.by_id[record['problem']], record['rows']
    if problem.id in given:
      raise ValueError(
        f'{source!r} has several records of question {problem.id}; name a '
        'stage of one strategy at one budget, such as one that samples.'
      )
    given[problem.id] = _Given(
      problem,
      [row['tokens'] for row in rows],
      [solver.task.first_error(problem, row['text']) for row in rows],
      record.get('skipped', ''),
    )
  return list(given.values())


def _labelled(
  solver: Solver, labelled: process_bench.LabelledSolution
) -> _Given:
  """A solution of a file; skipped where the model sees other steps in it."""
  vocabulary, delimiter = solver.task.vocabulary, solver.task.delimiter
  text = delimiter.join(step.strip() for step in labelled.steps)
  tokens = [*vocabulary.encode(text), vocabulary.eos_id]
  seen = len(step_ends(tokens, step_end_table(vocabulary, delimiter)))
  skipped = solver.skipped(labelled.problem)
  if not skipped and seen != len(labelled.steps):
    skipped = f'{delimiter!r} cuts its {len(labelled.steps)} steps into {seen}'
  if skipped:
    return _Given(labelled.problem, [], [], skipped)
  return _Given(labelled.problem, [tokens], [labelled.first])


def _rows(
  solver: Solver,
  models: Models,
  scheduler: Scheduler,
  given: Sequence[_Given],
) -> list[dict]:
  """The rows of a part."""
  posed = solver.posed([g.problem for g in given], keys.root(0))
  solutions = [
    Solution(
      question, [Attempt(list(s), False, None, 0.0) for s in own.solutions]
    )
    for question, own in zip(posed, given, strict=True)
    if own.solutions
  ]
  read = iter(token_values(scheduler, solutions))
  rows = []
  for own in given:
    found = {'problem': own.problem.id, 'rows': []}
    if own.solutions:
      found['rows'] = [
        {'values': [values[end] for end in ends], 'first': first}
        for values, first, ends in zip(
          next(read),
          own.first,
          [step_ends(s, models.step_end) for s in own.solutions],
          strict=True,
        )
      ]
    elif own.skipped:
      found['skipped'] = own.skipped
    rows.append(found)
  return rows
