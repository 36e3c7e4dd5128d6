"""The report folder: whole, reproducible, and safe to open."""

import html
import html.parser
import json
import re
import shutil
import urllib.parse
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from tests.analysis import world
from ttc.pages import page, provenance
from ttc.pages.figures import Drawing
from ttc.pages.page import SCRIPTS
from ttc.pipeline import records
from ttc.reporting import examples, made_of, report
from ttc.reporting.figure import Figure

EVIL = '</pre><script>alert("&")</script><img src=x onerror=alert(1)>\n1+1=2'
TRUTH = world.Truth(questions=15, width=16, chains=4, text=EVIL)
ABOUT = report.About(
  'mini',
  'ttc run --gin.X="<b>"',
  {'seed-0/search': 2.0, 'seed-0/prm': 61.0},
  size_ratio=1.5,
  subsets=5,
)


@pytest.fixture(scope='module')
def written(tmp_path_factory):
  runs = tmp_path_factory.mktemp('runs')
  roots = {0: world.write(runs, TRUTH)}
  return roots, runs / 'report', report.write(runs / 'report', roots, ABOUT)


def refuse(constant):
  raise AssertionError(f'{constant} is not JSON')


def test_summary(written):
  _, folder, _ = written
  summary = json.loads(
    (folder / 'summary.json').read_text(), parse_constant=refuse
  )
  assert summary['experiment'] == 'mini'
  assert summary['command'] == ABOUT.command
  assert summary['seeds'] == [0]
  assert summary['seconds'] == {'seed-0/search': 2.0, 'seed-0/prm': 61.0}
  assert {'accuracy', 'bins', 'policy', 'question_sets', 'costs'} <= set(
    summary['tables']
  )
  for claim in summary['claims']:
    assert {'id', 'statement', 'estimate', 'interval', 'holds'} <= set(claim)
    assert len(claim['interval']) == 2
    assert claim['holds'] in (True, False, None)
  figures = [Figure.from_json(f) for f in summary['figures']]
  assert figures
  for figure in figures:
    assert (folder / 'figures' / f'{figure.id}.svg').exists()
    assert (folder / 'figures' / f'{figure.id}.png').exists()
    assert ABOUT.command in figure.caption


def test_numbers_of_the_tables(written):
  _, folder, text = written
  tables = json.loads((folder / 'summary.json').read_text())['tables']
  sets = tables['question_sets']
  assert set(sets) == {'test'}
  assert sets['test']['pass@1'] == pytest.approx(
    100 * TRUTH.skill.mean(), abs=5
  )
  assert sum(tables['bins']['oracle']['questions']) == TRUTH.questions
  (row,) = [
    r for r in tables['accuracy']['search']['beam M=4'] if r['budget'] == 16
  ]
  assert f'{row["accuracy"]:.1f}' in text
  for row in tables['policy']:
    assert sum(row['share'].values()) == pytest.approx(1)
  assert set(tables['bins']['oracle']['truncated']) <= {0, None}
  spent = [r for r in tables['costs'] if r['stage'] == 'difficulty']
  assert spent[0]['tokens']['proposer_decode'] == [3200, 3840]


def test_terminal_begins_with_the_result_and_lines_up(written):
  *_, text = written
  lines = text.splitlines()
  assert lines[0].startswith('mini: seed 0 · 15 test questions')
  assert re.match(
    r' *(holds|does not hold|undecided|not measurable)  ', lines[2]
  )
  headers = [line for line in lines if line.startswith('accuracy %')]
  assert len(headers) == 3
  assert len({len(re.match(r'(.*?) +1\b', h)[0]) for h in headers}) == 1
  assert lines[-1].startswith('claims: ')


class Tags(html.parser.HTMLParser):
  """Every tag and attribute of a page, in order; unclosed ones at the end."""

  def __init__(self):
    super().__init__()
    self.found, self.open = [], []

  def handle_starttag(self, tag, attrs):
    self.found.append((tag, dict(attrs)))
    if tag not in ('meta', 'img', 'input', '!doctype'):
      self.open.append(tag)

  def handle_endtag(self, tag):
    assert self.open.pop() == tag


