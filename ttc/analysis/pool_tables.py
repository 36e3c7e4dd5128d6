"""Tables over all answer pools: outcomes, cost, and skipped questions.

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


def answers(studies: Sequence[Study]) -> list[TableRow]:
  """Outcomes of each pool's answers in percent, means over seeds.

  Args:
    studies: one per seed.

  Returns:
    One row per pool: 'stage', 'strategy', 'budget' and 'answers' (per
    question), then the percentages 'right', 'finished', 'truncated' and
    'unparsable'. 'finished' is the share of right answers among those that
    were not truncated; None where a pool has only truncated ones.
  """
  rows = []
  for label, pools in _pools(studies):
    share = lambda pick, pools=pools: (
      100 * float(np.mean([pick(pool).mean() for pool in pools]))
    )
    finished = [pool.correct[~pool.truncated] for pool in pools]
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
  """Cost of each pool per question, means over questions and seeds.

  Args:
    studies: one per seed.

  Returns:
    One row per pool, in the order of `answers`: 'stage', 'strategy', 'budget'
    and 'answers', then 'tokens' and 'keys' as [useful, executed] by kind of
    work, and 'flops': 'useful' and 'executed' as counted by `flops.exact`,
    and 'paper', 2 FLOPs per parameter and sampled token. 'flops' is None
    where cost or models are unknown.
  """
  rows = []
  for label, pools in _pools(studies):
    kinds = sorted(set.intersection(*(set(p.cost) for p in pools)))
    mean = {
      kind: np.mean([p.cost[kind].mean(0) for p in pools], 0).tolist()
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


def _flops(pools: Sequence[AnswerPool]) -> dict[str, float] | None:
  """Mean FLOPs per question over pools; None where those of one are unknown."""
  spent = [spending.whole(pool) for pool in pools]
  if any(s is None for s in spent):
    return None
  useful, executed = np.mean([s.mean(0) for s in spent], 0).tolist()
  paper = [
    flops.convention(p.cost, *p.models)['proposer_decode'][:, 0].mean()
    for p in pools
  ]
  return {
    'useful': useful,
    'executed': executed,
    'paper': float(np.mean(paper)),
  }


def _pools(
  studies: Sequence[Study],
) -> Iterator[tuple[TableRow, list[AnswerPool]]]:
  """Yields the columns that identify a pool, and the pool in every seed.

  A pool that a seed lacks is left out.
  """
  tables = [_by_key(study) for study in studies]
  for key in tables[0]:
    if all(key in table for table in tables):
      pools = [pool for table in tables for pool in table[key]]
      stage, strategy, budget = key
      yield (
        {
          'stage': stage,
          'strategy': names.short(strategy),
          'budget': budget,
          'answers': pools[0].width,
        },
        pools,
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
