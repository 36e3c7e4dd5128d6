"""Drawings: the same bytes from the same figure, whatever was drawn before."""

import dataclasses
import xml.etree.ElementTree as ET

from tests.reporting.figure_test import FIGURE
from ttc.reporting import plots
from ttc.reporting.figure import Figure, Panel, Series

ALL_KINDS = Figure(
  'kinds',
  'All kinds',
  '',
  (
    *FIGURE.panels,
    Panel('dots', 'dots', 'turn', '%', (Series('c', (1, 2, 3), (1, None, 2)),)),
    Panel('lines', 'empty', 'N', '%', (), x_scale='log2'),
    Panel(
      'lines',
      'FLOPs',
      'x',
      '%',
      (Series('d', (3e6, 2e11), (1, 2)),),
      x_scale='log10',
    ),
  ),
)


def test_svg_and_png_are_a_function_of_the_figure_alone():
  first = plots.render(ALL_KINDS)
  plots.render(FIGURE)
  assert plots.render(ALL_KINDS) == first


def test_svg_is_whole_and_carries_no_date():
  svg, png = plots.render(FIGURE)
  assert ET.fromstring(svg).tag.endswith('svg')
  assert b'<dc:date>' not in svg
  assert png.startswith(b'\x89PNG')


def test_a_change_shows():
  panel = dataclasses.replace(FIGURE.panels[0], marks=())
  changed = dataclasses.replace(FIGURE, panels=(panel, FIGURE.panels[1]))
  assert plots.render(changed)[0] != plots.render(FIGURE)[0]


def test_leaves_the_settings_of_others_alone():
  import matplotlib

  with matplotlib.rc_context({'font.size': 33}):
    plots.render(FIGURE)
    assert matplotlib.rcParams['font.size'] == 33


def test_saves_figures_and_their_panels_under_the_id(tmp_path):
  folder = tmp_path / 'figures'
  drawings = plots.save(FIGURE, folder)
  read = lambda name: tuple(
    (folder / f'{name}.{kind}').read_bytes() for kind in ('svg', 'png')
  )
  assert read('a-1') == plots.render(FIGURE)
  for i, (drawing, panel) in enumerate(
    zip(drawings, FIGURE.panels, strict=True), start=1
  ):
    alone = dataclasses.replace(FIGURE, panels=(panel,))
    assert read(f'a-1.panel-{i}') == plots.render(alone)
    assert drawing.title == panel.title
    assert drawing.svg == (folder / drawing.files['SVG']).read_bytes()
  (only,) = plots.save(alone, folder)
  assert only.files == {'SVG': 'a-1.svg', 'PNG': 'a-1.png'}
