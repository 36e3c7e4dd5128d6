"""Names of the hub where paths are expected, and what is in its cache."""

import json
import os
import pathlib
import subprocess
import sys
import textwrap

import pytest

from tests import house
from ttc.cli import main
from ttc.data import hub
from ttc.data.hub_split import HubSplit
from ttc.data.jsonl import Rows
from ttc.data.tokenizer import Tokenizer
from ttc.pipeline import contents

COMMIT = 'a' * 40


def fetched(home, name, kind, files, revision='main', commit=COMMIT):
  """A repository in a cache of the hub, as `hf download` leaves it."""
  owner, _, own = name.partition('/')
  folder = home / 'hub' / f'{kind}s--{owner}--{own}'
  for path, content in files.items():
    target = folder / 'snapshots' / commit / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(content)
  (folder / 'refs').mkdir(exist_ok=True)
  (folder / 'refs' / revision).write_text(commit)
  return folder / 'snapshots' / commit


@pytest.fixture
def home(tmp_path, monkeypatch):
  """A cache of this test's own, for code in this process."""
  constants = pytest.importorskip('huggingface_hub.constants')
  folder = str(tmp_path / 'home' / 'hub')
  monkeypatch.setattr(constants, 'HF_HUB_CACHE', folder)
  return tmp_path / 'home'


@pytest.mark.parametrize(
  ('name', 'is_one'),
  [
    ('Qwen/Qwen2.5-Math-1.5B', True),
    ('openai/gsm8k', True),
    ('/data/x', False),
    ('../x', False),
    ('./x', False),
    ('a/b/c', False),
    ('gsm8k', False),
    ('~/x', False),
    ('gs://b/x', False),
    ('', False),
    ('a/', False),
  ],
)
def test_what_is_a_name(name, is_one):
  assert hub.is_name(name) == is_one
  assert bool(hub.advice(name)) == is_one


def test_what_was_fetched_is_found_by_its_name(home, tmp_path, monkeypatch):
  files = {'config.json': '{}'}
  snapshot = fetched(home, 'acme/tiny', 'model', files)
  assert hub.folder(pathlib.Path('acme/tiny')) == snapshot
  assert hub.cached('acme/tiny', revision=COMMIT) == snapshot
  assert hub.cached('acme/tiny', revision='v2') is None
  assert hub.cached('acme/tiny', 'dataset') is None
  assert hub.cached('acme/huge') is None
  monkeypatch.chdir(tmp_path)
  (tmp_path / 'acme' / 'tiny').mkdir(parents=True)
  assert hub.folder(pathlib.Path('acme/tiny')) == (pathlib.Path('acme/tiny'))


def test_convert_tells_what_to_run(home, tmp_path, capsys):
  arguments = ['convert', '--from=acme/tiny', f'--to={tmp_path / "x"}']
  assert main.main(arguments) == 2
  told = capsys.readouterr().err
  assert 'there is no folder acme/tiny' in told
  assert '`hf download acme/tiny`' in told
  assert told.count('\n') == 1


def test_paths_of_questions_and_tokenizers_tell_what_to_run():
  command = 'hf download --repo-type=dataset openai/gsm8k --local-dir=gsm8k'
  with pytest.raises(ValueError, match=f'`{command}`'):
    Rows('openai/gsm8k').read()
  with pytest.raises(ValueError, match='`hf download Qwen/Qwen2`'):
    Tokenizer('Qwen/Qwen2', '<revise>')
  with pytest.raises(ValueError, match=r'^There is no file /data/gsm8k\.$'):
    Rows('/data/gsm8k').read()


def run(home, code):
  """What Python prints with a cache of the hub, and without a network."""
  done = subprocess.run(
    [sys.executable, '-c', textwrap.dedent(code)],
    cwd=house.REPOSITORY,
    env={**os.environ, 'HF_HOME': str(home), 'HF_HUB_OFFLINE': '1'},
    capture_output=True,
    text=True,
    check=False,
  )
  assert not done.returncode, done.stderr
  return [json.loads(line) for line in done.stdout.splitlines()]


CARD = """---
configs:
- config_name: hard
  data_files:
  - split: test
    path: hard/*.jsonl
- config_name: easy
  data_files:
  - split: test
    path: easy/*.jsonl
---
"""
LOOK = """
import dataclasses, json
from ttc.data.hub_split import HubSplit
from ttc.data.jsonl import Rows
from ttc.pipeline import contents
@dataclasses.dataclass(frozen=True)
class Reader:
  rows: Rows
for split in (
  HubSplit('acme/sums', 'hard'),
  HubSplit('acme/sums', 'easy'),
  HubSplit('acme/sums', 'easy', revision='{commit}'),
  HubSplit('acme/sums', 'none'),
  HubSplit('acme/sums', 'hard', 'train'),
  HubSplit('acme/other'),
):
  reader = Reader(Rows(split, level='level'))
  try:
    rows = [dataclasses.asdict(row) for row in reader.rows.read()]
    print(json.dumps([rows, contents.of(reader)]))
  except ValueError as error:
    print(json.dumps(str(error)))
"""


def sums(*answers):
  return ''.join(
    json.dumps({'question': f'q{i}', 'answer': a, 'level': 'Level 2'}) + '\n'
    for i, a in enumerate(answers)
  )


def test_splits_are_read_from_the_cache_and_known_by_content(tmp_path):
  pytest.importorskip('datasets', reason='the optional extra hf')
  files = {
    'README.md': CARD,
    'hard/a.jsonl': sums('1', r'\frac12'),
    'easy/a.jsonl': sums('2'),
  }
  fetched(tmp_path, 'acme/sums', 'dataset', files)
  code = LOOK.replace('{commit}', COMMIT)
  hard, easy, pinned, *refused = run(tmp_path, code)
  assert [row['answer'] for row in hard[0]] == ['1', r'\frac12']
  assert [row['line'] for row in hard[0]] == [1, 2]
  assert {row['level'] for row in hard[0]} == {2}
  assert list(hard[1]) == ['data set acme/sums/hard/test']
  assert easy[0] == pinned[0]
  assert easy[0][0]['answer'] == '2'
  assert list(pinned[1]) == [f'data set acme/sums/easy/test@{COMMIT}']
  assert "'none' not found. Available: ['hard', 'easy']" in refused[0]
  assert "Should be one of ['test']" in refused[1]
  assert '`hf download --repo-type=dataset acme/other`' in refused[2]
  assert all('\n' not in text for text in refused)

  # The main branch moves on; one configuration stays as it was.
  files['hard/a.jsonl'] = sums('1', '3')
  fetched(tmp_path, 'acme/sums', 'dataset', files, commit='b' * 40)
  moved, same, pinned_later, *_ = run(tmp_path, code)
  assert contents.differences(hard[1], moved[1])
  assert not contents.differences(easy[1], same[1])
  assert pinned_later == pinned


def test_the_library_is_named_where_it_is_missing(monkeypatch):
  monkeypatch.setitem(sys.modules, 'datasets', None)
  with pytest.raises(ValueError, match='run pip install datasets'):
    Rows(HubSplit('acme/sums')).read()
