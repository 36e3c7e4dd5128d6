"""Tables over all answer pools: outcomes, cost, and skipped questions.

Every row says which answers of its pool it is of, so that costs stand beside
those of as many answers.

Answers that were cut off by a token limit are counted separately: where there
are many, accuracy on hard questions measures that limit and not the model.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ttc.analysis import flops, names, spending
from ttc.analysis.pools import AnswerPool
from ttc.analysis.study import Study

TableRow = dict[str, Any]
_PoolShare = tuple[AnswerPool, spending.Share]


def answers(studies: Sequence[Study]) -> list[TableRow]:
  """Outcomes of single answers in percent, means over seeds.

  These are shares of answers, as pass@1 is, and not accuracies of the answers
  that an arm selects.

  Args:
    studies: one per seed.

  Returns:
    One row per pool and part of it (`spending.parts`): 'stage', 'strategy',
    'budget', 'of' and 'answers' (per question), then the percentages 'right',
    'finished', 'truncated' and 'unparsable'. 'finished' is the share of right
    answers among those that were not truncated; None where there are only
    truncated ones.
  """
  rows = []
  for label, pools in _pools(studies):
    share = lambda pick, pools=pools: (
      100
      * float(np.mean([pick(pool)[part.rows].mean() for pool, part in pools]))
    )
    finished = [
      pool.correct[~pool.truncated & part.rows] for pool, part in pools
    ]
    rows.append(
      {
        **label,
        'right': share(lambda p: p.correct),
        'finished': (
          100 * float(np.mean([correct.mean() for correct in finished]))
          if all(correct.size for correct in finished)
          else None
        ),
        'truncated': share(lambda p: p.truncated),
        'unparsable': share(lambda p: p.answer < 0),
      }
    )
  return rows


def costs(studies: Sequence[Study]) -> list[TableRow]:
  """Cost of answers per question, means over questions and seeds.

  Args:
    studies: one per seed.

  Returns:
    One row per pool and part of it, in the order of `answers`: 'stage',
    'strategy', 'budget', 'of' and 'answers', then 'tokens' and 'keys' as
    [useful, executed] by kind of work, and 'flops': 'useful' and 'executed' as
    counted by `flops.exact`, and 'paper', 2 FLOPs per parameter and sampled
    token. 'flops' is None where cost or models are unknown.
  """
  rows = []
  for label, pools in _pools(studies):
    kinds = sorted(set.intersection(*(set(part.cost) for _, part in pools)))
    mean = {
      kind: np.mean([part.cost[kind].mean(0) for _, part in pools], 0).tolist()
      for kind in kinds
    }
    rows.append(
      {
        **label,
        'tokens': {kind: counts[:2] for kind, counts in mean.items()},
        'keys': {kind: counts[2:] for kind, counts in mean.items()},
        'flops': _flops(pools),
      }
    )
  return rows


def skipped(studies: Sequence[Study]) -> list[TableRow]:
  """One row per question and stage that skipped it, with the reason.

  'dropped' is True where the question is left out of all arms. It is False
  where only strategies skipped it that answered no question at all: they have
  no pool and count as not run.
  """
  return [
    {
      'seed': study.seed,
      'stage': stage,
      'question': question,
      'reason': reason,
      'dropped': question not in study.problem,
    }
    for study in studies
    for stage, reasons in study.skipped.items()
    for question, reason in reasons.items()
  ]


def _flops(pools: Sequence[_PoolShare]) -> dict[str, float] | None:
  """Mean FLOPs per question over pools; None where those of one are unknown."""
  if any(pool.models is None or not part.cost for pool, part in pools):
    return None
  spent = [
    sum(flops.exact(part.cost, *pool.models).values()).mean(0)
    for pool, part in pools
  ]
  useful, executed = np.mean(spent, 0).tolist()
  paper = [
    flops.convention(part.cost, *pool.models)['proposer_decode'][:, 0].mean()
    for pool, part in pools
  ]
  return {
    'useful': useful,
    'executed': executed,
    'paper': float(np.mean(paper)),
  }


def _pools(
  studies: Sequence[Study],
) -> Iterator[tuple[TableRow, list[_PoolShare]]]:
  """Yields the columns that identify a part of a pool, and it in every seed.

  A pool that a seed lacks is left out.
  """
  tables = [_by_key(study) for study in studies]
  for key in tables[0]:
    if all(key in table for table in tables):
      pools = [pool for table in tables for pool in table[key]]
      stage, strategy, budget = key
      for same in zip(*map(spending.parts, pools), strict=True):
        yield (
          {
            'stage': stage,
            'strategy': names.short(strategy),
            'budget': budget,
            'of': same[0].of,
            'answers': same[0].answers,
          },
          list(zip(pools, same, strict=True)),
        )


def _by_key(study: Study) -> dict[tuple[str, str, int], list[AnswerPool]]:
  """The pools of a study by (stage, strategy, budget); repeats share a key."""
  stages = {
    'difficulty': [study.difficulty],
    'search': study.search,
    'revise': [study.revise],
    'greedy': [study.base_greedy],
    'control_samples': [study.control],
    'large_greedy': [study.greedy],
    'large_samples': [study.large],
  }
  table: dict[tuple[str, str, int], list[AnswerPool]] = {}
  for stage, pools in stages.items():
    for pool in pools:
      if pool is not None:
        key = stage, pool.strategy, pool.budget
        table.setdefault(key, []).append(pool)
  return table
