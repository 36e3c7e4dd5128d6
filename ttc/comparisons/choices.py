"""Ways to choose among the same answers, compared with a majority of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ttc.analysis import bootstrap, curves, names, study
from ttc.analysis.aggregate import Selector
from ttc.analysis.pools import AnswerPool
from ttc.claims import words
from ttc.reporting.selections import Selection

_WIDTH, _COLUMN = 34, 24  # characters of the first column, and of the others


def table(
  pools: Sequence[AnswerPool],
  asked: Sequence[Selection],
  sizes: Sequence[int],
  subsets: int,
) -> list[dict[str, Any]]:
  """One row per selection: majority, those of a verifier, then those asked for.

  Args:
    pools: independent answers, of one seed each.
    asked: further selections.
    sizes: numbers of answers to choose among.
    subsets: random subsets of each size to average over.

  Returns:
    Rows of 'selection' and 'points', by size: 'answers' (the size), 'accuracy'
    in percent and 'difference' to majority in points, (estimate, low, high) of
    95%.

  Raises:
    ValueError: the answers lack the scores of a selection, or are too few.
  """
  measured = {
    name: [
      [_accuracy(pool, score(pool), select, n, subsets) for pool in pools]
      for n in sizes
    ]
    for name, score, select in _selections(pools[0], asked)
  }
  majority = measured[names.MAJORITY]
  return [
    {
      'selection': name,
      'points': [
        _point(n, own, plain)
        for n, own, plain in zip(sizes, found, majority, strict=True)
      ],
    }
    for name, found in measured.items()
  ]


def text(rows: Sequence[Mapping[str, Any]], about: str) -> str:
  """The rows as a table for a terminal.

  Args:
    rows: from `table`.
    about: which answers these are, for the first line.
  """
  sizes = [point['answers'] for point in rows[0]['points']]
  lines = [
    about,
    f'accuracy in %, and points above {names.MAJORITY} with 95% intervals '
    'paired by question',
    ' ' * _WIDTH + ''.join(f'{f"N={n}":>{_COLUMN}}' for n in sizes),
  ]
  for row in rows:
    cells = map(_shown, row['points'])
    lines.append(
      f'{row["selection"]:<{_WIDTH}}'
      + ''.join(f'{cell:>{_COLUMN}}' for cell in cells)
    )
  return '\n'.join(lines)


def _selections(pool: AnswerPool, asked: Sequence[Selection]):
  """Name, scores of a pool, and selector of each selection."""
  for name, select in study.SELECTORS.items():
    if pool.values is not None or name == names.MAJORITY:
      yield name, AnswerPool.score, select
  for selection in asked:
    yield selection.name, selection.score, selection.select


def _accuracy(
  pool: AnswerPool,
  score: np.ndarray | None,
  select: Selector,
  n: int,
  subsets: int,
) -> np.ndarray:
  """Accuracy of each question, float [Q]."""
  return curves.subset_accuracy(
    pool.correct,
    pool.answer,
    score,
    n,
    select,
    np.random.default_rng(0),  # the same subsets for all
    subsets,
  ).question


def _point(
  n: int, own: Sequence[np.ndarray], majority: Sequence[np.ndarray]
) -> dict[str, Any]:
  """What accuracies [Q] of each seed say."""
  pairs = [np.stack(pair) for pair in zip(own, majority, strict=True)]
  return {
    'answers': n,
    'accuracy': 100 * float(np.mean([seed.mean() for seed in own])),
    'difference': bootstrap.interval(
      pairs, lambda m: 100 * (m[..., 0] - m[..., 1])
    ),
  }


def _shown(point: Mapping[str, Any]) -> str:
  return f'{point["accuracy"]:.1f}  {words.difference(point["difference"])}'
