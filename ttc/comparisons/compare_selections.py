"""`ttc compare`: ways to choose among the same answers, over all seeds."""

import dataclasses
from typing import ClassVar

from ttc.analysis import pools
from ttc.analysis.pools import AnswerPool
from ttc.comparisons import choices, written
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.stage import StageRun
from ttc.reporting.selections import Selection
from ttc.runtime import limits


@dataclasses.dataclass(frozen=True)
class CompareSelections:
  """Writes the accuracy of selections and their differences to a majority.

  Writes compare.json, rows as `choices.table` makes them, and table.txt.

  Attributes:
    source: name of the stage whose independent answers are chosen among.
    selections: beside majority and, where a verifier valued the answers, plain
      and weighted best-of-N.
    sizes: numbers of answers to choose among.
    subsets: random subsets of each size to average over.
    name: name of the stage.
  """

  kind: ClassVar[str] = 'compare'
  alone: ClassVar[bool] = True
  source: str
  selections: tuple[Selection, ...]
  sizes: tuple[int, ...] = (4, 16, 64)
  subsets: int = 20
  name: str = 'compare'

  def __post_init__(self):
    limits.several(self, 'selections')
    limits.wholes(self, 'sizes')
    limits.whole(self, 'subsets')
    names = [selection.name for selection in self.selections]
    if twice := [name for name in names if names.count(name) > 1]:
      raise ValueError(
        f'CompareSelections.selections has {twice[0]!r} twice; list each once.'
      )

  def check(self, experiment: Experiment) -> None:
    """Raises ValueError for a stage that is not earlier, or samples too few."""
    num = getattr(experiment.source(self, self.source), 'num', None)
    if num is not None and num < max(self.sizes):
      raise ValueError(
        f'CompareSelections.sizes={self.sizes} has {max(self.sizes)}, and '
        f'{self.source!r} samples {num}; lower it, or sample more.'
      )

  def __call__(self, run: StageRun) -> None:
    """Reads the answers of every seed and writes the two files."""
    found = [self._pool(run, seed) for seed in run.place.seeds]
    rows = choices.table(found, self.selections, self.sizes, self.subsets)
    about = (
      f'{run.place.root.name}: {found[0].width} answers to each of '
      f'{len(found[0].problem)} questions, {written.seeds(run)}'
    )
    written.write(run, {'selections': rows}, choices.text(rows, about))

  def show(self, run: StageRun) -> str:
    """Text: the table."""
    return written.show(run)

  def _pool(self, run: StageRun, seed: int) -> AnswerPool:
    found = pools.read(run.input(self.source, seed))
    pool = pools.largest(found, 'BestOfN')
    if pool is None:
      raise ValueError(
        f'{self.source!r} has no independent answers, which are sampled by '
        'best-of-N; name a stage that samples.'
      )
    for selection in self.selections:
      if selection.score(pool) is None:
        raise ValueError(
          f'{self.source!r} has no scores for {selection.name!r}; sample it '
          'with Generation.certainty, or with a verifier, or leave it out.'
        )
    return pool
