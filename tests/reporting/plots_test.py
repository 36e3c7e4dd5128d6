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


def test_saves_under_the_id(tmp_path):
  paths = plots.save(FIGURE, tmp_path / 'figures')
  assert [p.name for p in paths] == ['a-1.svg', 'a-1.png']
  assert tuple(p.read_bytes() for p in paths) == plots.render(FIGURE)
