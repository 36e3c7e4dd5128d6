"""`ttc report`: figures, claims and tables of all seeds."""

import dataclasses
import os
from typing import ClassVar

from ttc.analysis import study
from ttc.pipeline import model_folders, records
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.stage import StageRun
from ttc.reporting import report
from ttc.runtime import storage

_TABLE = 'table.txt'


@dataclasses.dataclass(frozen=True)
class Report:
  """Writes summary.json, index.html and figures; shows a table.

  Attributes:
    base: the stage that trained the small model.
    large: the stage that trained the large one; '' where there is none.
    subsets: random subsets behind points made from larger pools.
    stages: what is read; () for all stages of the experiment.
    name: of the stage.
  """

  kind: ClassVar[str] = 'report'
  alone: ClassVar[bool] = True
  base: str = 'pretrain'
  large: str = 'large'
  subsets: int = 100
  stages: tuple[str, ...] = ()
  name: str = 'report'

  def check(self, experiment: Experiment) -> None:
    """Needs what it reads before it."""
    compared = (self.base, self.large) if self.large else ()
    for source in (*self.stages, *compared):
      experiment.source(self, source)

  def __call__(self, run: StageRun) -> None:
    """Reads every stage of every seed and writes the report."""
    names = self.stages or run.place.stages
    for seed in run.place.seeds:
      for name in names:
        run.input(name, seed)
    roots = {seed: run.place.root / f'seed-{seed}' for seed in run.place.seeds}
    about = report.About(
      experiment=run.place.root.name,
      command=run.place.command,
      seconds=run.seconds(),
      size_ratio=self._size_ratio(run),
      subsets=self.subsets,
      stages={name: name for name in names if name in study.STAGES},
    )
    table = report.write(run.folder, roots, about)
    records.write_atomic(run.folder / _TABLE, f'{table}\n'.encode())

  def show(self, run: StageRun) -> str:
    """The table, and where to look further."""
    table = (run.folder / _TABLE).read_text(encoding='utf-8')
    page = run.folder / 'index.html'
    if not storage.is_remote(page):
      page = os.path.relpath(page)
    return f'{table}\n{page}'

  def _size_ratio(self, run: StageRun) -> float | None:
    """Parameters of the large model over the small one's."""
    if not self.large:
      return None
    seed = run.place.seeds[0]
    small, large = (
      model_folders.trained(run.input(name, seed)).num_params
      for name in (self.base, self.large)
    )
    return large / small
