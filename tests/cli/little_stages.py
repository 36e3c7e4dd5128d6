"""Stages small enough to be killed many times a second."""

import dataclasses
import random
import time
from typing import ClassVar

from ttc.pipeline.experiment import Experiment
from ttc.pipeline.stage import StageRun


@dataclasses.dataclass(frozen=True)
class Coin:
  """A nested choice, as a strategy would be."""

  bias: float = 0.5


@dataclasses.dataclass(frozen=True)
class Toss:
  """Tosses `coin` for each of `items` questions."""

  kind: ClassVar[str] = 'sample'
  coin: Coin
  name: str = 'toss'
  items: int = 10
  size: int = 2
  seconds: float = 0.0
  fail_at: int | None = None

  def check(self, experiment: Experiment) -> None:
    """Refuses a bias that is no probability."""
    del experiment
    if not 0 <= self.coin.bias <= 1:
      raise ValueError(f'bias={self.coin.bias} is not in [0, 1].')

  def __call__(self, run: StageRun) -> None:
    """Writes one row a question."""
    for part in run.parts(range(self.items), self.size):
      if part.index == self.fail_at:
        raise RuntimeError('the coin rolled away')
      rows = []
      for item in part.items:
        time.sleep(self.seconds)
        rng = random.Random(f'{run.seed} {item}')
        toss = rng.random() < self.coin.bias
        answer = {'correct': toss, 'logprob': rng.random()}
        rows.append({'problem': item, 'rows': [answer]})
      part.write(rows)


@dataclasses.dataclass(frozen=True)
class Count:
  """Counts what another stage tossed; a file that is not a part."""

  kind: ClassVar[str] = 'policy'
  alone: ClassVar[bool] = True
  name: str = 'count'
  source: str = 'toss'

  def check(self, experiment: Experiment) -> None:
    """Needs its source earlier."""
    experiment.source(self, self.source)

  def __call__(self, run: StageRun) -> None:
    """Writes the number of heads."""
    rows = run.read(self.source)
    heads = sum(row['rows'][0]['correct'] for row in rows)
    (run.folder / 'heads.txt').write_text(f'{heads}\n', encoding='utf-8')


@dataclasses.dataclass(frozen=True)
class Total:
  """A report over all seeds."""

  kind: ClassVar[str] = 'report'
  alone: ClassVar[bool] = True
  name: str = 'report'
  source: str = 'count'
  title: str = ''

  def __call__(self, run: StageRun) -> None:
    """Adds up the heads of all seeds."""
    heads = [
      (run.input(self.source, seed) / 'heads.txt').read_text(encoding='utf-8')
      for seed in run.place.seeds
    ]
    total = sum(map(int, heads))
    (run.folder / 'total.txt').write_text(f'{total}\n', encoding='utf-8')

  def show(self, run: StageRun) -> str:
    """The sum, as a table would be shown."""
    total = (run.folder / 'total.txt').read_text(encoding='utf-8')
    return f'heads: {total.strip()}'
