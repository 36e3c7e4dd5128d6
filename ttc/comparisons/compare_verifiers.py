"""`ttc compare`: verifiers on the same answers, once over all seeds."""

import dataclasses
from typing import ClassVar

from ttc.analysis import pools
from ttc.comparisons import written
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.stage import StageRun
from ttc.runtime import limits
from ttc.verifiers import quality


@dataclasses.dataclass(frozen=True)
class CompareVerifiers:
  """Writes how well verifiers rank, find first errors and select.

  Writes compare.json, rows as `quality.table` makes them, and table.txt.

  Attributes:
    answers: name of the stage whose answers all of them read, of one strategy
      at one budget.
    verifiers: names of the stages in which each verifier read them; all are
      compared with the first.
    n: number of answers that one is selected from.
    subsets: random subsets of n answers to average over.
    name: name of the stage.
  """

  kind: ClassVar[str] = 'compare'
  alone: ClassVar[bool] = True
  answers: str
  verifiers: tuple[str, ...]
  n: int = 16
  subsets: int = 20
  name: str = 'compare'

  def __post_init__(self):
    limits.several(self, 'verifiers')
    limits.whole(self, 'n', 'subsets')
    if len(set(self.verifiers)) < len(self.verifiers):
      raise ValueError(
        f'CompareVerifiers.verifiers={self.verifiers}; list each once.'
      )

  def check(self, experiment: Experiment) -> None:
    """Raises ValueError for verifiers that did not read these answers."""
    num = getattr(experiment.source(self, self.answers), 'num', self.n)
    if num < self.n:
      raise ValueError(
        f'CompareVerifiers.n={self.n} answers, and {self.answers!r} samples '
        f'{num}; lower it, or sample more.'
      )
    for name in self.verifiers:
      source = getattr(experiment.source(self, name), 'source', self.answers)
      if source != self.answers:
        raise ValueError(
          f'{name!r} read {source or "a file"!r} and not {self.answers!r}; let '
          'all of CompareVerifiers.verifiers read the same answers.'
        )

  def __call__(self, run: StageRun) -> None:
    """Reads all verifiers' values of every seed and writes the two files."""
    seeds = run.place.seeds
    answers = []
    for seed in seeds:
      (pool,) = pools.read(run.input(self.answers, seed))
      answers.append(pool)
    readings = []
    for name in self.verifiers:
      read = [
        quality.read(pool, run.read(name, seed))
        for pool, seed in zip(answers, seeds, strict=True)
      ]
      readings.append(quality.Reading(name, *zip(*read, strict=True)))
    rows = quality.table(readings, self.n, self.subsets)
    about = (
      f'{run.place.root.name}: {answers[0].width} answers to each of '
      f'{len(answers[0].problem)} questions, {written.seeds(run)}'
    )
    table = quality.text(rows, self.n, about)
    numbers = {'n': self.n, 'verifiers': rows}
    written.write(run, numbers, table)

  def show(self, run: StageRun) -> str:
    """Text: the table."""
    return written.show(run)
