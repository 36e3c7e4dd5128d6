"""`ttc compare`: proposers on the same questions, once over all seeds."""

import dataclasses
from typing import ClassVar

from ttc.analysis import pools
from ttc.comparisons import proposers, written
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.stage import StageRun
from ttc.runtime import limits
from ttc.stages import example_checks


@dataclasses.dataclass(frozen=True)
class Proposer:
  """A proposer that was distilled, or the one that it is compared with.

  Attributes:
    samples: name of the stage that sampled its answers to test questions, which
      names it in the table.
    made: names of the stages whose answers it was distilled from, those of
      earlier rounds too: what its data cost.
    against: `samples` of another proposer that it is compared with too.
  """

  samples: str
  made: tuple[str, ...] = ()
  against: str = ''


@dataclasses.dataclass(frozen=True)
class CompareProposers:
  """Writes pass@1 and coverage of proposers, with paired intervals.

  Writes compare.json, rows as `proposers.table` makes them, and table.txt.

  Attributes:
    proposers: the proposers; all are compared with the first.
    n: number of answers of coverage.
    name: name of the stage.
  """

  kind: ClassVar[str] = 'compare'
  alone: ClassVar[bool] = True
  proposers: tuple[Proposer, ...]
  n: int = 64
  name: str = 'compare'

  def __post_init__(self):
    limits.several(self, 'proposers')
    limits.whole(self, 'n')
    names = [p.samples for p in self.proposers]
    if twice := [name for name in names if names.count(name) > 1]:
      raise ValueError(
        f'CompareProposers.proposers has the samples {twice[0]!r} twice; list '
        'each once.'
      )
    for one in self.proposers:
      if one.against and one.against not in names:
        raise ValueError(
          f'Proposer.against={one.against!r} is none of {", ".join(names)}; '
          'name the samples of another proposer.'
        )

  def check(self, experiment: Experiment) -> None:
    """Checks the configuration before anything runs.

    Raises:
      ValueError: a stage that is read does not come earlier, samples too few
        answers, or a proposer was asked what it learned from.
    """
    for one in self.proposers:
      stage = experiment.source(self, one.samples)
      num = getattr(stage, 'num', self.n)
      if num < self.n:
        raise ValueError(
          f'CompareProposers.n={self.n} answers, and {one.samples!r} samples '
          f'{num}; lower it, or sample more.'
        )
      asked = example_checks.questions(experiment, self, one.samples)
      for made in one.made:
        learned = example_checks.questions(experiment, self, made)
        if asked and learned and (both := asked & learned):
          raise ValueError(
            f'{len(both)} questions of {one.samples!r} are also of {made!r}, '
            'which it learned from; measure on others.'
          )

  def __call__(self, run: StageRun) -> None:
    """Reads the answers of every seed and writes the two files."""
    seeds = run.place.seeds
    answers = [
      proposers.Answers(
        one.samples,
        [self._pool(run, one.samples, seed) for seed in seeds],
        self._spent(run, one.made),
        one.against,
      )
      for one in self.proposers
    ]
    rows = proposers.table(answers, self.n)
    questions = len(answers[0].pools[0].problem)
    about = (
      f'{run.place.root.name}: {questions} test questions, {written.seeds(run)}'
    )
    table = proposers.text(rows, self.n, about)
    numbers = {'n': self.n, 'proposers': rows}
    written.write(run, numbers, table)

  def show(self, run: StageRun) -> str:
    """Text: the table."""
    return written.show(run)

  def _pool(self, run: StageRun, name: str, seed: int) -> pools.AnswerPool:
    found = pools.read(run.input(name, seed))
    pool = pools.largest(found, 'BestOfN')
    if pool is None:
      raise ValueError(
        f'{name!r} has no independent answers, which are sampled by best-of-N; '
        'name a stage that samples.'
      )
    return pool

  def _spent(self, run: StageRun, made: tuple[str, ...]) -> float | None:
    """Executed FLOPs, mean over seeds; None where those of one are unknown."""
    spent = [
      proposers.executed([run.input(name, seed) for name in made])
      for seed in run.place.seeds
    ]
    return None if None in spent else sum(spent) / len(spent)
