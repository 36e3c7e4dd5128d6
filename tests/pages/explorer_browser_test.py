"""The explorer in a browser, by clicks and keys, from a file."""

import json

import pytest

from tests.analysis import world
from tests.pages import browser, small_page
from ttc.data.problems import Problem
from ttc.pages import question_index
from ttc.runtime.safe_text import printable

HOSTILE = (
  '<script>document.title="bad"</script></script>]]><img src=x '
  'onerror=\'document.title="bad"\'>\u202edlrow\u200f \ud800 \x1b[31m\n'
  + 'x'
  * 1_000_000
)
TRUTH = world.Truth(questions=120, width=4, chains=4, text=HOSTILE[:90])
PROBLEMS = [Problem(i, f'What is {i}?', str(i)) for i in range(1, 120)]

pytestmark = browser.needed


@pytest.fixture(scope='module')
def page(tmp_path_factory):
  runs = tmp_path_factory.mktemp('runs')
  root = world.write(runs, TRUTH)
  few = world.Truth(questions=12, width=2, chains=1)
  also = [world.write(runs, few, 1)]
  problems = [Problem(0, HOSTILE, '</script>'), *PROBLEMS]
  path = small_page.write(runs / 'report', root, problems, also=also)
  with browser.opened(path) as page:
    page.wait('document.querySelector("#explorer table")')
    yield page
    assert page.said == []


def rows(page):
  return page.run(
    '[...document.querySelectorAll("#explorer tbody th")].map(t=>t.textContent)'
  )


def status(page):
  return page.run(
    'document.querySelector("#explorer [role=status]").textContent'
  )


def go(page, to):
  page.run(f'location.hash = {json.dumps(to)}')


def test_from_a_filter_to_a_question_and_back(page):
  index = page.run('Explorer.index')
  go(page, '#explore')
  page.wait('document.querySelectorAll("#explorer tbody tr").length == 50')
  page.run(
    '((name) => { const s = document.querySelector("[name=saved]");'
    's.value = name; s.dispatchEvent(new Event("input", {bubbles: true})); })'
    f'({json.dumps(question_index.BROKEN)})'
  )
  wanted = index['saved'][question_index.BROKEN]
  page.wait(
    'document.querySelector("#explorer [role=status]").textContent'
    f'.startsWith("{len(wanted)} of 120")'
  )
  filtered = page.run('location.hash')
  page.run('document.querySelector("#explorer tbody a").click()')
  page.wait('document.querySelector("#explorer h3")')
  title = page.run('document.querySelector("#explorer h3").textContent')
  assert title == f'Question {index["ids"][wanted[0]]}'
  page.run('history.back()')
  page.wait('document.querySelector("#explorer table")')
  assert page.run('location.hash') == filtered
  assert status(page).startswith(f'{len(wanted)} of 120')


def test_search_and_sort_have_addresses(page):
  go(page, '#explore?find=is+11')
  page.wait('document.querySelectorAll("#explorer tbody tr").length < 50')
  assert rows(page) == [f'{i}: What is {i}?' for i in (11, *range(110, 120))]
  go(page, '#explore?sort=pass1&down=1')
  page.wait('document.querySelector("#explorer th[aria-sort=descending]")')
  index = page.run('Explorer.index')
  shown = [int(text.split(':')[0]) for text in rows(page)]
  values = [index['pass1'][i] for i in shown]
  assert values == sorted(index['pass1'], reverse=True)[:50]
  go(page, '#explore?page=3')
  page.wait('document.querySelectorAll("#explorer tbody tr").length == 20')


def test_keys_walk_through_questions(page):
  go(page, '#question=5')
  at = 'document.querySelector("#explorer h3")?.textContent == "Question {}"'
  page.wait(at.format(5))
  page.press('ArrowRight')
  page.wait(at.format(6))
  page.press('ArrowLeft')
  page.wait(at.format(5))
  page.press('u')
  page.wait('document.querySelector("#explorer table.questions")')
  page.press('/')
  assert page.run('document.activeElement.name') == 'find'
  for letter in '77':
    page.press(letter)
    page.wait(f'location.hash.endsWith({json.dumps(letter)})')
  page.wait('document.querySelectorAll("#explorer tbody tr").length == 1')
  assert page.run('document.activeElement.name') == 'find'


def test_text_of_models_stays_text(page):
  go(page, '#question=0')
  page.wait('document.querySelector("#explorer pre")')
  shown = page.run('document.querySelector("#explorer pre").textContent')
  assert shown == printable(HOSTILE)
  everything = page.run('document.getElementById("explorer").textContent')
  assert printable(HOSTILE[:90]) in everything
  assert page.run('document.title') == 'small'
  assert (
    page.run(
      'document.querySelectorAll("#explorer img,#explorer script").length'
    )
    == 0
  )
  for width in (360, 1366):
    page.size(width)
    wide, there = page.run(
      '[document.documentElement.scrollWidth,'
      'document.documentElement.clientWidth]'
    )
    assert wide <= there


def test_two_arms_beside_each_other_and_chains(page):
  go(page, '#question=60')
  page.wait('document.querySelector("#explorer select[name=arm]")')
  arms = page.run(
    '[...document.querySelectorAll("[name=arm] option")].map(o=>o.text)'
  )
  chain = next(i for i, a in enumerate(arms) if a.startswith('revise'))
  go(page, f'#question=60&arm={chain}&beside=0')
  page.wait(
    'document.querySelectorAll("#explorer .columns section").length == 2'
  )
  assert page.run('document.querySelectorAll("#explorer h5").length') == 4


def test_a_seed_is_chosen_and_stays_in_the_address(page):
  choose = lambda seed: page.run(
    '(() => { const s = document.querySelector("[name=seed]");'
    f's.value = "{seed}";'
    's.dispatchEvent(new Event("input", {bubbles: true})); })()'
  )
  go(page, '#explore?sort=pass1')
  page.wait('document.querySelectorAll("#explorer tbody tr").length == 50')
  choose(1)
  page.wait('document.querySelectorAll("#explorer tbody tr").length == 12')
  assert status(page) == '12 of 12 questions, seed 1'
  assert page.run('location.hash') == '#explore?sort=pass1&seed=1'
  page.run('document.querySelector("#explorer tbody a").click()')
  page.wait('document.querySelector("#explorer h3")')
  assert page.run('location.hash').endswith('&seed=1')
  page.press('u')
  page.wait('document.querySelector("#explorer table.questions")')
  assert status(page).endswith('seed 1')
  go(page, '#question=5&seed=1')
  at = 'document.querySelector("#explorer h3")?.textContent == "Question 5"'
  page.wait(at)
  budgets = lambda: page.run(
    '[...document.querySelectorAll("[name=arm] option")].map(o=>o.text)'
  )
  other = budgets()
  choose(0)
  page.wait('!location.hash.includes("seed=1")')
  page.wait(f'{at} && document.querySelector("[name=seed]").value == "0"')
  assert budgets() != other


@pytest.mark.parametrize(
  ('before', 'after'),
  [
    ('a b c', 'a x c'),
    ('', 'new'),
    ('same', 'same'),
    ('one two three', 'three two one'),
    ('a\nb', 'a\nb\nc'),
  ],
)
def test_a_diff_has_both_texts(page, before, after):
  parts = page.run(
    f'Chains.changes({json.dumps(before)}, {json.dumps(after)})'
    '.map(p => typeof p == "string" ? ["", p] : [p.tagName, p.textContent])'
  )
  assert ''.join(t for tag, t in parts if tag != 'DEL') == after
  if before != after:
    assert ''.join(t for tag, t in parts if tag != 'INS') == before
