"""Verifiers compared on the same answers: ranking, first errors, selection.

All differences are from the first verifier, with intervals paired by question.
"""

from collections.abc import Iterator, Mapping, Sequence
import dataclasses
from typing import Any, get_args, NamedTuple

import numpy as np

from ttc.analysis import aggregate, bootstrap, curves
from ttc.analysis.bootstrap import Statistic
from ttc.analysis.pools import AnswerPool
from ttc.claims import words
from ttc.claims.verifier import auc_rows
from ttc.verifiers import first_error
from ttc.verifiers.first_error import FirstErrors

_WIDTH = 24  # characters of the first column
_SHOWN = ('inner AUC', 'first errors', 'last')  # differences in the text
_UNITS = {'final AUC': 1, 'inner AUC': 1}  # others are in percent


class Reading(NamedTuple):
  """What a verifier says of the answers of each seed.

  Attributes:
    name: of the verifier.
    pools: the answers, with its values.
    judged: what it says of their first errors; None where no answer has one
      that is known.
  """

  name: str
  pools: Sequence[AnswerPool]
  judged: Sequence[FirstErrors | None]


def read(
  pool: AnswerPool, rows: Sequence[Mapping]
) -> tuple[AnswerPool, FirstErrors | None]:
  """The answers with values, and what these say of first errors.

  Args:
    pool: the answers.
    rows: of the stage that read them, see `evaluate_prm.EvaluatePrm`.

  Raises:
    ValueError: the rows are not of these answers.
  """
  by_id = {row['problem']: row['rows'] for row in rows}
  own = [by_id.get(int(problem), ()) for problem in pool.problem]
  if any(len(answers) != pool.width for answers in own):
    raise ValueError(
      f'a verifier read other answers than the {pool.width} of a question; let '
      'all verifiers read the stage that is compared.'
    )
  steps = max(len(answer['values']) for answers in own for answer in answers)
  values = np.full((*pool.correct.shape, max(steps, 1)), np.nan)
  known = []
  for q, answers in enumerate(own):
    for w, answer in enumerate(answers):
      values[q, w, : len(answer['values'])] = answer['values']
      if answer['first'] is not None and answer['values']:
        known.append((int(pool.problem[q]), answer['values'], answer['first']))
  judged = first_error.judge(*zip(*known, strict=True)) if known else None
  return dataclasses.replace(pool, values=values), judged


def table(
  readings: Sequence[Reading], n: int, subsets: int
) -> list[dict[str, Any]]:
  """One row per verifier.

  Args:
    readings: of at least one verifier, over the same seeds.
    n: answers that one is selected from, by weighted vote.
    subsets: random subsets of n answers, the same for all verifiers.

  Returns:
    Rows of 'verifier', then by measure {'estimate', 'difference'}: 'final AUC'
    and 'inner AUC' within questions, 'first errors' (F1 in percent), and the
    accuracy in percent with step values reduced by 'last', 'min', 'prod' and
    'mean'. A difference is (estimate, low, high) of 95%; None for the first
    verifier, whose 'over last' holds those of its reductions.

  Raises:
    ValueError: n is more than there are answers.
  """
  measured = {r.name: dict(_measures(r, n, subsets)) for r in readings}
  first = measured[readings[0].name]
  rows = []
  for name, own in measured.items():
    row: dict[str, Any] = {'verifier': name}
    for measure, (found, statistic) in own.items():
      of = _scaled(measure, statistic)
      difference = None
      if own is not first and measure in first:
        difference = _difference(found, first[measure][0], of)
      row[measure] = {
        'estimate': bootstrap.drawn(found, of).estimate,
        'difference': difference,
      }
    rows.append(row)
  last, of = first['last']
  rows[0]['over last'] = {
    how: _difference(first[how][0], last, _scaled(how, of))
    for how in get_args(aggregate.Reduction)
    if how != 'last'
  }
  return rows


def text(rows: Sequence[Mapping[str, Any]], n: int, about: str) -> str:
  """The rows as a table for a terminal, with lines of differences below."""
  heads = [name for name in rows[0] if isinstance(rows[0][name], dict)]
  heads.remove('over last')
  lines = [
    about,
    f'selection is by weighted vote among {n} answers, accuracy in %',
    ' ' * _WIDTH + ''.join(f'{head:>14}' for head in heads),
  ]
  for row in rows:
    numbers = [_digits(head, row[head]['estimate']) for head in heads]
    lines.append(f'{row["verifier"]:<{_WIDTH}}' + ''.join(numbers))
  lines += ['', 'differences, with 95% intervals paired by question']
  first = rows[0]['verifier']
  for how, found in rows[0]['over last'].items():
    lines.append(f'{first}, {how} over last: {_interval(how, found)}')
  for row in rows[1:]:
    told = [
      f'{head} {_interval(head, row[head]["difference"])}'
      for head in _SHOWN
      if row.get(head, {}).get('difference')
    ]
    lines.append(f'{row["verifier"]} over {first}: {", ".join(told)}')
  return '\n'.join(lines)


def _measures(
  reading: Reading, n: int, subsets: int
) -> Iterator[tuple[str, tuple[list[np.ndarray], Statistic]]]:
  """Each measure: rows [K, Q] of each seed, and the statistic of means."""
  pools = reading.pools
  for where in ('final', 'inner'):
    found = [auc_rows(pool, where == 'inner') for pool in pools]
    yield f'{where} AUC', (found, bootstrap.ratio)
  if all(judged is not None for judged in reading.judged):
    found = [
      judged.rows(pool.problem)
      for judged, pool in zip(reading.judged, pools, strict=True)
    ]
    yield 'first errors', (found, first_error.f1)
  for how in get_args(aggregate.Reduction):
    found = [_selected(pool, how, n, subsets)[None] for pool in pools]
    yield how, (found, lambda m: m[..., 0])


def _selected(
  pool: AnswerPool, how: aggregate.Reduction, n: int, subsets: int
) -> np.ndarray:
  """Accuracy of each question, float [Q]."""
  return curves.subset_accuracy(
    pool.correct,
    pool.answer,
    pool.score(how),
    n,
    aggregate.weighted,
    np.random.default_rng(0),  # the same subsets for all
    subsets,
  ).question


def _scaled(measure: str, statistic: Statistic) -> Statistic:
  scale = _UNITS.get(measure, 100)
  return lambda m: scale * statistic(m)


def _difference(
  own: Sequence[np.ndarray], other: Sequence[np.ndarray], of: Statistic
) -> tuple[float | None, float | None, float | None]:
  """Interval of the difference of a statistic of [K, Q] a seed."""
  K = len(own[0])
  rows = [np.concatenate(pair) for pair in zip(own, other, strict=True)]
  return bootstrap.interval(rows, lambda m: of(m[..., :K]) - of(m[..., K:]))


def _digits(measure: str, value: float | None) -> str:
  if value is None:
    return f'{"-":>14}'
  return f'{value:>14.3f}' if measure in _UNITS else f'{value:>14.1f}'


def _interval(measure: str, found: Sequence[float | None]) -> str:
  if found[1] is None:  # where there may be no estimate either
    return '-'
  return words.difference(found, digits=3 if measure in _UNITS else 1)
