"""The tree of a search in a browser: every node, pruned ones, the replay."""

import json

import pytest

from tests.analysis import world
from tests.pages import browser, small_page
from ttc.pipeline import records

pytestmark = browser.needed
# Two rounds of four rows: two of the first go on, and the others are pruned.
TRACE = {
  'parent': [-1, -1, -1, -1, 0, 0, 2, 2],
  'round': [0, 0, 0, 0, 1, 1, 1, 1],
  'tokens': [3, 4, 5, 6, 2, 2, 2, 2],
  'value': [0.9, 0.1, 0.7, None, 0.8, 0.6, 0.5, 1.0],
  'text': [0, 1, 2, 3, 4, 4, 5, 6],
  'texts': ['a\n', '<b>no</b>\n', 'c\n', 'd\n', 'e', 'f', 'g'],
  'ends': [4, 5, 6, 7],
}


@pytest.fixture(scope='module')
def page(tmp_path_factory):
  runs = tmp_path_factory.mktemp('runs')
  apart = ('search', 'large_greedy', 'large_samples', 'revise')
  root = world.write(runs / 'a', world.Truth(questions=8, width=4))
  rows = records.read_rows(root / 'search')
  root = world.write(
    runs / 'b', world.Truth(questions=8, width=4), without=apart
  )
  for row in rows:
    if row['strategy'] == world.BEAM:
      row['trace'] = TRACE
  world.write_stage(root / 'search', rows)
  with browser.opened(small_page.write(runs / 'report', root)) as page:
    page.wait('document.querySelector("#explorer table")')
    page.run('location.hash = "#question=3"')
    page.wait('document.querySelector("[name=arm]")')
    arms = page.run(
      '[...document.querySelectorAll("[name=arm] option")].map(o=>o.text)'
    )
    beam = next(i for i, a in enumerate(arms) if 'beam' in a)
    page.run(f'location.hash = "#question=3&arm={beam}"')
    page.wait('document.querySelector("svg.tree")')
    yield page
    assert page.said == []


def count(page, what):
  return page.run(f'document.querySelectorAll({json.dumps(what)}).length')


def test_every_row_is_a_node_and_pruned_ones_are_grey(page):
  assert count(page, '.tree circle') == 8
  assert count(page, '.tree line') == 4
  labels = page.run(
    '[...document.querySelectorAll(".tree circle.pruned")]'
    '.map(c => c.getAttribute("aria-label"))'
  )
  assert labels == [
    'round 1, 4 tokens, value 0.10, pruned',
    'round 1, 6 tokens, pruned',
  ]
  fills = page.run(
    '[...document.querySelectorAll(".tree circle")]'
    '.map(c => getComputedStyle(c).fill)'
  )
  assert fills[1] == fills[3] != fills[0]
  assert len({fills[0], fills[2], fills[7]}) == 3


def test_the_slider_replays_the_rounds_and_has_an_address(page):
  shown = (
    '[...document.querySelectorAll(".tree circle")]'
    '.filter(c => c.style.display != "none").length'
  )
  assert page.run(shown) == 8
  page.run('document.querySelector("[name=round]").focus()')
  page.press('ArrowLeft')
  page.wait('location.hash.includes("round=0")')
  page.wait(f'{shown} == 4')
  told = page.run('document.querySelector(".search-tree output").value')
  assert told == 'round 1 of 2, 18 tokens sampled'
  page.run('history.back()')
  page.wait(f'{shown} == 8')


def test_a_node_tells_the_steps_to_it(page):
  page.run('document.querySelectorAll(".tree circle")[7].focus()')
  page.press('Enter')
  steps = page.run(
    '[...document.querySelectorAll(".search-tree .steps li")]'
    '.map(li => li.textContent)'
  )
  assert steps == ['0.70c\n', '1.00g']
  assert count(page, '.tree circle.path') == 2
