"""What an allocation did with each question, from the records of its stage."""

from collections.abc import Mapping
import dataclasses
import pathlib

import numpy as np

from ttc.allocation.recorded import spend
from ttc.pipeline import model_folders, records


@dataclasses.dataclass(frozen=True)
class Ledger:
  """One budget, spent on Q questions.

  Attributes:
    budget: mean budget per question, in the unit of the stage.
    problem: ids of the questions, ascending int [Q].
    correct: whether the answer given is right, bool [Q].
    flops: executed FLOPs, float [Q].
    useful: FLOPs whose results were of use, float [Q].
    verifier: the part of `flops` that the verifier took, float [Q].
    attempts: number of attempts, int [Q].
    belief: probability of being right, as believed when it stopped [Q].
    stop: why each question stopped, [Q].
    actions: the actions taken by each question, in their order, [Q].
    rounds: number of rounds in which anything was sampled.
  """

  budget: float
  problem: np.ndarray
  correct: np.ndarray
  flops: np.ndarray
  useful: np.ndarray
  verifier: np.ndarray
  attempts: np.ndarray
  belief: np.ndarray
  stop: tuple[str, ...]
  actions: tuple[tuple[str, ...], ...]
  rounds: int

  def at(self, problem: np.ndarray) -> 'Ledger':
    """The ledger of some questions, ids ascending; all must be in it."""
    place = np.searchsorted(self.problem, problem)
    picked = {
      field.name: getattr(self, field.name)[place]
      for field in dataclasses.fields(self)
      if isinstance(getattr(self, field.name), np.ndarray)
    }
    listed = {
      name: tuple(getattr(self, name)[i] for i in place)
      for name in ('stop', 'actions')
    }
    return dataclasses.replace(self, **picked, **listed)


def read(folder: pathlib.Path) -> list[Ledger]:
  """The ledgers of a stage, the smallest budget first; [] without a folder.

  Raises:
    ValueError: the models of the stage are unknown.
    ttc.pipeline.records.IncompleteError: the stage has not finished.
  """
  if not folder.is_dir():
    return []
  models = model_folders.used(folder)
  if models is None:
    raise ValueError(f'{folder} does not tell its models; keep them beside it.')
  histories: dict[float, dict[int, list[Mapping]]] = {}
  for row in records.read_rows(folder):
    if 'skipped' not in row:
      history = histories.setdefault(row['budget'], {})
      history.setdefault(row['problem'], []).append(row)
  return [_ledger(b, own, models) for b, own in sorted(histories.items())]


def _ledger(budget, histories, models) -> Ledger:
  """The ledger of one budget from the rows of each question, by round."""
  problem = np.array(sorted(histories))
  own = [histories[p] for p in problem]
  last = [next(row for row in rows if 'correct' in row) for rows in own]
  bought = [[row for row in rows if 'cost' in row] for rows in own]
  spent = np.array(
    [
      np.sum([spend(row['cost'], models) for row in rows], axis=0)
      for rows in bought
    ]
  )
  verified = [
    sum(spend(row['cost'], models, 'verifier')[1] for row in rows)
    for rows in bought
  ]
  return Ledger(
    budget=budget,
    problem=problem,
    correct=np.array([row['correct'] for row in last], bool),
    flops=spent[:, 1],
    useful=spent[:, 0],
    verifier=np.array(verified),
    attempts=np.array([row['attempts'] for row in last]),
    belief=np.array([row['decision']['belief'] for row in last], float),
    stop=tuple(row['decision']['stop'] for row in last),
    actions=tuple(
      tuple(row['decision']['action'] for row in rows) for rows in bought
    ),
    rounds=1 + max(row['round'] for rows in bought for row in rows),
  )