def test_model_text_cannot_become_markup(written):
  _, folder, _ = written
  text = (folder / 'index.html').read_text()
  tags = Tags()
  tags.feed(text)
  assert tags.open == []
  names = [tag for tag, _ in tags.found]
  assert names.count('script') == len(SCRIPTS) + 1  # and one of numbers
  assert 'b' not in names
  assert not any(a.startswith('on') for _, attrs in tags.found for a in attrs)
  assert '&lt;script&gt;alert(&quot;&amp;&quot;)' in text
  assert '&lt;b&gt;' in text


def test_page_needs_no_other_file(written):
  _, folder, _ = written
  tags = Tags()
  tags.feed((folder / 'index.html').read_text())
  sources = [attrs['src'] for tag, attrs in tags.found if tag == 'img']
  assert sources
  for source in sources:
    kind, _, image = source.partition(',')
    assert kind == 'data:image/svg+xml'
    assert ET.fromstring(urllib.parse.unquote(image)).tag.endswith('svg')
  links = [attrs['href'] for tag, attrs in tags.found if tag == 'a']
  ids = [attrs['id'] for _, attrs in tags.found if 'id' in attrs]
  assert len(ids) == len(set(ids))
  for link in links:
    if link.startswith('#'):
      assert link[1:] in ids
    elif link != provenance.PAPER:
      assert (folder / link).exists()
  assert 'link' not in {tag for tag, _ in tags.found}


@pytest.fixture(scope='module')
def gapped(tmp_path_factory):
  """A report of two stages, of which one skipped two questions."""
  runs = tmp_path_factory.mktemp('gapped')
  root = world.write(
    runs,
    TRUTH,
    without=(
      'difficulty',
      'revise',
      'large_greedy',
      'large_samples',
      'control_samples',
    ),
  )
  world.write_stage(
    root / 'difficulty',
    [
      world.skipped(r['problem'], r['strategy'], 16, 'its prompt <is> long')
      if r['problem'] in (2, 5)
      else r
      for r in records.read_rows(root / 'search')
      if r['strategy'] == world.BEST_OF_N
    ],
  )
  roots, folder = {0: root}, runs / 'report'
  return roots, folder, report.write(folder, roots, ABOUT)


def test_written_again_it_is_the_same(gapped, tmp_path):
  roots, folder, text = gapped
  assert report.write(tmp_path, roots, ABOUT) == text
  for path in folder.rglob('*'):
    if path.is_file():
      again = tmp_path / path.relative_to(folder)
      assert again.read_bytes() == path.read_bytes()


def test_skipped_questions_are_said_and_do_not_stop_it(gapped):
  _, folder, text = gapped
  assert text.startswith('mini: seed 0 · 13 test questions, 2 skipped')
  assert (
    'skipped by difficulty (seed 0): 2 questions, left out of all arms; '
    'question 2: its prompt <is> long'
  ) in text
  text = (folder / 'index.html').read_text()
  assert 'its prompt &lt;is&gt; long' in text
  summary = json.loads((folder / 'summary.json').read_text())
  assert [r['question'] for r in summary['tables']['skipped']] == [2, 5]


def test_missing_stages_are_said_and_do_not_stop_it(gapped):
  _, folder, _ = gapped
  summary = json.loads((folder / 'summary.json').read_text())
  assert 'revise stage' in summary['left_out']['revisions-turns']
  text = (folder / 'index.html').read_text()
  assert 'revisions-turns: needs the revise stage' in text


