"""The report of an experiment that compares chains of attempts."""

import dataclasses
import json
from typing import ClassVar

from ttc.analysis import names, pools
from ttc.analysis.pools import AnswerPool
from ttc.comparisons import trust, turns
from ttc.pipeline import records
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.stage import StageRun
from ttc.runtime import limits

_TABLE, _NUMBERS = 'table.txt', 'turns.json'


@dataclasses.dataclass(frozen=True)
class CompareChains:
  """Compares arms with independent samples at equal executed FLOPs.

  Attributes:
    control: name of the stage whose best-of-N is the curve to compare with.
    stages: names of the stages whose arms are compared, those of `ttc search`
      and `ttc revise` that have a verifier.
    longest: turns that are shown one by one.
    name: name of the stage.
  """

  kind: ClassVar[str] = 'report'
  alone: ClassVar[bool] = True
  control: str
  stages: tuple[str, ...]
  longest: int = 16
  name: str = 'report'

  def __post_init__(self):
    limits.several(self, 'stages')
    limits.whole(self, 'longest')

  def check(self, experiment: Experiment) -> None:
    """Raises ValueError for a stage that is read but does not come earlier."""
    for source in (self.control, *self.stages):
      experiment.source(self, source)

  def __call__(self, run: StageRun) -> None:
    """Writes tables of `comparisons.turns` and `trust` as text and as JSON."""
    measure, arms = [], {}
    for seed in run.place.seeds:
      found = [*self._pools(run, self.control, seed)]
      (own,) = [pool for _, pool in found if pool.strategy == 'BestOfN()']
      measure.append([*turns.points(own, self.control)])
      for stage in dict.fromkeys((self.control, *self.stages)):
        for arm, pool in self._pools(run, stage, seed):
          arms.setdefault((arm, pool.budget), []).append(pool)
    seeds = [[] for _ in measure]
    for (arm, _), of_seeds in arms.items():
      for found, pool in zip(seeds, of_seeds, strict=True):
        found += turns.points(pool, arm)
    numbers = {
      'command': run.place.command,
      'seeds': list(run.place.seeds),
      'questions': [len(point[0].accuracy[names.BEST]) for point in measure],
      'compared': turns.comparison(seeds, measure),
      'turns': {
        arm: turns.transitions(of_seeds, self.longest)
        for (arm, budget), of_seeds in arms.items()
        if budget >= self.longest and turns.has_turns(of_seeds[0])
      },
      # Of the largest budget of each arm, which stands last.
      'verifier': {
        arm: trust.of(of_seeds)
        for (arm, _), of_seeds in sorted(arms.items(), key=lambda a: a[0][1])
      },
    }
    text = turns.text(numbers['compared'], numbers['turns'])
    text += f'\n\n{trust.text(numbers["verifier"])}'
    for name, content in (
      (_NUMBERS, json.dumps(numbers, indent=1)),
      (_TABLE, text),
    ):
      records.write_atomic(run.folder / name, f'{content}\n'.encode())

  def show(self, run: StageRun) -> str:
    """Text: the tables."""
    return (run.folder / _TABLE).read_text(encoding='utf-8')

  def _pools(
    self, run: StageRun, stage: str, seed: int
  ) -> list[tuple[str, AnswerPool]]:
    """The pools of a stage and the names of their arms."""
    found = pools.read(run.input(stage, seed))
    short = names.unique(pool.strategy for pool in found)
    short['BestOfN()'] = 'samples'
    return [(f'{stage}: {short[pool.strategy]}', pool) for pool in found]
