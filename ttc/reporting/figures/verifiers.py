"""Figures about verifiers and the aggregation of values (paper §5.1, §6.1)."""

from collections.abc import Sequence

import numpy as np

from ttc.analysis import aggregate, bootstrap, names
from ttc.analysis.study import along, Study, Table
from ttc.reporting.figure import Figure, Panel, Series
from ttc.reporting.figures import common

_TENTHS = 10


def aggregation(studies: Sequence[Study]) -> Figure:
  """Reduction of step values: last, min or product (paper figure 13)."""
  _need_values(studies)
  series = [
    _weighted(f'PRM {how}', [s.selections(s.base, how) for s in studies], hue)
    for how, hue in (('last', 0), ('min', 2), ('prod', 3))
  ]
  series += [*_orm(studies), _majority(studies)]
  return Figure(
    'aggregation',
    'From step values to a score',
    'Best-of-N weighted with the value of the last step, the least value, '
    'or their product as the score of an answer. (Paper: figure 13.)',
    (_panel('Aggregation over steps', series),),
  )


def selection(studies: Sequence[Study]) -> Figure:
  """PRM, ORM and majority on the same answers (paper figure 14, ICLR 13)."""
  _need_values(studies)
  tables = [s.base_arms for s in studies]
  series = [
    _weighted('PRM weighted', tables, 0),
    common.curve('PRM best', [t[names.BEST] for t in tables], hue=5),
    *_orm(studies),
    _majority(studies),
  ]
  return Figure(
    'verifiers',
    'Choosing among the same answers',
    'The same samples of the base model, chosen by weighted vote, by the '
    'highest score, and by majority. (Paper: figure 14.)',
    (_panel('PRM, ORM and majority', series),),
  )


def reliability(studies: Sequence[Study]) -> Figure:
  """How often answers are right, by the verifier's value of them."""
  _need_values(studies)
  x, y, low, high = [], [], [], []
  for tenth in range(_TENTHS):
    rows = []
    for study in studies:
      score = study.base.score()
      here = np.minimum((score * _TENTHS).astype(int), _TENTHS - 1) == tenth
      right = here & study.base.correct
      rows.append(np.stack([right.sum(1), here.sum(1)]).astype(float))
    found = bootstrap.interval(rows, lambda m: 100 * bootstrap.ratio(m))
    if found[0] is not None:
      x.append((tenth + 0.5) / _TENTHS)
      for values, value in zip((y, low, high), found, strict=True):
        values.append(value)
  panel = Panel(
    'lines',
    'Right answers by value',
    "the verifier's value of an answer",
    'answers that are right (%)',
    (
      Series(
        'as it should be', (0, 1), (0, 100), dashed=True, marker='none', hue=6
      ),
      Series('verifier', x, y, low, high, hue=0),
    ),
  )
  return Figure(
    'reliability',
    'Reliability of the verifier',
    'Single answers of the base model by tenths of their final value. Above '
    'the dashed line the verifier doubts too much, below it too little.',
    (panel,),
  )


def revision_verifiers(studies: Sequence[Study]) -> Figure:
  """Verifiers that select within a chain of revisions (paper figure 15)."""
  pools = [common.need(s.revise, 'the revise stage') for s in studies]
  for pool in pools:
    common.need(pool.values, 'values of the revision verifier')
  others = sorted(set.intersection(*(set(p.scores) for p in pools)))
  common.need(others, 'scores of a second verifier in the revise stage')
  tables = [s.revision_arms['verifier'] for s in studies]
  parallel = common.curve(
    'parallel', [along(t, parallel=True) for t in tables], hue=6, dashed=True
  )
  main = common.curve(
    'sequential, revision ORM',
    [along(t, parallel=False) for t in tables],
    hue=0,
  )
  panels = []
  for i, other in enumerate(others):
    name = other.replace('_', ' ')
    series = common.curve(
      f'sequential, {name}', [_judged_by(other, s) for s in studies], hue=1 + i
    )
    panels.append(
      _panel(f'Revision ORM against {name}', [main, series, parallel])
    )
  return Figure(
    'revision-verifiers',
    'Verifiers of revisions',
    'One chain of N revisions, its best answer selected by the verifier that '
    'sees the earlier attempts and by others. (Paper: figure 15.)',
    tuple(panels),
  )


def _judged_by(verifier: str, study: Study) -> common.Curve:
  """Accuracy of one chain by its length, selected by a further verifier."""
  attempts = study.revise.chains(verifier)
  lengths = along(study.revision_arms['verifier'], parallel=False)
  return {
    n: study.split(attempts, n, 1, aggregate.hierarchical) for n in lengths
  }


def _panel(title: str, series: Sequence[Series]) -> Panel:
  return Panel(
    'lines',
    title,
    common.BUDGET,
    common.ACCURACY,
    tuple(series),
    x_scale='log2',
  )


def _weighted(name: str, tables: Sequence[Table], hue: int) -> Series:
  return common.curve(name, [t[names.WEIGHTED] for t in tables], hue=hue)


def _orm(studies: Sequence[Study]) -> list[Series]:
  if not all(s.orm_arms for s in studies):
    return []
  return [_weighted('ORM weighted', [s.orm_arms for s in studies], 4)]


def _majority(studies: Sequence[Study]) -> Series:
  return common.curve(
    names.MAJORITY,
    [s.base_arms[names.MAJORITY] for s in studies],
    hue=6,
    dashed=True,
  )


def _need_values(studies: Sequence[Study]):
  """Raises MissingError unless every seed has a PRM's values of best-of-N."""
  for study in studies:
    base = common.need(study.base, 'best-of-N samples of the search stage')
    common.need(base.values, 'verifier values in the search stage')
