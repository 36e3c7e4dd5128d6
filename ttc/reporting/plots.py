"""Draws any Figure with matplotlib, as SVG and PNG.

Colours are those of Okabe and Ito, which colour-blind readers can tell apart;
ordered series (difficulty bins, budgets) use viridis. The bytes of an SVG
depend on the figure alone: no time stamp, ids hashed with a fixed salt,
glyphs drawn as paths. matplotlib is imported when the first figure is drawn.
"""

from collections.abc import Callable, Sequence
import functools
import io
import math
import pathlib

import numpy as np

from ttc.pages import numbers
from ttc.pages.figures import Drawing
from ttc.reporting import pictures
from ttc.reporting.figure import Figure, Panel, Series
from ttc.reporting.pictures import Picture
from ttc.runtime import storage

COLORS = (
  '#0072B2',
  '#D55E00',
  '#009E73',
  '#CC79A7',
  '#E69F00',
  '#56B4E9',
  '#7A7A7A',
  '#222222',
)
MARKERS = {'circle': 'o', 'square': 's', 'star': '*', 'none': ''}
INK = '#333333'
STYLE = {
  'svg.hashsalt': 'ttc',
  'svg.fonttype': 'path',
  'font.family': 'DejaVu Sans',
  'font.size': 10,
  'text.color': INK,
  'axes.titlesize': 11,
  'axes.titleweight': 'bold',
  'axes.titlelocation': 'left',
  'axes.titlepad': 10,
  'axes.titley': 1.0,  # nothing is above the axes that it has to look for
  'axes.labelsize': 10,
  'axes.labelcolor': INK,
  'axes.edgecolor': '#999999',
  'axes.linewidth': 0.8,
  'axes.spines.top': False,
  'axes.spines.right': False,
  'axes.axisbelow': True,
  'axes.grid': True,
  'axes.grid.axis': 'y',
  'grid.color': '#E4E4E4',
  'grid.linewidth': 0.8,
  'xtick.color': '#777777',
  'ytick.color': '#777777',
  'xtick.labelcolor': INK,
  'ytick.labelcolor': INK,
  'xtick.major.size': 3,
  'ytick.major.size': 0,
  'legend.frameon': False,
  'legend.fontsize': 9.5,
  'legend.title_fontsize': 9.5,
  'legend.handlelength': 2.2,
  'legend.columnspacing': 1.6,
  'lines.solid_capstyle': 'round',
}
# Inches: a panel without its legend; then the height of a line of the legend,
# the mean width of a character and the width of a line sample in it.
_WIDTH, _HEIGHT = 4.4, 3.05
_LEGEND_LINE, _CHARACTER, _HANDLE = 0.212, 0.074, 0.57
_MAX_COLUMNS = 3
_MAX_TICKS = 10
_NO_METADATA = dict.fromkeys(('Date', 'Creator', 'Format', 'Type'))


def save(
  figures: Sequence[Figure], folder: pathlib.Path
) -> dict[str, list[Drawing]]:
  """Writes figures as `<id>.svg` and `<id>.png`, and each of their panels.

  A panel fits a column of a paper; several side by side do not. So those of a
  figure with more than one are written as `<id>.panel-1.svg` and so on too.

  Returns:
    The panels of each figure, by its id.
  """
  storage.make_folder(folder)
  drawn = functools.cache(draw)  # figures share panels
  drawings = {}
  for figure in figures:
    panels = [drawn(panel) for panel in figure.panels]
    if len(panels) == 1:
      stems = [figure.id]
    else:
      _write(folder, figure.id, pictures.joined(panels, _columns(len(panels))))
      stems = [f'{figure.id}.panel-{i + 1}' for i in range(len(panels))]
    drawings[figure.id] = [
      _write(folder, stem, picture)._replace(title=panel.title)
      for stem, picture, panel in zip(stems, panels, figure.panels, strict=True)
    ]
  return drawings


def _write(folder: pathlib.Path, stem: str, picture: Picture) -> Drawing:
  files = {kind.upper(): f'{stem}.{kind}' for kind in ('svg', 'png')}
  svg = picture.svg()
  for file, data in zip(files.values(), (svg, picture.png()), strict=True):
    storage.write_atomic(folder / file, data)
  return Drawing(stem, svg, files)


def render(figure: Figure) -> tuple[bytes, bytes]:
  """The figure as the bytes of (SVG, PNG)."""
  panels = [draw(panel) for panel in figure.panels]
  whole = pictures.joined(panels, _columns(len(panels)))
  return whole.svg(), whole.png()


