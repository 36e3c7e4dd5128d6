"""Proposers compared on the same questions: pass@1, coverage, and their data.

Distilling makes single answers better and may make them alike: what one answer
gains, the best of many may lose. So coverage stands beside pass@1, and both
with intervals that are paired by question.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import pathlib
from typing import Any

import numpy as np

from ttc.analysis import bootstrap, curves, flops
from ttc.analysis.pools import AnswerPool
from ttc.claims import words
from ttc.pipeline import model_folders, records

Interval = tuple[float | None, float | None, float | None]

_FIRST = 22  # characters of the first column


@dataclasses.dataclass(frozen=True)
class Answers:
  """What a proposer answered to the test questions, and what it learned from.

  Attributes:
    name: of the proposer.
    pools: its independent answers, one pool per seed.
    spent: executed FLOPs of the answers that it learned from, mean over seeds;
      None where they are not known.
    against: name of a proposer to compare it with besides the first; ''.
  """

  name: str
  pools: Sequence[AnswerPool]
  spent: float | None
  against: str = ''


def executed(stages: Sequence[pathlib.Path]) -> float | None:
  """Executed FLOPs of all records of sampling stages.

  Returns:
    Their sum, 0 of no stage; None where costs or models are not there.
  """
  total = 0.0
  for stage in stages:
    costs = [r['cost'] for r in records.read_rows(stage) if 'cost' in r]
    models = model_folders.used(stage)
    if not costs or models is None:
      return None
    work = {
      kind: np.sum([cost[kind] for cost in costs], axis=0) for kind in costs[0]
    }
    total += float(sum(flops.exact(work, *models).values())[1])
  return total


def table(answers: Sequence[Answers], n: int) -> list[dict[str, Any]]:
  """One row per proposer; shares and differences in percent.

  Args:
    answers: of at least one proposer, for the same seeds.
    n: answers of coverage.

  Returns:
    Rows of 'proposer', 'spent', 'pass@1', 'coverage', 'distinct' (canonical
    answers among n of a question, mean), then 'gain' over the first proposer
    and, where there is one, 'edge' over `against`: each the differences in
    pass@1 and coverage as (estimate, low, high) of 95%, None for the first.

  Raises:
    ValueError: a pool has fewer than n answers, or two proposers have no
      question in common.
  """
  pools = {a.name: _aligned(a.pools, answers) for a in answers}
  measured = {
    name: [_measure(p, n) for p in own] for name, own in pools.items()
  }
  first = answers[0].name
  rows = []
  for one in answers:
    own = measured[one.name]
    means = np.mean([m.mean(1) for m in own], 0)
    row = {
      'proposer': one.name,
      'spent': one.spent,
      'pass@1': 100 * means[0],
      'coverage': 100 * means[1],
      'distinct': means[2],
      'gain': _difference(own, measured[first]) if one.name != first else None,
    }
    if one.against:
      row['against'] = one.against
      row['edge'] = _difference(own, measured[one.against])
    rows.append(row)
  return rows


def text(rows: Sequence[Mapping[str, Any]], n: int, about: str) -> str:
  """The rows as a table for a terminal, with lines of differences below.

  Args:
    rows: from `table`.
    n: answers of coverage.
    about: which questions and seeds these are, for the first line.
  """
  heads = ('pass@1 %', f'pass@{n} %', 'distinct', 'FLOPs of data')
  lines = [about, ' ' * _FIRST + ''.join(f'{h:>14}' for h in heads)]
  for row in rows:
    spent = row['spent']
    entries = (
      f'{row["pass@1"]:.1f}',
      f'{row["coverage"]:.1f}',
      f'{row["distinct"]:.1f}',
      'unknown' if spent is None else f'{spent:.3g}',
    )
    lines.append(
      f'{row["proposer"]:<{_FIRST}}' + ''.join(f'{e:>14}' for e in entries)
    )
  lines += ['', 'differences in points, with 95% intervals paired by question']
  for row in rows:
    pairs = [(rows[0]['proposer'], row['gain'])]
    pairs.append((row.get('against', ''), row.get('edge')))
    for other, found in pairs:
      if found:
        lines.append(
          f'{row["proposer"]} over {other}: '
          f'pass@1 {words.difference(found["pass@1"])}, '
          f'pass@{n} {words.difference(found["coverage"])}'
        )
  return '\n'.join(lines)


def _aligned(
  pools: Sequence[AnswerPool], answers: Sequence[Answers]
) -> list[AnswerPool]:
  """The pools at the questions that all proposers have, by seed."""
  found = []
  for seed, pool in enumerate(pools):
    shared = pool.problem
    for other in answers:
      shared = np.intersect1d(shared, other.pools[seed].problem)
    if not shared.size:
      raise ValueError(
        'the proposers have no question in common; sample the same ones.'
      )
    found.append(pool.at(shared))
  return found


def _measure(pool: AnswerPool, n: int) -> np.ndarray:
  """pass@1, coverage of n and distinct answers of n, float64 [3, Q]."""
  answers = pool.answer[:, :n]
  distinct = [len(set(row[row >= 0].tolist())) for row in answers]
  return np.stack(
    [pool.correct.mean(1), curves.coverage(pool.correct, n), distinct]
  )


def _difference(
  own: Sequence[np.ndarray], others: Sequence[np.ndarray]
) -> dict[str, Interval]:
  """Intervals of the difference between [3, Q] of each seed."""
  rows = [a - b for a, b in zip(own, others, strict=True)]
  at = lambda i: bootstrap.interval(rows, lambda m: 100 * m[..., i])
  return {'pass@1': at(0), 'coverage': at(1)}
