"""Records of one stage as rectangular arrays, one row a question.

Q questions, W sampled answers each, R steps in the longest of them. Text and
tokens are left behind at once: what comes after is arithmetic.

A question that its stage skipped is in no pool: it was not answered, and
counts neither as wrong nor at all.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import pathlib
from typing import NamedTuple

import numpy as np

from ttc.analysis import aggregate, chains
from ttc.pipeline import model_folders
from ttc.pipeline import records as records_lib

Cost = Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class AnswerPool:
  """What one strategy sampled at one budget.

  Attributes:
    strategy: its repr in the records.
    budget: generations a question that it may spend.
    seed: of the draw; repeats of a strategy differ in it.
    problem: question ids, ascending [Q].
    correct: whether an answer is right [Q, W] bool.
    answer: the answers of a question, numbered; -1 is unparsable [Q, W].
    truncated: whether an answer stopped at a limit of tokens [Q, W] bool.
    values: verifier's value at each step end, NaN after the last [Q, W, R];
      None where no verifier was run.
    scores: final scores of further verifiers by name, each [Q, W].
    chain, turn: place among revisions, from 0 and from 1 [Q, W]; None where
      the answers are independent.
    cost: by kind, as `flops.exact` wants it [Q, 4] each; {} where the records
      have none.
    spent: of chains, the cost of the prompt and then of each turn of all
      chains, by kind [Q, 1 + turns, 4]; {} where the records have none.
    models: who sampled and scored; None where that is not known.
  """

  strategy: str
  budget: int
  seed: int
  problem: np.ndarray
  correct: np.ndarray
  answer: np.ndarray
  truncated: np.ndarray
  values: np.ndarray | None
  scores: Mapping[str, np.ndarray]
  chain: np.ndarray | None
  turn: np.ndarray | None
  cost: Cost
  spent: Cost
  models: model_folders.ModelShapes | None

  @property
  def width(self) -> int:
    """Answers a question (W)."""
    return self.correct.shape[1]

  def score(self, how: aggregate.Reduction = 'last') -> np.ndarray | None:
    """One score an answer [Q, W]; None without a verifier."""
    if self.values is None:
      return None
    steps = (~np.isnan(self.values)).sum(-1)
    return aggregate.step_score(self.values, how, steps)

  def chains(self, verifier: str | None = None) -> chains.ChainOutcomes:
    """The answers as chains, scored by the stage's or another verifier."""
    score = self.scores[verifier] if verifier else self.score()
    return chains.arrange(
      self.correct, self.answer, score, self.chain, self.turn
    )

  def at(self, problem: np.ndarray) -> 'AnswerPool':
    """Only these question ids, all of which the pool must hold."""
    missing = np.setdiff1d(problem, self.problem)
    if missing.size:
      raise ValueError(
        f'{self.strategy} at budget {self.budget} lacks {missing.size} '
        f'questions, first {missing[0]}; run its stage on the same ones.'
      )
    place = np.searchsorted(self.problem, problem)
    pick = lambda x: None if x is None else x[place]
    table = lambda x: {name: value[place] for name, value in x.items()}
    return dataclasses.replace(
      self,
      problem=problem,
      correct=pick(self.correct),
      answer=pick(self.answer),
      truncated=pick(self.truncated),
      values=pick(self.values),
      scores=table(self.scores),
      chain=pick(self.chain),
      turn=pick(self.turn),
      cost=table(self.cost),
      spent=table(self.spent),
    )


class StageRecords(NamedTuple):
  """What a stage sampled, and what it did not.

  Attributes:
    pools: by strategy, budget and seed; one of which every question was
      skipped is not there.
    skipped: by question, why it was skipped by any of the strategies.
  """

  pools: list[AnswerPool]
  skipped: dict[int, str]


def read(folder: pathlib.Path) -> list[AnswerPool]:
  """The pools of `read_stage`."""
  return read_stage(folder).pools


