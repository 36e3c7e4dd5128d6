"""Figures as charts in a browser: every kind of panel, the numbers on hover."""

import json

import pytest

from tests.pages import browser, small_page
from tests.reporting.plots_test import ALL_KINDS
from ttc.claims.differences import Difference
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

PAIRS = Figure(
  'pairs',
  'Pairs',
  '',
  (
    Panel(
      'lines', 'Pairs', 'generations', '%',
      (
        Series('one', (1, 2), (10.0, 20.0), flops=(1e8, 2e8)),
        Series('other', (1, 2), (14.0, 26.0), flops=(1.5e8, 3e8)),
      ),
      x_scale='log2',
      differences=(
        Difference('other', 'one', (1, 2), (4.0, 6.0), (1.0, 2.0), (7.0, 9.0)),
      ),
    ),
  ),
)  # fmt: skip


@pytest.fixture(scope='module')
def page(tmp_path_factory):
  path = small_page.draw(
    tmp_path_factory.mktemp('page'), ALL_KINDS, NAMED, PAIRS
  )
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


def hover(page, what):
  """Moves the mouse over the first of something."""
  x, y = page.run(
    f'(() => {{ const b = document.querySelector({json.dumps(what)})'
    '.getBoundingClientRect();'
    'return [b.x + b.width / 2, b.y + b.height / 2] })()'
  )
  page.call('Input.dispatchMouseEvent', type='mouseMoved', x=x, y=y)


def tip(node):
  return f'document.querySelector({json.dumps(node + " [aria-label=tip]")})'


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
  hover(page, f'{node} [aria-label=dot] *')
  page.wait(f'{tip(node)}.textContent.includes("10.0 [9.0, 11.0]")')
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


def test_differences_from_a_series_of_choice(page):
  """Both ways round, by generations and by FLOPs, as they were stored."""
  node = there(page, 'pairs', 0)
  choose = lambda place, value: page.run(
    f'(() => {{ const s = document.querySelectorAll({json.dumps(node)}'
    f' + " select")[{place}]; s.value = {json.dumps(value)};'
    's.dispatchEvent(new Event("change")); })()'
  )
  shown = lambda: page.run(
    f'[...document.querySelectorAll({json.dumps(node)} + " svg text")]'
    '.map(t => t.textContent).join(" ")'
  )
  dots = f'{node} [aria-label=dot] *'
  assert count(page, dots) == 4
  choose(0, 'one')
  assert count(page, dots) == 2
  assert 'points ahead of one' in shown()
  hover(page, dots)
  page.wait(f'{tip(node)}.textContent.includes("4.0 [1.0, 7.0]")')
  choose(0, 'other')
  hover(page, dots)
  page.wait(f'{tip(node)}.textContent.includes("-4.0 [-7.0, -1.0]")')
  choose(1, 'flops')
  assert 'FLOPs per question' in shown()
  hover(page, dots)
  page.wait(f'{tip(node)}.textContent.includes("1.00e+8")')
  choose(0, '')
  assert count(page, dots) == 4
