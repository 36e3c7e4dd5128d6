"""`ttc compare`: a search against others at equal FLOPs, by difficulty."""

import dataclasses
from typing import ClassVar, get_args, Literal

import numpy as np

from ttc.analysis import names, study
from ttc.analysis.study import Study
from ttc.comparisons import searches, written
from ttc.pipeline import records
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.stage import StageRun
from ttc.reporting import plots
from ttc.runtime import limits

_Bins = Literal['oracle', 'predicted']


@dataclasses.dataclass(frozen=True)
class CompareSearches:
  """Writes the differences between an arm and others, and draws them.

  Reads the stages 'difficulty' and 'search', for chains 'revise' too. Writes
  compare.json, rows as `searches.comparison` makes them, table.txt,
  figure.svg and figure.png.

  Attributes:
    arm: name of the arm, as reports show it.
    others: names of those that it is compared with; 'chains' is one chain of
      revisions.
    bins: difficulty, 'oracle' or 'predicted'.
    subsets: random subsets to average where a point uses part of a pool.
    name: name of the stage.

  Raises:
    ValueError: a field is out of its range, or an arm is named twice.
  """

  kind: ClassVar[str] = 'compare'
  alone: ClassVar[bool] = True
  arm: str
  others: tuple[str, ...] = (names.WEIGHTED, names.BEAM, searches.CHAINS)
  bins: _Bins = 'oracle'
  subsets: int = 100
  name: str = 'compare'

  def __post_init__(self):
    limits.several(self, 'others')
    limits.whole(self, 'subsets')
    if self.bins not in get_args(_Bins):
      raise ValueError(
        f'CompareSearches.bins={self.bins!r}; choose one of '
        f'{" and ".join(get_args(_Bins))}.'
      )
    asked = (self.arm, *self.others)
    if twice := [name for name in asked if asked.count(name) > 1]:
      raise ValueError(
        f'CompareSearches compares {twice[0]!r} twice; name each arm once.'
      )

  def check(self, experiment: Experiment) -> None:
    """Raises ValueError for a stage or an arm that does not come earlier."""
    for stage in self._stages:
      experiment.source(self, stage)
    searched = experiment.source(self, 'search').arms
    short = names.unique(repr(arm.strategy) for arm in searched)
    short['BestOfN()'] = names.WEIGHTED
    known = [*dict.fromkeys(short.values()), searches.CHAINS]
    for name in (self.arm, *self.others):
      if name not in known:
        raise ValueError(
          f'CompareSearches compares {name!r}, which is no arm of the search; '
          f'there are {", ".join(known)}.'
        )

  def __call__(self, run: StageRun) -> None:
    """Reads the answers of every seed, writes the files and the figure."""
    tables, bins = [], []
    for seed in run.place.seeds:
      for stage in self._stages:
        run.input(stage, seed)
      own = study.load(
        run.place.root / f'seed-{seed}',
        seed,
        subsets=self.subsets,
        **{stage: stage for stage in self._stages},
      )
      tables.append(searches.arms(own))
      bins.append(self._bins(own))
    rows = searches.comparison(tables, bins, self.arm, self.others)
    about = (
      f'{run.place.root.name}: {len(bins[0])} test questions, '
      f'{written.seeds(run)}, {self.bins} bins'
    )
    asked = rows, self.arm, self.others, about
    drawn = plots.render(searches.figure(*asked))
    for kind, data in zip(('svg', 'png'), drawn, strict=True):
      records.write_atomic(run.folder / f'figure.{kind}', data)
    numbers = {'arm': self.arm, 'bins': self.bins, 'points': rows}
    written.write(run, numbers, searches.text(*asked))

  def show(self, run: StageRun) -> str:
    """Text: the table."""
    return written.show(run)

  @property
  def _stages(self) -> tuple[str, ...]:
    chains = searches.CHAINS in (self.arm, *self.others)
    return ('difficulty', 'search', *('revise',) * chains)

  def _bins(self, of: Study) -> np.ndarray:
    if self.bins not in of.bins:
      raise ValueError(
        f'seed {of.seed} has no {self.bins} bins; give the stage difficulty a '
        'verifier.'
      )
    return of.bins[self.bins]
