"""All figures that the measurements allow, in the order of the report."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ttc.allocation.comparison import Comparison
from ttc.analysis.matched import comparisons
from ttc.analysis.study import Study
from ttc.reporting.figure import Figure, Panel
from ttc.reporting.figures import (
  allocation,
  common,
  matched,
  revisions,
  search,
  verifiers,
)

_BARS = (
  'Bars: its accuracy relative to a larger model at equal FLOPs (verifier '
  'free). '
)


class Catalogue(NamedTuple):
  """The figures, and by id the missing inputs of those left out."""

  figures: tuple[Figure, ...]
  left_out: dict[str, str]


def build(
  studies: Sequence[Study],
  size_ratio: float | None,
  comparisons: Sequence[Comparison | None] = (),
) -> Catalogue:
  """Builds every figure whose inputs were measured.

  Args:
    studies: one per seed.
    size_ratio: M, the ratio of parameters; None without a large model.
    comparisons: of allocation, one per seed; () without.
  """
  figures, left_out = [], {}
  for name, builder in _builders(studies, size_ratio, comparisons).items():
    try:
      figures.append(builder())
    except common.MissingError as missing:
      left_out[name] = str(missing)
  return Catalogue(tuple(figures), left_out)


def _builders(
  studies, size_ratio, comparisons
) -> dict[str, Callable[[], Figure]]:
  s = studies
  # Deferred: a figure whose inputs are missing must not stop the others.
  return {
    'allocation': lambda: allocation.accuracy(comparisons),
    'headline': lambda: headline(s, size_ratio),
    'search-compute-optimal': lambda: search.compute_optimal(s),
    'search-methods': lambda: search.methods(s, 'oracle'),
    'search-methods-predicted': lambda: search.methods(s, 'predicted'),
    'revisions-compute-optimal': lambda: revisions.compute_optimal(s),
    'revisions-turns': lambda: revisions.turns(s),
    'revisions-ratios': lambda: revisions.ratios(s, 'verifier', 'oracle'),
    'revisions-ratios-predicted': lambda: revisions.ratios(
      s, 'verifier', 'predicted'
    ),
    'revisions-ratios-majority': lambda: revisions.ratios(
      s, 'majority', 'oracle'
    ),
    'revisions-ratios-majority-predicted': lambda: revisions.ratios(
      s, 'majority', 'predicted'
    ),
    'matched': lambda: matched.lines(s, _known(size_ratio)),
    'matched-bars': lambda: matched.bars(s, _known(size_ratio)),
    'large-model': lambda: matched.large_model(s, _known(size_ratio)),
    'aggregation': lambda: verifiers.aggregation(s),
    'verifiers': lambda: verifiers.selection(s),
    'reliability': lambda: verifiers.reliability(s),
    'revision-verifiers': lambda: verifiers.revision_verifiers(s),
    'coverage': lambda: search.coverage(s),
  }


def headline(studies: Sequence[Study], size_ratio: float | None) -> Figure:
  """The paper's figure 1, with the panels whose inputs were measured."""
  panels: list[Panel] = []
  for side, panel in (
    ('revisions', revisions.optimal_panel),
    ('search', search.optimal_panel),
  ):
    try:
      panels.append(panel(studies))
    except common.MissingError:
      continue
    if size_ratio and comparisons(studies, side, size_ratio):
      panels.append(matched.bars_panel(studies, side, size_ratio))
  if not panels:
    raise common.MissingError('a policy over search arms or revisions')
  return Figure(
    'headline',
    'Test-time compute in one figure',
    'Curves: the compute-optimal policy against fixed ways to spend a budget. '
    f'{_BARS if any(p.kind == "bars" for p in panels) else ""}'
    '(Paper: figure 1.)',
    tuple(panels),
  )


def _known(size_ratio: float | None) -> float:
  return common.need(size_ratio, 'the sizes of both models')
