"""Answer pools: the records of a stage as rectangular arrays.

Arrays are [Q, W] or [Q, W, R] for Q questions with W sampled answers each and
R steps in the longest answer. Text and tokens are dropped on reading, since
analysis needs neither.

A question that its stage skipped is in no pool: it counts neither as right nor
as wrong.
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
  """The answers that one strategy sampled at one budget.

  Attributes:
    strategy: repr of the strategy.
    budget: generations per question that the strategy may spend.
    seed: seed of the sampling; repeats of a strategy differ in it.
    problem: question ids, ascending int [Q].
    correct: whether an answer is right, bool [Q, W].
    answer: answer ids within a question, int [Q, W]; -1 is unparsable.
    truncated: whether an answer was cut off by a token limit, bool [Q, W].
    values: verifier's value at each step end, float [Q, W, R], NaN after the
      last step; None if no verifier was run.
    scores: final scores of further verifiers, float [Q, W] by name.
    chain, turn: chain (from 0) and turn (from 1) of each revision, int [Q, W];
      None if the answers are independent.
    cost: token and key counts for `flops.exact`, [Q, 4] by kind of work; {} if
      the records have none.
    spent: for chains, the counts of the prompt and then of each turn over all
      chains, [Q, 1 + turns, 4] by kind; {} if the records have none.
    models: configs of the models that sampled and scored; None if unknown.
    likelihood: geometric mean of the proposer's probabilities of the tokens of
      an answer at temperature 1, float [Q, W] in [0, 1], 0 of an answer without
      tokens; None if the records lack it. Its logarithm is the mean
      log-probability, which it orders and, unlike it, can weigh a vote.
    certainty: mean certainty of an answer's tokens, float [Q, W] of at least 0,
      0 of an answer without tokens; None if the records lack it.
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
  likelihood: np.ndarray | None = None
  certainty: np.ndarray | None = None

  @property
  def width(self) -> int:
    """Number of answers per question (W)."""
    return self.correct.shape[1]

  def score(self, how: aggregate.Reduction = 'last') -> np.ndarray | None:
    """One score per answer, float64 [Q, W]; None without a verifier.

    Args:
      how: reduction of the values at step ends, see `aggregate.step_score`.
    """
    if self.values is None:
      return None
    steps = (~np.isnan(self.values)).sum(-1)
    return aggregate.step_score(self.values, how, steps)

  def chains(self, verifier: str | None = None) -> chains.ChainOutcomes:
    """The answers arranged as chains.

    Args:
      verifier: name of a further verifier that scores them; None is the
        stage's own.
    """
    score = self.scores[verifier] if verifier else self.score()
    return chains.arrange(
      self.correct, self.answer, score, self.chain, self.turn
    )

  def at(self, problem: np.ndarray) -> 'AnswerPool':
    """The pool restricted to some questions.

    Args:
      problem: question ids, ascending int [Q'].

    Raises:
      ValueError: the pool lacks one of them.
    """
    missing = np.setdiff1d(problem, self.problem)
    if missing.size:
      raise ValueError(
        f'{self.strategy} at budget {self.budget} lacks {missing.size} '
        f'questions, first {missing[0]}; run its stage on the same ones.'
      )
    place = np.searchsorted(self.problem, problem)  # `problem` is ascending
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
      likelihood=pick(self.likelihood),
      certainty=pick(self.certainty),
    )


class StageRecords(NamedTuple):
  """The answers of a stage, and the questions that it skipped.

  Attributes:
    pools: one per strategy, budget and seed that answered any question.
    skipped: why a question was skipped, by question id; the reason of the last
      strategy that skipped it.
  """

  pools: list[AnswerPool]
  skipped: dict[int, str]


def read(folder: pathlib.Path) -> list[AnswerPool]:
  """The pools of `read_stage`."""
  return read_stage(folder).pools


def read_stage(folder: pathlib.Path) -> StageRecords:
  """Reads the records of a stage.

  Args:
    folder: the stage's folder; without it the stage has no pools.

  Raises:
    ValueError: a question occurs twice in a pool, the questions of a pool have
      different numbers of answers, or a cost is not 4 numbers per kind.
    ttc.pipeline.records.IncompleteError: the stage has not finished.
  """
  if not folder.is_dir():
    return StageRecords([], {})
  groups: dict[tuple[str, int, int], list[Mapping]] = {}
  for record in records_lib.read_rows(folder):
    key = record['strategy'], record['budget'], record['seed']
    groups.setdefault(key, []).append(_slim(record))
  models = model_folders.used(folder)
  pools, skipped = [], {}
  for key, group in sorted(groups.items()):
    where = '{}: {} at budget {}, seed {}'.format(folder, *key)
    _check_once(where, group)
    skipped |= {r['problem']: r['skipped'] for r in group if 'skipped' in r}
    answered = [r for r in group if 'skipped' not in r]
    if answered:
      pools.append(_pool(where, *key, answered, models))
  return StageRecords(pools, dict(sorted(skipped.items())))