def draw(panel: Panel) -> Picture:
  """The picture of a panel."""
  import matplotlib
  from matplotlib.backends import backend_agg, backend_svg
  from matplotlib.figure import Figure as Canvas

  width, height = _width(panel), _height(panel)
  # Settings of the user's matplotlibrc would change the bytes.
  with matplotlib.rc_context():
    matplotlib.rcdefaults()
    matplotlib.rcParams.update(STYLE)
    canvas = Canvas(
      figsize=(width, height), dpi=pictures.DPI, layout='constrained'
    )
    canvas.get_layout_engine().set(w_pad=0.12, h_pad=0.10)
    agg = backend_agg.FigureCanvasAgg(canvas)
    _draw_panel(canvas.subplots(), panel)
    # Both kinds share one layout; by itself each would be drawn for its own.
    canvas.get_layout_engine().execute(canvas)
    canvas.set_layout_engine('none')
    agg.draw()
    pixels = np.array(agg.buffer_rgba())
    svg = io.BytesIO()
    backend_svg.FigureCanvasSVG(canvas).print_svg(svg, metadata=_NO_METADATA)
  return pictures.read(svg.getvalue(), pixels, width, height)


def _columns(panels: int) -> int:
  return 2 if panels == 4 else min(panels, _MAX_COLUMNS)


def _width(panel: Panel) -> float:
  """Width of a panel in inches; many bars need more."""
  bars = len(panel.categories) * len(panel.series)
  return _WIDTH * min(max(1.0, bars / 26), 1.7)


def _height(panel: Panel) -> float:
  """Height of a panel with its legend in inches."""
  lines = math.ceil(len(_entries(panel)) / _legend_columns(panel))
  lines += bool(panel.legend_title) + _category_lines(panel) - 1
  return _HEIGHT + _LEGEND_LINE * lines


def _entries(panel: Panel) -> list[str]:
  """Distinct texts of the legend; none where one series needs no name."""
  texts = [s.name if s.legend is None else s.legend for s in panel.series]
  texts = list(dict.fromkeys(t for t in texts if t))
  return texts if len(texts) > 1 or panel.legend_title else []


def _legend_columns(panel: Panel) -> int:
  longest = max(map(len, _entries(panel)), default=1)
  fit = int(_WIDTH * 0.95 / (_HANDLE + _CHARACTER * longest))
  return min(max(fit, 1), 5)


def _category_lines(panel: Panel) -> int:
  return max((c.count('\n') + 1 for c in panel.categories), default=1)


def _draw_panel(axes, panel: Panel):
  colors = _colors(panel)
  if panel.x_scale == 'log2':
    _log2_axis(axes, panel)
  elif panel.x_scale == 'log10':
    _log10_axis(axes, panel)
  for place, (series, color) in enumerate(
    zip(panel.series, colors, strict=True)
  ):
    if panel.kind == 'bars':
      _draw_bars(axes, series, color, place, len(panel.series))
    elif panel.kind == 'dots':
      _draw_dots(axes, series, color)
    else:
      _draw_line(axes, series, color)
  if panel.kind == 'bars':
    axes.set_xticks(range(len(panel.categories)), panel.categories)
    axes.set_xlim(-0.6, len(panel.categories) - 0.4)
    axes.tick_params(axis='x', length=0)
    if any(
      v is not None and v < 0 for s in panel.series for v in (*s.y, *s.low)
    ):
      axes.axhline(0, color='#555555', linewidth=0.9, zorder=3)
      axes.spines['bottom'].set_visible(False)
  axes.set_title(panel.title, pad=20 if panel.marks else None)
  axes.set_xlabel(panel.x_label)
  axes.set_ylabel(panel.y_label)
  for x, label in panel.marks:
    axes.axvline(x, color='#888888', linewidth=0.9, dashes=(3, 3), zorder=1)
    axes.annotate(
      label,
      (x, 1),
      xycoords=('data', 'axes fraction'),
      xytext=(0, 2),
      textcoords='offset points',
      ha='center',
      va='bottom',
      fontsize=8.5,
      color='#555555',
    )
  _legend(axes, panel)


