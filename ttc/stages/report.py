"""`ttc report`: figures, claims and tables over all seeds."""

import dataclasses
import os
from typing import ClassVar

from ttc.analysis import study
from ttc.data.problems import Task
from ttc.pipeline import completed, model_folders, records
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.stage import StageRun
from ttc.reporting import report
from ttc.reporting.selections import Selection
from ttc.runtime import limits, storage

_TABLE = 'table.txt'


@dataclasses.dataclass(frozen=True)
class Report:
  """Writes summary.json, index.html, figures and a table.

  Attributes:
    base: name of the stage that trained the small model.
    large: name of the stage that trained the large model; '' for none.
    subsets: number of random subsets to average where a point uses a part of
      a larger pool.
    stages: names of the stages to read; () for all of the experiment.
    name: name of the stage.
    selections: ways to choose an answer that are shown beside the usual ones.
    task: whose questions the page shows; None shows them by their ids.
    split: of the task.
    explored: number of questions whose attempts can be looked into, beside the
      page; None for all. All of them are in its table.
  """

  kind: ClassVar[str] = 'report'
  alone: ClassVar[bool] = True
  base: str = 'pretrain'
  large: str = 'large'
  subsets: int = 100
  stages: tuple[str, ...] = ()
  name: str = 'report'
  selections: tuple[Selection, ...] = dataclasses.field(
    default=(), metadata={'recorded': 'changed'}
  )
  # What the page shows of questions does not change the numbers.
  task: Task | None = dataclasses.field(
    default=None, metadata={'recorded': False}
  )
  split: str = dataclasses.field(default='test', metadata={'recorded': False})
  explored: int | None = dataclasses.field(
    default=2000, metadata={'recorded': False}
  )

  def __post_init__(self):
    limits.whole(self, 'subsets')
    limits.whole(self, 'explored', least=0)

  def check(self, experiment: Experiment) -> None:
    """Raises ValueError for a stage that is read but does not come earlier."""
    compared = (self.base, self.large) if self.large else ()
    for source in (*self.stages, *compared):
      experiment.source(self, source)

  def __call__(self, run: StageRun) -> None:
    """Reads every stage of every seed and writes the report."""
    names = self.stages or run.place.stages
    # Registers the inputs and checks them; report.write reads the folders.
    for seed in run.place.seeds:
      for name in names:
        run.input(name, seed)
    roots = {seed: run.place.root / f'seed-{seed}' for seed in run.place.seeds}
    about = report.About(
      experiment=run.place.root.name,
      command=run.place.command,
      seconds=completed.seconds(run.place.root),
      made_with=completed.made_with(run.place.root),
      size_ratio=self._size_ratio(run),
      subsets=self.subsets,
      stages={name: name for name in names if name in study.STAGES},
      selections=self.selections,
      problems=self.task.problems(self.split) if self.task else (),
      delimiter=self.task.delimiter if self.task else '\n',
      explored=self.explored,
    )
    table = report.write(run.folder, roots, about)
    records.write_atomic(run.folder / _TABLE, f'{table}\n'.encode())

  def show(self, run: StageRun) -> str:
    """Text: the table, and the path of the page."""
    table = (run.folder / _TABLE).read_text(encoding='utf-8')
    page = run.folder / 'index.html'
    if not storage.is_remote(page):
      page = os.path.relpath(page)
    return f'{table}\n{page}'

  def _size_ratio(self, run: StageRun) -> float | None:
    """Parameters of the large model per parameter of the small one."""
    if not self.large:
      return None
    # Any seed: the models of all seeds have the same shape.
    seed = run.place.seeds[0]
    small, large = (
      model_folders.trained(run.input(name, seed)).num_params
      for name in (self.base, self.large)
    )
    return large / small
