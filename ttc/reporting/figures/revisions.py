"""Figures about revisions (paper §6)."""

from collections.abc import Sequence
import fractions

from ttc.analysis import names
from ttc.analysis.difficulty import NUM_BINS
from ttc.analysis.study import along, Study, Table
from ttc.reporting.figure import Figure, Panel, Series
from ttc.reporting.figures import by_budget, common
from ttc.reporting.figures.by_budget import BudgetCurve

BY = ('verifier', 'majority')
_OPTIMAL = 'Compute-optimal revisions'


def optimal_panel(studies: Sequence[Study]) -> Panel:
  """Compute-optimal ratio against all parallel and the best single ratio."""
  return by_budget.by_generations(_OPTIMAL, _optimal_lines(studies))


def compute_optimal(studies: Sequence[Study]) -> Figure:
  """Accuracy of the compute-optimal ratio by budget (paper figure 8)."""
  panel = optimal_panel(studies)
  spent = by_budget.by_flops(panel)
  return Figure(
    'revisions-compute-optimal',
    _OPTIMAL,
    'The best ratio of sequential to parallel for each difficulty bin and '
    'budget, chosen on nine tenths of the questions and judged on the last. '
    f'{by_budget.NOTE if spent else ""}(Paper: figure 8.)',
    (panel, *spent),
  )


def turns(studies: Sequence[Study]) -> Figure:
  """Pass@1 by turn, and sequential against parallel (paper figure 6)."""
  lines = _turn_lines(studies)
  attempts = [s.revise.chains() for s in studies]
  length = min(len(c.correct[0, 0]) for c in attempts)
  points = []
  for t in range(length):
    right = [c.correct[:, c.turns > t, t].mean(1) for c in attempts]
    points.append(common.summarise(right))
  y, low, high = zip(*points, strict=True)
  left = Panel(
    'dots',
    'Pass@1 at each turn',
    'turn',
    'pass@1 (%)',
    (Series('revision model', range(1, length + 1), y, low, high),),
  )
  right = by_budget.by_generations('Sequential or parallel', lines)
  spent = by_budget.by_flops(right)
  return Figure(
    'revisions-turns',
    'Revision by revision',
    f'“{left.title}”: how often the attempt is right, over all chains that '
    f'long. “{right.title}”: one chain of N turns '
    'against N first attempts, selected by verifier and by majority. '
    f'{by_budget.NOTE if spent else ""}(Paper: figure 6.)',
    (left, right, *spent),
  )


def ratios(studies: Sequence[Study], by: str, kind: str) -> Figure:
  """Accuracy by ratio of sequential to parallel (paper figures 7, 10, 11).

  Args:
    studies: one per seed.
    by: 'verifier' or 'majority', which selects the answer.
    kind: kind of difficulty bins, 'oracle' or 'predicted'.
  """
  if by not in _available(studies):
    raise common.MissingError('values of the revision verifier')
  tables = [s.revision_arms[by] for s in studies]
  budgets = _budgets_of(tables)
  lines = []
  for n in budgets:
    arms = sorted(
      (arm for arm in tables[0] if all(n in t.get(arm, {}) for t in tables)),
      key=_ratio,
    )
    points = [
      common.summarise([t[arm][n].question for t in tables]) for arm in arms
    ]
    y, low, high = zip(*points, strict=True)
    lines.append(
      Series(
        f'N={n}', [float(_ratio(a)) for a in arms], y, low, high, legend=str(n)
      )
    )
  left = Panel(
    'lines',
    f'Selection by {by}',
    'sequential : parallel',
    common.ACCURACY,
    tuple(lines),
    x_scale='log2',
    palette='ordered',
    legend_title='generation budget',
  )
  right = _ratios_by_bin(studies, tables, budgets[-1], kind)
  suffix = '' if by == 'verifier' else f'-{by}'
  suffix += '' if kind == 'oracle' else f'-{kind}'
  return Figure(
    f'revisions-ratios{suffix}',
    f'Sequential to parallel, by {by}, {kind} bins',
    f'“{left.title}”: every way to split a budget between turns of a chain '
    f'and chains. “{right.title}”: the largest budget, from all parallel to '
    'all sequential. (Paper: figures 7, 10, 11.)',
    (left, right),
  )


def _ratios_by_bin(studies, tables, budget: int, kind: str) -> Panel:
  bins = common.bins_of(studies, kind)
  arms = sorted(
    (arm for arm in tables[0] if all(budget in t.get(arm, {}) for t in tables)),
    key=_ratio,
  )
  series = []
  for arm in arms:
    points = common.by_bin([t[arm][budget].question for t in tables], bins)
    y, low, high = zip(*points, strict=True)
    series.append(Series(arm, range(NUM_BINS), y, low, high))
  return Panel(
    'bars',
    f'{budget} generations, {kind} bins',
    'difficulty bin (1 easiest)',
    'accuracy in bin (%)',
    tuple(series),
    categories=tuple(str(k) for k in range(1, NUM_BINS + 1)),
    palette='ordered',
    legend_title='sequential : parallel',
  )


def _optimal_lines(studies: Sequence[Study]) -> list[BudgetCurve]:
  lines = []
  for by in _available(studies):
    tables = [s.revision_arms[by] for s in studies]
    fits = [
      common.need(
        s.revision_optimal.get(by), 'difficulty bins of the questions'
      )
      for s in studies
    ]
    style = dict(dashed=by == 'majority')
    lines.append(
      by_budget.line(
        f'parallel, {by}',
        [along(t, parallel=True) for t in tables],
        hue=0,
        **style,
      )
    )
    lines += by_budget.policy_lines(
      fits,
      f'{names.COMPUTE_OPTIMAL} ({{}}), {by}',
      f'best uniform ratio, {by}' if by == 'verifier' else '',
      **style,
    )
  return lines


def _turn_lines(studies: Sequence[Study]) -> list[BudgetCurve]:
  lines = []
  for by in _available(studies):
    tables = [s.revision_arms[by] for s in studies]
    for name, parallel, hue in (
      ('sequential', False, 1),
      ('parallel', True, 0),
    ):
      lines.append(
        by_budget.line(
          f'{name}, {by}',
          [along(t, parallel) for t in tables],
          hue=hue,
          dashed=by == 'majority',
        )
      )
  return lines


def _budgets_of(tables: Sequence[Table]) -> list[int]:
  """Budgets at which every seed has a ratio."""
  return sorted(
    set.intersection(*({n for arm in t.values() for n in arm} for t in tables))
  )


def _available(studies: Sequence[Study]) -> list[str]:
  """The ways to select an answer that every seed has."""
  for study in studies:
    common.need(study.revise, 'the revise stage')
  return [by for by in BY if all(by in s.revision_arms for s in studies)]


def _ratio(arm: str) -> fractions.Fraction:
  """The number that an arm such as '1:4' names."""
  return fractions.Fraction(arm.replace(':', '/'))