def _colors(panel: Panel) -> list[tuple[float, float, float]]:
  """One RGB for each series: hue from the palette, mixed with white."""
  from matplotlib import colormaps, colors

  hues = [i if s.hue is None else s.hue for i, s in enumerate(panel.series)]
  top = max(hues, default=0)
  result = []
  for series, hue in zip(panel.series, hues, strict=True):
    if panel.palette == 'ordered':
      rgb = np.array(colormaps['viridis'](0.88 * hue / max(top, 1))[:3])
    else:
      rgb = np.array(colors.to_rgb(COLORS[hue % len(COLORS)]))
    weight = 0.25 + 0.75 * series.shade
    result.append(tuple(weight * rgb + (1 - weight)))
  return result


def _draw_line(axes, series: Series, color):
  x, y = np.array(series.x), _floats(series.y)
  star = series.marker == 'star'
  if series.low and (star or len(x) == 1):
    low, high = _floats(series.low), _floats(series.high)
    axes.vlines(x, low, high, color=color, linewidth=0.9, alpha=0.7)
  elif series.low:
    _draw_band(axes, series, color)
  axes.plot(
    x,
    y,
    label=_label(series),
    color=color,
    linewidth=0 if star else 1.7,
    linestyle=(0, (3.2, 1.6)) if series.dashed else '-',
    marker=MARKERS[series.marker],
    markersize=10 if star else 4,
    markeredgecolor='white',
    markeredgewidth=0.8 if star else 0.6,
    zorder=5 if star else 4,
  )


def _draw_dots(axes, series: Series, color):
  x = np.array(series.x)
  if series.low:
    _draw_band(axes, series, color)
  axes.plot(
    x,
    _floats(series.y),
    label=_label(series),
    color=color,
    linewidth=0,
    marker='o',
    markersize=4.5,
    markeredgecolor='white',
    markeredgewidth=0.5,
    zorder=4,
  )


def _draw_band(axes, series: Series, color):
  x, low, high = np.array(series.x), _floats(series.low), _floats(series.high)
  axes.fill_between(x, low, high, color=color, alpha=0.14, linewidth=0)


def _draw_bars(axes, series: Series, color, place: int, groups: int):
  width = 0.84 / groups
  x = np.array(series.x) + (place - (groups - 1) / 2) * width
  y = _floats(series.y)
  axes.bar(x, y, 0.9 * width, color=color, label=_label(series), zorder=2)
  if series.low:
    low, high = _floats(series.low), _floats(series.high)
    axes.vlines(x, low, high, color='#444444', linewidth=0.9, zorder=4)


def _log10_axis(axes, panel: Panel):
  low, high = _exponents(panel, math.log10)
  axes.set_xscale('log', base=10)
  axes.set_xticks(
    [10.0**e for e in range(low, high + 1)],
    [numbers.power(e) for e in range(low, high + 1)],
    minor=False,
  )


def _log2_axis(axes, panel: Panel):
  low, high = _exponents(panel, math.log2)
  step = math.ceil((high - low + 1) / _MAX_TICKS)
  ticks = [2.0**e for e in range(low, high + 1) if e % step == 0]
  axes.set_xscale('log', base=2)
  axes.set_xticks(ticks, [_plain(t) for t in ticks], minor=False)
  axes.set_xticks([], minor=True)


def _exponents(panel: Panel, log: Callable[[float], float]) -> tuple[int, int]:
  """Exponents of the powers that enclose all x of a panel."""
  places = [x for s in panel.series for x in s.x] + [x for x, _ in panel.marks]
  return (
    math.floor(log(min(places, default=1))),
    math.ceil(log(max(places, default=1))),
  )


def _plain(value: float) -> str:
  """A power of two as a tick label: '4', '1/4'."""
  return f'{value:g}' if value >= 1 else f'1/{1 / value:g}'


def _legend(axes, panel: Panel):
  from matplotlib.transforms import ScaledTranslation

  entries = _entries(panel)
  if not entries:
    return
  handles, labels = axes.get_legend_handles_labels()
  handle = dict(zip(labels, handles, strict=True))
  below = 0.45 + _LEGEND_LINE * 0.8 * (_category_lines(panel) - 1)
  # A fixed distance in inches below the axes, whatever their height.
  place = axes.transAxes + ScaledTranslation(
    0, -below, axes.figure.dpi_scale_trans
  )
  axes.legend(
    [handle[e] for e in entries],
    entries,
    ncols=_legend_columns(panel),
    loc='upper center',
    bbox_to_anchor=(0.5, 0),
    bbox_transform=place,
    title=panel.legend_title or None,
    borderaxespad=0,
  )


def _label(series: Series) -> str:
  text = series.name if series.legend is None else series.legend
  return text or '_nolegend_'


def _floats(values) -> np.ndarray:
  return np.array([math.nan if v is None else v for v in values])
