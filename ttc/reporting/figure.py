"""Figures as data: what is drawn, independent of how it is drawn.

A figure holds all that is needed to plot it again, so `summary.json` stores
figures whole and `plots.py` needs nothing else.
"""

import dataclasses
import math
from typing import Any, Literal

from ttc.claims.differences import Difference

Kind = Literal['lines', 'bars', 'dots']
Scale = Literal['linear', 'log2', 'log10']
Palette = Literal['categorical', 'ordered']
Marker = Literal['circle', 'square', 'star', 'none']

KINDS = ('lines', 'bars', 'dots')
SCALES = ('linear', 'log2', 'log10')
PALETTES = ('categorical', 'ordered')
MARKERS = ('circle', 'square', 'star', 'none')


def _check(what: str, value: Any, allowed: tuple[Any, ...]):
  if value not in allowed:
    raise ValueError(
      f'{what} is {value!r}; choose one of {", ".join(map(str, allowed))}.'
    )


@dataclasses.dataclass(frozen=True)
class Series:
  """One curve, or one bar in every category.

  Attributes:
    name: unique in its panel.
    x: positions on the x axis; for bars indices of categories, from 0.
    y: values in the unit of the panel's y label; None is not measured.
    low, high: ends of the band or whisker at each x; () for none.
    flops: executed FLOPs per question at each x; () where they are unknown, or
      the x axis has them.
    dashed: whether the line is dashed.
    marker: 'star' draws stars without a line between them.
    hue: index in the palette; None is the index of the series in its panel.
    shade: 0 (pale) to 1 (full colour), for bars that share a hue.
    legend: text in the legend; None is `name`, '' leaves the series out.

  Raises:
    ValueError: a field does not fit this description; so do Panel and Figure.
  """

  name: str
  x: tuple[float, ...]
  y: tuple[float | None, ...]
  low: tuple[float | None, ...] = ()
  high: tuple[float | None, ...] = ()
  dashed: bool = False
  marker: Marker = 'circle'
  hue: int | None = None
  shade: float = 1.0
  legend: str | None = None
  flops: tuple[float | None, ...] = ()

  def __post_init__(self):
    for field in ('x', 'y', 'low', 'high', 'flops'):
      value = tuple(_number(v) for v in getattr(self, field))
      object.__setattr__(self, field, value)
    _check(f'Series {self.name!r}: marker', self.marker, MARKERS)
    if any(x is None for x in self.x):
      raise ValueError(f'Series {self.name!r}: x must be finite: {self.x}.')
    for field in ('y', 'low', 'high', 'flops'):
      value = getattr(self, field)
      if len(value) != len(self.x) and (value or field == 'y'):
        raise ValueError(
          f'Series {self.name!r}: {field} has {len(value)} values for '
          f'{len(self.x)} of x; give one for each.'
        )
    if bool(self.low) != bool(self.high):
      raise ValueError(
        f'Series {self.name!r} has only one of low and high; give both.'
      )
    if not 0 <= self.shade <= 1:
      raise ValueError(
        f'Series {self.name!r}: shade={self.shade} is not in [0, 1].'
      )


@dataclasses.dataclass(frozen=True)
class Panel:
  """One pair of axes.

  Attributes:
    kind: 'lines', 'bars' (grouped by category) or 'dots'.
    title, x_label, y_label: plain text.
    series: what is drawn, first at the back.
    x_scale: 'log2' puts plain numbers at powers of two, 'log10' names powers
      of ten.
    categories: labels under the groups of bars; () for other kinds.
    marks: (x, label) of dashed vertical lines.
    palette: 'ordered' is a scale from dark to light over the hues in use.
    legend_title: a line above the legend.
    differences: of its series, in points.
  """

  kind: Kind
  title: str
  x_label: str
  y_label: str
  series: tuple[Series, ...]
  x_scale: Scale = 'linear'
  categories: tuple[str, ...] = ()
  marks: tuple[tuple[float, str], ...] = ()
  palette: Palette = 'categorical'
  legend_title: str = ''
  differences: tuple[Difference, ...] = ()

  def __post_init__(self):
    where = f'Panel {self.title!r}'
    _check(f'{where}: kind', self.kind, KINDS)
    _check(f'{where}: x_scale', self.x_scale, SCALES)
    _check(f'{where}: palette', self.palette, PALETTES)
    names = [s.name for s in self.series]
    for apart in self.differences:
      _check(f'{where}: a difference', apart.name, tuple(names))
      _check(f'{where}: a difference', apart.over, tuple(names))
    if len(set(names)) != len(names):
      raise ValueError(f'{where}: series names repeat: {names}; rename them.')
    if (self.kind == 'bars') != bool(self.categories):
      raise ValueError(
        f'{where}: {len(self.categories)} categories for kind {self.kind!r}; '
        'bars need categories and nothing else has them.'
      )
    if self.kind == 'bars':
      places = set(range(len(self.categories)))
      for s in self.series:
        if not set(s.x) <= places:
          raise ValueError(
            f'{where}: {s.name!r} has bars at {s.x}; there are '
            f'{len(places)} categories, numbered from 0.'
          )
    if self.x_scale != 'linear' and any(
      x <= 0 for s in self.series for x in s.x
    ):
      raise ValueError(
        f'{where}: x_scale {self.x_scale} needs x > 0; use linear or move '
        'the points.'
      )


@dataclasses.dataclass(frozen=True)
class Figure:
  """Panels side by side under one caption; `id` is also the file name."""

  id: str
  title: str
  caption: str
  panels: tuple[Panel, ...]

  def __post_init__(self):
    if not self.id or not self.id.replace('-', '').isalnum():
      raise ValueError(
        f'Figure id {self.id!r} becomes a file name; use letters, digits '
        'and hyphens.'
      )
    if not self.panels:
      raise ValueError(f'Figure {self.id!r} has no panels; leave it out.')

  def to_json(self) -> dict[str, Any]:
    """The figure as nested dicts and tuples, for `from_json`."""
    tree = dataclasses.asdict(self)
    for panel in tree['panels']:
      panel['differences'] = [d._asdict() for d in panel['differences']]
    return tree

  @classmethod
  def from_json(cls, tree: dict[str, Any]) -> 'Figure':
    """Inverse of `to_json`, also of a tree that was written as JSON text."""
    panels = []
    for panel in tree['panels']:
      series = tuple(Series(**s) for s in panel['series'])
      marks = tuple((x, label) for x, label in panel['marks'])
      apart = (
        Difference(
          **{k: v if isinstance(v, str) else tuple(v) for k, v in d.items()}
        )
        for d in panel.get('differences', ())
      )
      panels.append(
        Panel(
          **{
            **panel,
            'series': series,
            'categories': tuple(panel['categories']),
            'marks': marks,
            'differences': tuple(apart),
          }
        )
      )
    return cls(**{**tree, 'panels': tuple(panels)})


def _number(value) -> float | None:
  """A finite Python float, or None for what was not measured."""
  if value is None or not math.isfinite(value):
    return None
  return float(value)
