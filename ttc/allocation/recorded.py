"""Recorded actions: what each one gave on each of the same questions.

A search stage whose arms are the actions, on questions that trained no
verifier, is all that an allocation is fitted on. The answers of two actions are
compared by their text.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import functools
import pathlib

import numpy as np

from ttc.allocation.evidence import Evidence
from ttc.analysis import flops
from ttc.pipeline import model_folders, records

_KEPT = ('answer', 'values', 'correct')


def action_name(strategy: str, budget: int) -> str:
  """Names an action by the repr of its strategy and its generations (N)."""
  return f'{strategy} N={budget}'


@dataclasses.dataclass(frozen=True)
class Recorded:
  """One action on Q questions.

  Attributes:
    name: see `action_name`.
    budget: generations (N).
    rows: attempts at each question, [Q] lists of records.
    useful: FLOPs whose results were of use, float [Q]; they depend on nothing
      but the question.
    executed: FLOPs computed for them, padding and idle lanes included [Q].
    proposer: useful FLOPs of the proposer alone, float [Q].
    prompt: useful FLOPs of reading the prompt, float [Q].
  """

  name: str
  budget: int
  rows: Sequence[Sequence[Mapping]]
  useful: np.ndarray
  executed: np.ndarray
  proposer: np.ndarray
  prompt: np.ndarray

  @property
  def rate(self) -> float:
    """Executed FLOPs per useful one."""
    return float(self.executed.sum() / self.useful.sum())

  @property
  def flops(self) -> np.ndarray:
    """FLOPs at the action's rate, float [Q]: executed, and yet reproducible."""
    return self.useful * self.rate

  def at(self, place: np.ndarray) -> 'Recorded':
    """The questions at some places, int [Q']."""
    arrays = {
      name: getattr(self, name)[place]
      for name in ('useful', 'executed', 'proposer', 'prompt')
    }
    rows = [self.rows[i] for i in place]
    return dataclasses.replace(self, rows=rows, **arrays)


@dataclasses.dataclass(frozen=True)
class Recordings:
  """Several actions on the same questions.

  Attributes:
    problem: ids of the questions, ascending int [Q].
    actions: by name.
  """

  problem: np.ndarray
  actions: Mapping[str, Recorded]

  @classmethod
  def read(cls, *folders: pathlib.Path) -> 'Recordings':
    """Reads the records of search stages on the same questions.

    Questions that any of them skipped are left out.

    Raises:
      ValueError: records have no costs, or the models of a stage are unknown,
        or no question is left.
      ttc.pipeline.records.IncompleteError: a stage has not finished.
    """
    tables: dict[str, dict[int, Mapping]] = {}
    models, budgets = {}, {}
    for folder in folders:
      used = model_folders.used(folder)
      if used is None:
        raise ValueError(
          f'{folder} does not tell its models, without which there are no '
          'FLOPs; give the folder of a search stage with its models beside it.'
        )
      for record in records.read_rows(folder):
        name = action_name(record['strategy'], record['budget'])
        models[name], budgets[name] = used, record['budget']
        if 'skipped' not in record:
          tables.setdefault(name, {})[record['problem']] = _slim(record)
    problem = (
      functools.reduce(
        np.intersect1d, [np.array(sorted(t), int) for t in tables.values()]
      )
      if tables
      else np.zeros(0, int)
    )
    if not problem.size:
      names = ', '.join(map(str, folders))
      raise ValueError(f'{names}: no question was answered by every action.')
    actions = {}
    for name, table in tables.items():
      costs = [table[p]['cost'] for p in problem]
      own = models[name]
      spent = [
        np.array([spend(cost, own, kind) for cost in costs])
        for kind in ('', 'proposer', 'proposer_prefill', 'verifier_prefill')
      ]
      actions[name] = Recorded(
        name,
        budgets[name],
        [table[p]['rows'] for p in problem],
        *spent[0].T,
        proposer=spent[1][:, 0],
        prompt=spent[2][:, 0] + spent[3][:, 0],
      )
    return cls(problem, actions)

  @property
  def best_of_n(self) -> Recorded | None:
    """The largest pool of independent attempts; None without one."""
    pools = [a for a in self.actions.values() if a.name.startswith('BestOfN(')]
    return max(pools, key=lambda a: a.budget, default=None)

  @property
  def executed(self) -> float:
    """FLOPs executed, all questions and actions together."""
    return float(sum(a.executed.sum() for a in self.actions.values()))

  def at(self, problem: np.ndarray) -> 'Recordings':
    """Some of the questions.

    Args:
      problem: ids, ascending int [Q'].

    Raises:
      ValueError: one of them was not recorded.
    """
    missing = np.setdiff1d(problem, self.problem)
    if missing.size:
      raise ValueError(
        f'{missing.size} questions are in no record of every action, first '
        f'{missing[0]}; run the stages on the same questions.'
      )
    place = np.searchsorted(self.problem, problem)
    actions = {n: action.at(place) for n, action in self.actions.items()}
    return Recordings(problem, actions)

  def evidence(self, names: Sequence[str]) -> list[Evidence]:
    """The evidence on each question once these actions have run, [Q]."""
    joined = zip(*(self.actions[n].rows for n in names), strict=True)
    return [Evidence.of([r for rows in own for r in rows]) for own in joined]

  def right(self, names: Sequence[str]) -> list[np.ndarray]:
    """Whether each of these attempts is right, bool [W] by question."""
    joined = zip(*(self.actions[n].rows for n in names), strict=True)
    return [
      np.array([r['correct'] for rows in own for r in rows], bool)
      for own in joined
    ]


def spend(
  cost: Mapping[str, Sequence[float]],
  models: model_folders.ModelShapes,
  kind: str = '',
) -> tuple[float, float]:
  """FLOPs of a record's cost, useful and executed.

  Args:
    cost: counts by kind of work.
    models: who did it.
    kind: how the kinds begin that are counted; all of them by default.
  """
  counts = {k: np.array(v) for k, v in cost.items() if k.startswith(kind)}
  useful, executed = sum(flops.exact(counts, *models).values(), np.zeros(2))
  return float(useful), float(executed)


def _slim(record: Mapping) -> Mapping:
  """The record without tokens and texts, which are most of its size."""
  rows = [{k: row[k] for k in _KEPT if k in row} for row in record['rows']]
  return {'rows': rows, 'cost': record['cost']}
