"""A report over text that is out to harm its reader's terminal or browser."""

import json
import re

import pytest

from tests.analysis import world
from ttc.pipeline import records
from ttc.reporting import report

# A lone surrogate, a cleared screen, NUL, a C1 control and reversed text.
HOSTILE = 'a\ud800b\x1b[2Jc\x00d\x9b31me\u202ef\u2066g\rh\ti\n</pre><b>'
SHOWN = (
  r'a\ud800b\x1b[2Jc\x00d\x9b31me\u202ef\u2066g\rh'
  '\ti\n&lt;/pre&gt;&lt;b&gt;'
)
TRUTH = world.Truth(questions=15, width=16, chains=4, text=HOSTILE)
ABOUT = report.About(
  'mini\x1b[31m\udcff',
  'ttc run --gin.X="\udc80\x1b]0;title\x07"',
  {'seed-0/search\x1b': 2.0},
  size_ratio=1.5,
  subsets=5,
)
UNSAFE = re.compile(r'[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]')


@pytest.fixture(scope='module')
def written(tmp_path_factory):
  runs = tmp_path_factory.mktemp('runs')
  root = world.write(runs, TRUTH, without=('difficulty',))
  world.write_stage(
    root / 'difficulty',
    [
      world.skipped(2, row['strategy'], 16, HOSTILE)
      if row['problem'] == 2
      else row
      for row in records.read_rows(root / 'search')
      if row['strategy'] == world.BEST_OF_N
    ],
  )
  folder = runs / 'report'
  return root, folder, report.write(folder, {0: root}, ABOUT)


def test_records_keep_the_text(written):
  root, _, _ = written
  rows = records.read_rows(root / 'search')[0]['rows']
  assert {row['text'] for row in rows} == {HOSTILE}
  for path in root.glob('search/part-*'):
    assert path.read_bytes().isascii()


def test_the_page_shows_escapes(written):
  _, folder, _ = written
  page = (folder / 'index.html').read_bytes().decode('utf-8')
  assert UNSAFE.findall(page) == []
  assert SHOWN in page
  assert r'<h1>mini\x1b[31m\udcff</h1>' in page
  assert r'--gin.X=&quot;\udc80\x1b]0;title\x07&quot;' in page


def test_the_terminal_shows_escapes(written):
  *_, text = written
  text.encode('utf-8')
  assert UNSAFE.findall(text) == []
  assert text.startswith(r'mini\x1b[31m\udcff: seed 0')
  assert r'question 2: a\ud800b\x1b[2Jc\x00d' in text


def test_the_summary_keeps_the_text(written):
  _, folder, _ = written
  data = (folder / 'summary.json').read_bytes()
  assert data.isascii()
  summary = json.loads(data)
  assert summary['command'] == ABOUT.command
  assert summary['tables']['skipped'][0]['reason'] == HOSTILE


def test_canonical_json_round_trips():
  text = records.canonical({'text': HOSTILE})
  assert text.isascii()
  assert json.loads(text) == {'text': HOSTILE}
  assert r'\ud800' in text
