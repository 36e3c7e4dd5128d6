"""Figures as charts in a browser: every kind of panel, the numbers on hover."""

import json

import pytest

from tests.pages import browser, small_page
from tests.reporting.plots_test import ALL_KINDS
from ttc.reporting.figure import Figure, Panel, Series

pytestmark = browser.needed
EVIL = '</script><script>document.title="bad"</script>'
NAMED = Figure(
  'evil',
  EVIL,
  EVIL,
  (
    Panel(
      'lines', EVIL, EVIL, '%',
      (
        Series(EVIL, (1, 2), (10.0, 20.0), (9, 18), (11, 22)),
        Series('other', (1, 2), (30.0, None)),
      ),
    ),
  ),
)  # fmt: skip


@pytest.fixture(scope='module')
def page(tmp_path_factory):
  path = small_page.draw(tmp_path_factory.mktemp('page'), ALL_KINDS, NAMED)
  with browser.opened(path) as page:
    # Not there: it has no questions.
    page.run('document.getElementById("questions")?.remove()')
    yield page


def there(page, figure, panel):
  """The panel, scrolled to and drawn."""
  node = f'[data-figure={figure}][data-panel="{panel}"]'
  page.run(f'document.querySelector({json.dumps(node)}).scrollIntoView()')
  page.wait(f'document.querySelector({json.dumps(node + " .chart svg")})')
  return node


def count(page, what):
  return page.run(f'document.querySelectorAll({json.dumps(what)}).length')


def test_every_kind_is_drawn_with_every_measured_point(page):
  for i, panel in enumerate(ALL_KINDS.panels):
    node = there(page, 'kinds', i)
    measured = sum(y is not None for s in panel.series for y in s.y)
    if panel.kind == 'bars':
      assert count(page, f'{node} [aria-label=bar] rect') == measured
    else:
      assert count(page, f'{node} [aria-label=dot] *') == measured


def test_a_name_is_text_and_a_value_shows_on_hover(page):
  node = there(page, 'evil', 0)
  assert page.run('document.title') == 'small'
  box = page.run(
    '(() => { const b = document.querySelector('
    f'{json.dumps(node + " [aria-label=dot] *")}).getBoundingClientRect();'
    'return [b.x + b.width / 2, b.y + b.height / 2] })()'
  )
  page.call('Input.dispatchMouseEvent', type='mouseMoved', x=box[0], y=box[1])
  tip = f'document.querySelector({json.dumps(node + " [aria-label=tip]")})'
  page.wait(f'{tip}.textContent.includes("10.0 [9.0, 11.0]")')
  assert page.run('document.title') == 'small'


def test_series_go_and_come_back(page):
  node = there(page, 'evil', 0)
  dots = f'{node} [aria-label=dot] *'
  assert count(page, dots) == 3
  button = json.dumps(f'{node} .legend button')
  page.run(f'document.querySelector({button}).click()')
  assert count(page, dots) == 1
  pressed = f'document.querySelector({button}).getAttribute("aria-pressed")'
  assert page.run(pressed) == 'false'
  page.run(f'document.querySelector({button}).click()')
  assert count(page, dots) == 3


def test_print_has_the_pictures(page):
  node = there(page, 'evil', 0)
  shown = lambda what: page.run(
    f'document.querySelector({json.dumps(f"{node} {what}")}).checkVisibility()'
  )
  assert (shown('.chart'), shown('img')) == (True, False)
  page.call('Emulation.setEmulatedMedia', media='print')
  assert (shown('.chart'), shown('img')) == (False, True)
  page.call('Emulation.setEmulatedMedia', media='')
