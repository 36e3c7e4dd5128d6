"""Every pool of answers: how it was answered, and what it took.

Answers that stopped at a limit of tokens are counted apart: where there are
many, hard questions measure that limit and not the model.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ttc.analysis import flops, names, spending
from ttc.analysis.pools import AnswerPool
from ttc.analysis.study import Study

TableRow = dict[str, Any]


def answers(studies: Sequence[Study]) -> list[TableRow]:
  """Percent of a pool's answers that are right, cut short and so on.

  'finished' is the share of right ones among those that were not cut short,
  None where all were. Means over seeds.
  """
  rows = []
  for about, found in _pools(studies):
    share = lambda pick, found=found: (
      100 * float(np.mean([pick(pool).mean() for pool in found]))
    )
    done = [pool.correct[~pool.truncated] for pool in found]
    rows.append(
      {
        **about,
        'right': share(lambda p: p.correct),
        'finished': (
          100 * float(np.mean([d.mean() for d in done]))
          if all(d.size for d in done)
          else None
        ),
        'truncated': share(lambda p: p.truncated),
        'unparsable': share(lambda p: p.answer < 0),
      }
    )
  return rows


def costs(studies: Sequence[Study]) -> list[TableRow]:
  """Means a question over questions and seeds of every pool.

  'tokens' and 'keys' are [useful, executed] by kind. 'flops' is exact, with
  'paper' for what its convention charges: 2 a parameter and sampled token;
  None where the models are not known.
  """
  rows = []
  for about, found in _pools(studies):
    kinds = sorted(set.intersection(*(set(p.cost) for p in found)))
    mean = {
      kind: np.mean([p.cost[kind].mean(0) for p in found], 0).tolist()
      for kind in kinds
    }
    rows.append(
      {
        **about,
        'tokens': {kind: counts[:2] for kind, counts in mean.items()},
        'keys': {kind: counts[2:] for kind, counts in mean.items()},
        'flops': _flops(found),
      }
    )
  return rows


def skipped(studies: Sequence[Study]) -> list[TableRow]:
  """Questions that a stage did not ask, and why.

  'dropped' says that no other stage's answer counts either. The others were
  skipped by whole strategies, which count as not run.
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
    for stage, found in study.skipped.items()
    for question, reason in found.items()
  ]


def _flops(found: Sequence[AnswerPool]) -> dict[str, float] | None:
  spent = [spending.whole(pool) for pool in found]
  if any(s is None for s in spent):
    return None
  useful, executed = np.mean([s.mean(0) for s in spent], 0).tolist()
  paper = [
    flops.convention(p.cost, *p.models)['proposer_decode'][:, 0].mean()
    for p in found
  ]
  return {
    'useful': useful,
    'executed': executed,
    'paper': float(np.mean(paper)),
  }


def _pools(
  studies: Sequence[Study],
) -> Iterator[tuple[TableRow, list[AnswerPool]]]:
  """Pools of the same kind that all seeds have."""
  tables = [_of(study) for study in studies]
  for key in tables[0]:
    if all(key in table for table in tables):
      found = [pool for table in tables for pool in table[key]]
      stage, strategy, budget = key
      yield (
        {
          'stage': stage,
          'strategy': names.short(strategy),
          'budget': budget,
          'answers': found[0].width,
        },
        found,
      )


def _of(study: Study) -> dict[tuple[str, str, int], list[AnswerPool]]:
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
  for stage, found in stages.items():
    for pool in found:
      if pool is not None:
        key = stage, pool.strategy, pool.budget
        table.setdefault(key, []).append(pool)
  return table