def largest(pools: Sequence[AnswerPool], kind: str) -> AnswerPool | None:
  """The pool with the largest budget of a strategy class, e.g. 'BestOfN'."""
  matching = [p for p in pools if p.strategy.startswith(f'{kind}(')]
  return max(matching, key=lambda p: p.budget, default=None)


def _slim(record: Mapping) -> Mapping:
  """The record without tokens and texts, which are most of its size."""
  rows = [
    {
      'length': len(row.get('tokens', ())),
      **{k: v for k, v in row.items() if k not in ('tokens', 'text')},
    }
    for row in record['rows']
  ]
  rest = {k: v for k, v in record.items() if k != 'trace'}
  return {**rest, 'rows': rows}


def _check_once(where: str, group: Sequence[Mapping]) -> None:
  """Raises ValueError if a question has two records in a pool."""
  problem = np.sort([record['problem'] for record in group])
  twice = problem[1:][problem[1:] == problem[:-1]]
  if twice.size:
    raise ValueError(
      f'{where}: question {twice[0]} comes twice; remove the part file that '
      'does not belong to this run.'
    )


def _pool(where, strategy, budget, seed, group, models) -> AnswerPool:
  """The pool of a group of records; `where` names it in errors."""
  # `at` searches the question ids, so they must ascend.
  group = sorted(group, key=lambda record: record['problem'])
  rows = _rows(group)
  widths = sorted({len(question) for question in rows})
  if len(widths) > 1 or not widths[0]:
    raise ValueError(
      f'{where}: questions have {widths[0]} to {widths[-1]} answers; every '
      'question needs the same number, at least 1.'
    )
  column = lambda name: np.array([[row[name] for row in q] for q in rows])
  in_chains = 'chain' in rows[0][0]
  mean = _per_token(rows, 'logprob', -np.inf)
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
    chain=column('chain') if in_chains else None,
    turn=column('turn') if in_chains else None,
    cost=_cost(where, [record.get('cost') for record in group]),
    spent=_spent(where, [record.get('spent') for record in group]),
    models=models,
    likelihood=None if mean is None else np.exp(mean),
    certainty=_per_token(rows, 'certainty', 0.0),
  )


def _rows(group) -> list[list[Mapping]]:
  """The answers of each question.

  Those that a strategy did without are as ones that cannot be parsed.
  """
  most = max(len(record['rows']) for record in group)
  rows = []
  for record in group:
    own = record['rows']
    if own and record.get('stopped'):
      none = dict(length=0, answer=None, correct=False, truncated=False)
      scores = dict.fromkeys(own[0].get('scores', ()), 0.0)
      none |= {'values': [], 'logprob': 0.0, 'scores': scores, 'certainty': 0.0}
      missing = {k: v for k, v in none.items() if k in own[0]}
      own = [*own, *[missing] * (most - len(own))]
    rows.append(own)
  return rows


def _per_token(rows, name: str, empty: float) -> np.ndarray | None:
  """Mean over an answer's tokens [Q, W]; None unless all answers have it."""
  if any(row.get(name) is None for q in rows for row in q):
    return None
  mean = lambda row: row[name] / row['length'] if row['length'] else empty
  return np.array([[mean(row) for row in q] for q in rows])


def _values(rows) -> np.ndarray | None:
  """Verifier's values [Q, W, R]; None unless all answers have them."""
  if not all(row.get('values') is not None for q in rows for row in q):
    return None
  steps = max(len(row['values']) for q in rows for row in q)
  values = np.full((len(rows), len(rows[0]), max(steps, 1)), np.nan)
  for i, question in enumerate(rows):
    for j, row in enumerate(question):
      values[i, j, : len(row['values'])] = row['values']
  return values


def _scores(rows) -> dict[str, np.ndarray]:
  """Scores [Q, W] of the verifiers that scored all answers, by name."""
  names = set.intersection(
    *(set(row.get('scores', ())) for q in rows for row in q)
  )
  return {
    name: np.array([[row['scores'][name] for row in q] for q in rows])
    for name in sorted(names)
  }


def _cost(where: str, costs: Sequence[Mapping | None]) -> Cost:
  """Counts [Q, 4] by kind of work; {} unless all questions have them."""
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
  """Counts of the prompt and of each turn, [Q, 1 + turns, 4] by kind.

  The records hold running totals, at the end of the prompt and of each turn.
  """
  if any(costs is None for costs in spent):
    return {}
  until = [_cost(where, costs) for costs in zip(*spent, strict=True)]
  return {
    kind: np.diff(
      np.stack([cost[kind] for cost in until], 1), axis=1, prepend=0.0
    )
    for kind in until[0]
  }
