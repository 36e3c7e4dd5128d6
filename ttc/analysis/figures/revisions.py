"""Figures about revisions (PAPER section 4)."""

from collections.abc import Sequence
import fractions

from ttc.analysis import names
from ttc.analysis.figure import Figure, Panel, Series
from ttc.analysis.figures import common
from ttc.analysis.study import NUM_BINS, Study, Table

BY = ('verifier', 'majority')


def optimal_panel(studies: Sequence[Study]) -> Panel:
  """Compute-optimal ratio beside all-parallel and the best single ratio."""
  series = []
  for by in _available(studies):
    tables = [s.revision_arms[by] for s in studies]
    fits = [common.need(s.revision_optimal.get(by),
                        'difficulty bins of the questions') for s in studies]
    look = dict(dashed=by == 'majority')
    series.append(common.curve(f'parallel, {by}',
                               [parallel(t) for t in tables], hue=0, **look))
    if by == 'verifier':
      series.append(common.curve(
          f'best uniform ratio, {by}', [f.uniform for f in fits], hue=7,
          marker='square', **look))
    for kind, hue in (('predicted', 3), ('oracle', 2)):
      if all(kind in f.adaptive for f in fits):
        series.append(common.curve(
            f'compute-optimal ({kind}), {by}',
            [f.adaptive[kind] for f in fits], hue=hue, **look))
  return Panel('lines', 'Compute-optimal revisions', common.BUDGET,
               common.ACCURACY, tuple(series), x_scale='log2')


def compute_optimal(studies: Sequence[Study]) -> Figure:
  """Paper's figure 8."""
  return Figure(
      'revisions-compute-optimal', 'Compute-optimal revisions',
      'The best ratio of sequential to parallel for each difficulty bin and '
      'budget, chosen on one half of the questions and judged on the other. '
      f'(Paper: figure 8.) {common.band(studies)}', (optimal_panel(studies),))


def turns(studies: Sequence[Study]) -> Figure:
  """Paper's figure 6: pass@1 along a chain; sequential against parallel."""
  available = _available(studies)
  attempts = [s.revise.chains() for s in studies]
  length = min(len(c.correct[0, 0]) for c in attempts)
  points = []
  for t in range(length):
    right = [c.correct[:, c.turns > t, t].mean(1) for c in attempts]
    points.append(common.summarise(right))
  y, low, high = zip(*points, strict=True)
  left = Panel('dots', 'Pass@1 at each turn', 'turn', 'pass@1 (%)',
               (Series('revision model', range(1, length + 1), y, low, high),))
  series = []
  for by in available:
    tables = [s.revision_arms[by] for s in studies]
    for name, take, hue in (('sequential', sequential, 1),
                            ('parallel', parallel, 0)):
      series.append(common.curve(
          f'{name}, {by}', [take(t) for t in tables], hue=hue,
          dashed=by == 'majority', subsets=True))
  right = Panel('lines', 'Sequential or parallel', common.BUDGET,
                common.ACCURACY, tuple(series), x_scale='log2')
  return Figure(
      'revisions-turns', 'Revision by revision',
      'Left: how often the attempt at each turn is right, over all chains '
      f'that long. {common.band(studies)} Right: one chain of N turns against '
      'N first attempts, chosen from by verifier and by majority. (Paper: '
      f'figure 6.) {common.band(studies, subsets=True)}',
      (left, right))


def ratios(studies: Sequence[Study], by: str, kind: str) -> Figure:
  """Paper's figures 7 (verifier), 10 (majority) and 11 (predicted bins)."""
  if by not in _available(studies):
    raise common.MissingError('values of the revision verifier')
  tables = [s.revision_arms[by] for s in studies]
  budgets = budgets_of(tables)
  lines = []
  for n in budgets:
    arms = sorted((arm for arm in tables[0]
                   if all(n in t.get(arm, {}) for t in tables)), key=_ratio)
    points = [common.summarise([t[arm][n].question for t in tables])
              for arm in arms]
    y, low, high = zip(*points, strict=True)
    lines.append(Series(f'N={n}', [float(_ratio(a)) for a in arms], y, low,
                        high, legend=str(n)))
  left = Panel('lines', f'Selection by {by}', 'sequential : parallel',
               common.ACCURACY, tuple(lines), x_scale='log2',
               palette='ordered', legend_title='generation budget')
  suffix = ('' if by == 'verifier' else f'-{by}')
  suffix += '' if kind == 'oracle' else f'-{kind}'
  return Figure(
      f'revisions-ratios{suffix}', f'Sequential to parallel, by {by}, '
      f'{kind} bins',
      'Left: every way to split a budget between turns of a chain and chains. '
      f'Right: the largest budget by difficulty bin ({kind}), from all '
      'parallel to all sequential. (Paper: figures 7, 10, 11.) '
      f'{common.band(studies)}',
      (left, _ratios_by_bin(studies, tables, budgets[-1], kind)))


def _ratios_by_bin(studies, tables, budget: int, kind: str) -> Panel:
  bins = common.bins_of(studies, kind)
  arms = sorted((arm for arm in tables[0]
                 if all(budget in t.get(arm, {}) for t in tables)), key=_ratio)
  series = []
  for arm in arms:
    points = [common.summarise([t[arm][budget].question[b == k]
                                for t, b in zip(tables, bins, strict=True)])
              for k in range(1, NUM_BINS + 1)]
    y, low, high = zip(*points, strict=True)
    series.append(Series(arm, range(NUM_BINS), y, low, high))
  return Panel('bars', f'{budget} generations, {kind} bins',
               'difficulty bin (1 easiest)', 'accuracy in bin (%)',
               tuple(series), categories=tuple(
                   str(k) for k in range(1, NUM_BINS + 1)),
               palette='ordered', legend_title='sequential : parallel')


def sequential(table: Table) -> common.Curve:
  """Accuracy of one chain by its length."""
  return {n: table[names.ratio(n, 1)][n] for n in budgets_of([table])}


def parallel(table: Table) -> common.Curve:
  """Accuracy of N first attempts by N."""
  return {n: table[names.ratio(1, n)][n] for n in budgets_of([table])}


def budgets_of(tables: Sequence[Table]) -> list[int]:
  """Budgets at which any ratio was measured, in all seeds."""
  return sorted(set.intersection(
      *({n for arm in t.values() for n in arm} for t in tables)))


def _available(studies: Sequence[Study]) -> list[str]:
  for study in studies:
    common.need(study.revise, 'the revise stage')
  return [by for by in BY if all(by in s.revision_arms for s in studies)]


def _ratio(arm: str) -> fractions.Fraction:
  return fractions.Fraction(arm.replace(':', '/'))