@pytest.mark.parametrize('sampled', [True, False])
def test_an_allocation_is_reported_without_best_of_n_too(tmp_path, sampled):
  # As a cell of a sweep over strategies leaves it: one search, and all that
  # another experiment has finished.
  apart = ('revise', 'large_greedy', 'large_samples', 'control_samples')
  truth = world.Truth(questions=15, width=16)
  root = world.write(tmp_path, truth, without=apart)
  found = records.read_rows(root / 'search')
  shutil.copytree(root / 'search', root / 'pilot')
  if not sampled:
    shutil.rmtree(root / 'search')
    rest = [r for r in found if r['strategy'] != world.BEST_OF_N]
    world.write_stage(root / 'search', rest)
    world.write_solver(root / 'search', 'pretrain', 'prm')
  action = f'{world.BEAM} N=4'
  taken = [r for r in found if (r['strategy'], r['budget']) == (world.BEAM, 4)]
  decision = {'action': action, 'belief': 0.5, 'stop': 'safe'}
  spent = [
    dict(
      problem=r['problem'], budget=4.0, round=0, decision=decision,
      rows=r['rows'], cost=r['cost'], correct=r['rows'][0]['correct'],
      attempts=len(r['rows']),
    )
    for r in taken
  ]  # fmt: skip
  world.write_stage(root / 'allocate', spent)
  world.write_solver(root / 'allocate', 'pretrain', 'prm')
  text = report.write(tmp_path / 'report', {0: root}, ABOUT)
  tables = json.loads((tmp_path / 'report' / 'summary.json').read_text())
  assert 'allocation, per question' in text
  (row,) = tables['tables']['allocation']
  assert row['stops'] == {'safe': 100.0}
  if sampled:
    counts = tables['tables']['bins']['oracle']['questions'][:4]  # of five
    for what in ('accuracy', 'belief'):
      mean = np.average(row[f'{what}_by_bin'], weights=counts)
      assert mean == pytest.approx(row[what], rel=1e-4)
  assert bool(tables['tables']['difficulty_estimates']) is sampled
  (figure,) = [f for f in tables['figures'] if f['id'] == 'allocation']
  drawn = {series['name'] for series in figure['panels'][0]['series']}
  assert {'allocation', 'best uniform arm', 'random at equal spend'} <= drawn
  assert ('clairvoyant' in drawn) is sampled


def test_the_page_shows_what_the_summary_says(written):
  """Of summary.json, the figures' files and samples; text tables are apart."""
  roots, folder, _ = written
  summary = json.loads((folder / 'summary.json').read_text())
  shown = {
    f['id']: [
      Drawing(
        p['title'], (folder / 'figures' / files['SVG']).read_bytes(), files
      )
      for p, files in zip(f['panels'], _files(f), strict=True)
    ]
    for f in summary['figures']
  }
  # Its tables stand in their own order, and JSON sorts them.
  text = (folder / 'index.html').read_text()
  overview = html.unescape(
    re.search('as text</summary><pre tabindex="0">(.*?)</pre>', text, re.S)[1]
  )
  again = page.render(
    summary,
    shown,
    examples.read(roots[0]),
    overview,
    made_of.links(folder, roots),
  )
  assert again == text
  for row in summary['tables']['recommendation']:
    assert f'<strong>{row["take"]}</strong>' in again
    assert f'{row["accuracy"]:.1f} %' in again
  for row in summary['tables']['policy']:
    for share in row['share'].values():
      assert f'{100 * share:.0f} %' in again
  for claim in summary['claims']:
    assert html.escape(claim['statement']) in again


def _files(figure):
  names = [
    f'{figure["id"]}.panel-{i + 1}' for i in range(len(figure['panels']))
  ]
  names = names if len(names) > 1 else [figure['id']]
  return [{'SVG': f'{n}.svg', 'PNG': f'{n}.png'} for n in names]


def test_what_it_was_made_of(written):
  _, folder, _ = written
  made = json.loads((folder / 'summary.json').read_text())['tables']['made_of']
  parameters = {m['stage']: m['parameters'] for m in made['models']}
  assert parameters == {k: c.num_params for k, c in world.TRAINED.items()}
  by_stage = {s['stage']: s for s in made['sampling']}
  assert by_stage['search']['verifier'] == 'prm'
  assert f'{parameters["large"]:,}' in (folder / 'index.html').read_text()