def read_stage(folder: pathlib.Path) -> StageRecords:
  """A stage's records; nothing where there is no folder.

  Raises:
    ValueError: a question comes twice in a pool, the questions of a pool
      have different numbers of answers, or costs are not 4 numbers a kind.
    ttc.pipeline.records.IncompleteError: the stage has not finished.
  """
  if not folder.is_dir():
    return StageRecords([], {})
  groups: dict[tuple[str, int, int], list[Mapping]] = {}
  for record in records_lib.read_rows(folder):
    key = record['strategy'], record['budget'], record['seed']
    groups.setdefault(key, []).append(_slim(record))
  made_by = model_folders.used(folder)
  found, skipped = [], {}
  for key, group in sorted(groups.items()):
    where = '{}: {} at budget {}, seed {}'.format(folder, *key)
    _check_once(where, group)
    skipped |= {r['problem']: r['skipped'] for r in group if 'skipped' in r}
    answered = [r for r in group if 'skipped' not in r]
    if answered:
      found.append(_pool(where, *key, answered, made_by))
  return StageRecords(found, dict(sorted(skipped.items())))


def largest(pools: Sequence[AnswerPool], kind: str) -> AnswerPool | None:
  """The pool with the largest budget of a kind of strategy, e.g. 'BestOfN'."""
  found = [p for p in pools if p.strategy.startswith(f'{kind}(')]
  return max(found, key=lambda p: p.budget, default=None)


def _slim(record: Mapping) -> Mapping:
  rows = [
    {k: v for k, v in row.items() if k not in ('tokens', 'text')}
    for row in record['rows']
  ]
  return {**record, 'rows': rows}


def _check_once(where: str, group: Sequence[Mapping]) -> None:
  problem = np.sort([record['problem'] for record in group])
  twice = problem[1:][problem[1:] == problem[:-1]]
  if twice.size:
    raise ValueError(
      f'{where}: question {twice[0]} comes twice; remove the part file that '
      'does not belong to this run.'
    )


def _pool(where, strategy, budget, seed, group, made_by) -> AnswerPool:
  group = sorted(group, key=lambda record: record['problem'])
  rows = [record['rows'] for record in group]
  widths = sorted({len(question) for question in rows})
  if len(widths) > 1 or not widths[0]:
    raise ValueError(
      f'{where}: questions have {widths[0]} to {widths[-1]} answers; every '
      'question needs the same number, at least 1.'
    )
  column = lambda name: np.array([[row[name] for row in q] for q in rows])
  linked = 'chain' in rows[0][0]
  return AnswerPool(
    strategy=strategy,
    budget=budget,
    seed=seed,
    problem=np.array([record['problem'] for record in group]),
    correct=column('correct'),
    answer=np.stack(
      [aggregate.answer_ids([row['answer'] for row in q]) for q in rows]
    ),
    truncated=np.array(
      [[bool(row.get('truncated')) for row in q] for q in rows]
    ),
    values=_values(rows),
    scores=_scores(rows),
    chain=column('chain') if linked else None,
    turn=column('turn') if linked else None,
    cost=_cost(where, [record.get('cost') for record in group]),
    spent=_spent(where, [record.get('spent') for record in group]),
    models=made_by,
  )


def _values(rows) -> np.ndarray | None:
  if not all(row.get('values') is not None for q in rows for row in q):
    return None
  steps = max(len(row['values']) for q in rows for row in q)
  values = np.full((len(rows), len(rows[0]), max(steps, 1)), np.nan)
  for i, question in enumerate(rows):
    for j, row in enumerate(question):
      values[i, j, : len(row['values'])] = row['values']
  return values


def _scores(rows) -> dict[str, np.ndarray]:
  names = set.intersection(
    *(set(row.get('scores', ())) for q in rows for row in q)
  )
  return {
    name: np.array([[row['scores'][name] for row in q] for q in rows])
    for name in sorted(names)
  }


def _cost(where: str, costs: Sequence[Mapping | None]) -> Cost:
  if any(cost is None for cost in costs):
    return {}
  odd = next(
    (
      kind
      for cost in costs
      for kind, counts in cost.items()
      if len(counts) != 4
    ),
    None,
  )
  if odd:
    raise ValueError(
      f'{where}: the cost {odd} is not 4 numbers (tokens useful and '
      'executed, keys useful and executed); sample this stage again.'
    )
  return {
    kind: np.array([cost[kind] for cost in costs], np.float64)
    for kind in sorted(costs[0])
  }


def _spent(where: str, spent: Sequence[Sequence[Mapping] | None]) -> Cost:
  """Differences of what the records hold: the cost until each turn's end."""
  if any(costs is None for costs in spent):
    return {}
  until = [_cost(where, costs) for costs in zip(*spent, strict=True)]
  return {
    kind: np.diff(
      np.stack([cost[kind] for cost in until], 1), axis=1, prepend=0.0
    )
    for kind in until[0]
  }
