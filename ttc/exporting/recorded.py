"""What a finished run has to export: stages, their questions and records."""

from collections.abc import Iterator, Mapping, Sequence
import dataclasses
import pathlib
from typing import Any

from ttc.data.problems import Problem, Task
from ttc.pipeline import records
from ttc.pipeline.experiment import Load
from ttc.runtime import storage

_FIELDS = {'problem', 'rows', 'strategy', 'budget'}


@dataclasses.dataclass(frozen=True)
class AnsweredArm:
  """A strategy at one budget, and what it answered.

  Attributes:
    experiment: name of the run's folder.
    stage: name of the stage.
    seed: of the run.
    strategy: its repr.
    budget: generations per question (N).
    solver: the stage's `Solver`: models, generation and task.
    problems: by id.
    rows: records, one a question.
    when: seconds since 1970 at which the stage was complete.
  """

  experiment: str
  stage: str
  seed: int
  strategy: str
  budget: int
  solver: Any
  problems: Mapping[int, Problem]
  rows: Sequence[Mapping[str, Any]]
  when: float

  @property
  def task(self) -> Task:
    return self.solver.task


def folders(root: pathlib.Path, only: Sequence[str]) -> list[pathlib.Path]:
  """Folders of the complete stages of a run, in the order of their names.

  Args:
    root: of the experiment.
    only: names of stages; () for all.

  Raises:
    ValueError: there is none.
  """
  found = sorted(
    path.parent
    for path in (root.glob(f'seed-*/*/{records.MARK}') if root.is_dir() else ())
  )
  if not found:
    raise ValueError(
      f'--run={root} holds no complete stage; give the folder of an '
      'experiment, such as runs/quickstart.'
    )
  names = {path.name for path in found}
  for name in only:
    if name not in names:
      raise ValueError(
        f'--only={name} is none of the complete stages: '
        f'{", ".join(sorted(names))}.'
      )
  return [path for path in found if not only or path.name in only]


def answered(
  stages: Sequence[pathlib.Path], load: Load
) -> Iterator[AnsweredArm]:
  """What stages answered, a strategy and budget at a time.

  Args:
    stages: folders of stages of one experiment; those whose records are not
      attempts of a strategy at questions are passed over.
    load: `configuration.load`.

  Raises:
    ValueError: the configuration cannot be built any more, or a part is not
      what was written.
  """
  for folder in stages:
    rows = records.read_rows(folder)
    # An allocation asks a question several times, each time with a decision.
    if not rows or not rows[0].keys() >= _FIELDS or 'decision' in rows[0]:
      continue
    experiment = load([str(folder / records.CONFIG)], [], False)[0]
    stage = next(s for s in experiment.stages if s.name == folder.name)
    problems = {p.id: p for p in stage.solver.task.problems(stage.solver.split)}
    if unknown := {row['problem'] for row in rows} - problems.keys():
      raise ValueError(
        f'question {min(unknown)} of {folder} is none of its task any more; '
        'put the files of questions back as they were.'
      )
    groups: dict[tuple, list] = {}
    for row in rows:
      groups.setdefault((row['strategy'], row['budget']), []).append(row)
    for (strategy, budget), own in groups.items():
      yield AnsweredArm(
        experiment=folder.parents[1].name,
        stage=folder.name,
        seed=int(folder.parent.name.removeprefix('seed-')),
        strategy=strategy,
        budget=budget,
        solver=stage.solver,
        problems=problems,
        rows=own,
        when=storage.modified(folder / records.MARK),
      )
