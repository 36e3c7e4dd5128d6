"""The page on screens of every size, in both themes, in print and by ear."""

import html.parser
import importlib.resources
import itertools
import re

import pytest

from tests.analysis import world
from tests.pages import browser
from ttc.pages import numbers, policy_map, recommendation
from ttc.reporting import report

TRUTH = world.Truth(questions=15, width=16, chains=4)
LEAST = 4.5  # contrast of text, WCAG 2.2 AA
_CSS = importlib.resources.files('ttc.pages') / 'assets' / 'page.css'


@pytest.fixture(scope='module')
def written(tmp_path_factory):
  runs = tmp_path_factory.mktemp('runs')
  about = report.About(
    'mini',
    f'ttc run --gin_file={"a-long-name/" * 12}x.gin',
    {'seed-0/search': 2.0},
    size_ratio=1.5,
    subsets=3,
  )
  # As few as make a page: every figure of the others takes half a second.
  apart = ('revise', 'large_greedy', 'large_samples', 'control_samples')
  root = world.write(runs, TRUTH, without=apart)
  report.write(runs / 'report', {0: root}, about)
  return runs / 'report' / 'index.html'


def colours():
  """Variables of the style sheet, by theme."""
  found = re.findall(r':root \{(.*?)\}', _CSS.read_text(), re.DOTALL)
  light, dark, _ = [
    dict(re.findall(r'--(\w+): (#\w+)', block)) for block in found
  ]
  assert light.keys() == dark.keys()
  return {'light': light, 'dark': dark}


def luminance(colour):
  digits = colour[1:]
  if len(digits) == 3:
    digits = ''.join(2 * d for d in digits)
  linear = []
  for i in (0, 2, 4):
    c = int(digits[i : i + 2], 16) / 255
    linear.append(c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4)
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize('theme', ['light', 'dark'])
def test_text_can_be_read_on_every_ground(theme):
  own = colours()[theme]
  texts = ('ink', 'soft', 'link', 'good', 'bad')
  pairs = [*itertools.product(texts, ('paper', 'card'))]
  pairs += [('ink', name) for name in own if name.startswith('hue')]
  for text, ground in pairs:
    a, b = sorted(luminance(own[name]) for name in (text, ground))
    assert (b + 0.05) / (a + 0.05) >= LEAST, (text, ground)


class Outline(html.parser.HTMLParser):
  """Landmarks, headings and images of a page."""

  def __init__(self):
    super().__init__()
    self.tags, self.levels, self.named = [], [], []

  def handle_starttag(self, tag, attrs):
    attrs = dict(attrs)
    self.tags.append(tag)
    if re.fullmatch(r'h\d', tag):
      self.levels.append(int(tag[1]))
    if tag == 'img':
      assert attrs['alt']
    if tag == 'section':
      self.named.append(attrs['aria-labelledby'])
    if tag == 'th':
      assert attrs['scope'] in ('row', 'col')


def test_it_can_be_heard_and_walked_by_landmarks(written):
  outline = Outline()
  text = written.read_text()
  outline.feed(text)
  for landmark in ('header', 'nav', 'main'):
    assert outline.tags.count(landmark) == 1
  assert outline.levels.count(1) == 1
  for before, after in itertools.pairwise(outline.levels):
    assert after <= before + 1
  assert outline.named
  assert all(f'id="{name}"' in text for name in outline.named)
  first = re.findall(r'<section id="([\w-]+)"', text)
  assert first[:3] == ['recommendation', 'policy', 'findings']


@browser.needed
def test_in_a_browser(written):
  with browser.opened(written) as page:
    for width in (360, 390, 768, 1366, 3840):
      page.size(width)
      wide, there = page.run(
        '[document.documentElement.scrollWidth,'
        'document.documentElement.clientWidth]'
      )
      assert wide <= there, width
    page.size(390)
    for dark in (False, True):
      page.dark(dark)
      ground = page.run('getComputedStyle(document.body).backgroundColor')
      assert (ground == 'rgb(255, 255, 255)') is not dark
    # Letters of figures, of 9.5 points and more in the file.
    scale = page.run(
      '(() => { const i = document.querySelector(".panel img");'
      'return i.closest(".panel").clientWidth / i.naturalWidth })()'
    )
    assert 9.5 * 4 / 3 * scale >= 10  # CSS pixels
    count = 'document.querySelectorAll("#claims tbody tr:not([hidden])").length'
    everything = page.run(count)
    page.run('document.querySelector("#claim-search input").focus()')
    for letter in 'BEAM bin':
      page.press(letter)
    some = page.run(count)
    assert 0 < some < everything
    texts = page.run(
      '[...document.querySelectorAll("#claims tbody tr:not([hidden])")]'
      '.map(row => row.textContent.toLowerCase())'
    )
    assert all('beam' in t and 'bin' in t for t in texts)
    page.open(f'{written.as_uri()}#term-flops')
    page.call('Emulation.setEmulatedMedia', media='print')
    for part in ('#claims tbody td', '#samples pre', '#cost tbody td'):
      assert page.run(
        f'document.querySelector({part!r})'
        '.checkVisibility({contentVisibilityAuto: true})'
      ), part
    assert page.said == []


def test_numbers_read_right():
  assert numbers.points(-0.04) == '0.0'
  assert numbers.points(-3.21) == '−3.2'
  assert numbers.between([-1, 2.25], signed=True) == '[−1.0, +2.2]'
  assert numbers.between([None, None]) == ''
  assert numbers.flops(301e6) == '3.01·10⁸'
  assert numbers.times(3.0, 2.0) == '1.5×'
  assert numbers.times(3.0, None) == ''


def test_hostile_names_stay_text():
  evil = '<script>alert(1)</script>'
  over = dict(
    name=evil, accuracy=1.0, flops=None, ahead=1.0, interval=[0, 2],
    holds=None, why='',
  )  # fmt: skip
  row = dict(
    budget=1, take=evil, accuracy=1.0, interval=[0, 2], flops=None, over=over,
    policy=None, strategies=[dict(over, name=evil)],
  )  # fmt: skip
  shares = [
    dict(side='search', bins='oracle', budget=1, bin=1, share={evil: 1})
  ]
  for text in (recommendation.html([row], []), policy_map.html(shares)):
    assert '<script' not in text
    assert '&lt;script&gt;' in text
