"""Figures about search against a process reward model (paper §5.2)."""

from collections.abc import Sequence

from ttc.analysis import names
from ttc.analysis.difficulty import NUM_BINS
from ttc.analysis.study import SELECTORS, Study
from ttc.reporting.figure import Figure, Panel, Series
from ttc.reporting.figures import by_budget, common
from ttc.reporting.figures.by_budget import BudgetCurve

_OPTIMAL = 'Compute-optimal search'


def optimal_panel(studies: Sequence[Study]) -> Panel:
  """Compute-optimal search against the strategies it must beat."""
  return by_budget.by_generations(_OPTIMAL, _optimal_lines(studies))


def compute_optimal(studies: Sequence[Study]) -> Figure:
  """Accuracy of compute-optimal search by budget (paper figure 4)."""
  panel = optimal_panel(studies)
  spent = by_budget.by_flops(panel)
  return Figure(
    'search-compute-optimal',
    _OPTIMAL,
    'The arm of each difficulty bin and budget, chosen on nine tenths of the '
    'questions and judged on the last (ten folds), against best-of-N weighted, '
    'majority, and the best single arm chosen in the same way. A bin leaves '
    'that one only for an arm that is better by more than a standard error. '
    f'{by_budget.NOTE if spent else ""}(Paper: figure 4.)',
    (panel, *spent),
  )


def methods(studies: Sequence[Study], kind: str) -> Figure:
  """Accuracy of every search method (paper figure 3, predicted bins 12)."""
  panel = by_budget.by_generations('Search methods', _method_lines(studies))
  spent = by_budget.by_flops(panel)
  by_bin = by_bin_panel(studies, kind)
  return Figure(
    'search-methods' if kind == 'oracle' else f'search-methods-{kind}',
    f'Search methods, {kind} bins',
    '“Search methods”: all at equal numbers of generations; lookahead pays '
    f'k + 1 per beam. {by_budget.NOTE if spent else ""}“{by_bin.title}”: bins '
    'of the base model, 1 is easiest. (Paper: figure '
    f'{3 if kind == "oracle" else 12}.)',
    (panel, *spent, by_bin),
  )


def by_bin_panel(studies: Sequence[Study], kind: str) -> Panel:
  """Bars of accuracy by bin, method and budget; larger budgets are darker."""
  bins = common.bins_of(studies, kind)
  tables = [{**s.base_arms, **s.search_arms} for s in studies]
  shared = common.shared_arms(tables)
  searches = [a for a in shared if a not in (*SELECTORS, names.GREEDY)]
  beam = names.BEAM if names.BEAM in searches else next(iter(searches), None)
  arms = [a for a in (beam, names.WEIGHTED, names.MAJORITY) if a in shared]
  budgets = sorted(
    set.intersection(*(set(t[arm]) for t in tables for arm in arms)) - {1}
  )[-4:]
  common.need(budgets, 'a budget that all compared methods share')
  series = []
  for arm in arms:
    for i, n in enumerate(budgets):
      points = common.by_bin([t[arm][n].question for t in tables], bins)
      y, low, high = zip(*points, strict=True)
      last = i == len(budgets) - 1
      series.append(
        Series(
          f'{arm}, N={n}',
          range(NUM_BINS),
          y,
          low,
          high,
          hue=common.HUES.get(arm, 1),
          legend=arm if last else '',
          shade=1.0 if last else i / (len(budgets) - 1),
        )
      )
  shades = ', '.join(map(str, budgets))
  return Panel(
    'bars',
    f'By difficulty, {kind} bins',
    'difficulty bin (1 easiest)',
    'accuracy in bin (%)',
    tuple(series),
    categories=_bin_labels(),
    legend_title=f'pale to full: {shades} generations',
  )


def coverage(studies: Sequence[Study]) -> Figure:
  """pass@N, and the accuracy of the answers that are selected."""
  for study in studies:
    common.need(study.base, 'best-of-N samples of the search stage')
  series = [
    common.curve(
      'pass@N: any answer right', [s.coverage(s.base) for s in studies], hue=2
    )
  ]
  for arm in (names.WEIGHTED, names.BEST, names.MAJORITY):
    if all(arm in s.base_arms for s in studies):
      series.append(
        common.curve(
          arm,
          [s.base_arms[arm] for s in studies],
          hue=common.HUES[arm],
          dashed=arm == names.MAJORITY,
        )
      )
  panel = Panel(
    'lines',
    'Coverage and selection',
    common.BUDGET,
    common.ACCURACY,
    tuple(series),
    x_scale='log2',
  )
  return Figure(
    'coverage',
    'Coverage and selection',
    'How often any of N answers of the base model is right, and how often '
    'the selected one is.',
    (panel,),
  )


def _optimal_lines(studies: Sequence[Study]) -> list[BudgetCurve]:
  fits = [
    common.need(s.search_optimal, 'search arms and difficulty bins')
    for s in studies
  ]
  return [
    *_of_base(studies, names.MAJORITY, dashed=True),
    *_orm(studies),
    *_of_base(studies, names.WEIGHTED),
    *by_budget.policy_lines(
      fits, f'{names.COMPUTE_OPTIMAL}, {{}} bins', 'best uniform arm'
    ),
  ]


def _method_lines(studies: Sequence[Study]) -> list[BudgetCurve]:
  tables = [common.need(s.search_arms, 'the search stage') for s in studies]
  lines = _of_base(studies, names.MAJORITY, dashed=True)
  # Hues that no method of this figure has in HUES.
  free = iter((3, 2, 4, 5, 7, *range(8, 99)))
  for arm in common.shared_arms(tables):
    hue = common.HUES.get(arm)
    lines.append(
      by_budget.line(
        arm,
        [t[arm] for t in tables],
        hue=next(free) if hue is None else hue,
        dashed=hue is None and 'lookahead' in arm,
      )
    )
  return lines


def _of_base(studies: Sequence[Study], arm: str, **style) -> list[BudgetCurve]:
  """The curve of a selector, if every seed has best-of-N and what it needs."""
  if not all(arm in s.base_arms for s in studies):
    return []
  curves = [s.base_arms[arm] for s in studies]
  return [by_budget.line(arm, curves, hue=common.HUES[arm], **style)]


def _orm(studies: Sequence[Study]) -> list[BudgetCurve]:
  if not all(s.orm_arms for s in studies):
    return []
  return [
    by_budget.line(
      'ORM best-of-N weighted',
      [s.orm_arms[names.WEIGHTED] for s in studies],
      hue=4,
    )
  ]


def _bin_labels() -> tuple[str, ...]:
  return tuple(str(b) for b in range(1, NUM_BINS + 1))
