"""Drawings: the same bytes from the same figure, whatever was drawn before."""

import dataclasses
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from tests.reporting.figure_test import FIGURE
from ttc.reporting import pictures, plots
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


def drawn(folder, *figures):
  """Draws figures; returns their drawings and a reader of their files."""
  drawings = plots.save(figures, folder)
  read = lambda name: tuple(
    (folder / f'{name}.{kind}').read_bytes() for kind in ('svg', 'png')
  )
  return drawings, read


def test_files_are_a_function_of_the_figure_alone(tmp_path):
  _, first = drawn(tmp_path / 'first', ALL_KINDS)
  _, later = drawn(tmp_path / 'later', FIGURE, ALL_KINDS)
  for name in ('kinds', *(f'kinds.panel-{i}' for i in range(1, 6))):
    assert first(name) == later(name)
  assert plots.render(FIGURE) == later('a-1')


def test_svg_is_whole_and_carries_no_date(tmp_path):
  _, read = drawn(tmp_path, FIGURE)
  for name in ('a-1', 'a-1.panel-1', 'a-1.panel-2'):
    svg, png = read(name)
    tree = ET.fromstring(svg)
    assert tree.tag.endswith('svg')
    ids = [node.get('id') for node in tree.iter() if node.get('id')]
    assert len(ids) == len(set(ids))
    used = {
      text.rpartition('#')[2].rstrip(')')
      for node in tree.iter()
      for text in node.attrib.values()
      if text.startswith(('#', 'url(#'))
    }
    assert used <= set(ids)
    assert b'date' not in svg
    assert png.startswith(b'\x89PNG')


def test_panels_stand_side_by_side():
  panels = [plots.draw(panel) for panel in ALL_KINDS.panels]
  whole = pictures.joined(panels, 2)
  assert whole.width == max(
    a.width + b.width for a, b in (panels[:2], panels[2:4])
  )
  tops = [0, max(p.height for p in panels[:2])]
  tops.append(tops[1] + max(p.height for p in panels[2:4]))
  assert whole.height == pytest.approx(tops[2] + panels[4].height)
  for i, panel in enumerate(panels):
    left = round(panels[i - 1].width * pictures.DPI) if i % 2 else 0
    top = round(tops[i // 2] * pictures.DPI)
    rows, columns, _ = panel.pixels.shape
    part = whole.pixels[top : top + rows, left : left + columns]
    np.testing.assert_array_equal(part, panel.pixels[: len(part)])


def test_a_change_shows():
  panel = FIGURE.panels[0]
  changed = dataclasses.replace(panel, marks=())
  assert plots.draw(changed).body != plots.draw(panel).body


def test_leaves_the_settings_of_others_alone():
  import matplotlib

  with matplotlib.rc_context({'font.size': 33}):
    plots.draw(FIGURE.panels[0])
    assert matplotlib.rcParams['font.size'] == 33


def test_saves_figures_and_their_panels_under_the_id(tmp_path):
  panel = FIGURE.panels[0]
  alone = dataclasses.replace(FIGURE, id='alone', panels=(panel,))
  drawings, read = drawn(tmp_path, FIGURE, alone)
  for i, (drawing, panel) in enumerate(
    zip(drawings['a-1'], FIGURE.panels, strict=True), start=1
  ):
    assert drawing.files == {
      kind.upper(): f'a-1.panel-{i}.{kind}' for kind in ('svg', 'png')
    }
    assert drawing.title == panel.title
    assert drawing.svg == read(f'a-1.panel-{i}')[0]
  (only,) = drawings['alone']
  assert only.files == {'SVG': 'alone.svg', 'PNG': 'alone.png'}
  assert read('alone') == read('a-1.panel-1')
  assert read('a-1')[0] != read('alone')[0]
