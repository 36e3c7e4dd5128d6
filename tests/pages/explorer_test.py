"""The explorer's files: whole, right, and harmless."""

import json

import numpy as np
import pytest

from tests.analysis import world
from tests.pages import small_page
from ttc.analysis import aggregate, names, study
from ttc.data.problems import Problem
from ttc.pages import attempts, question_index
from ttc.pipeline import records
from ttc.runtime.safe_text import printable

TRUTH = world.Truth(questions=12, width=16, chains=4, text='one\ntwo\nthree')
PROBLEMS = [Problem(i, f'What is {i}?', str(i)) for i in range(12)]


@pytest.fixture(scope='module')
def root(tmp_path_factory):
  runs = tmp_path_factory.mktemp('runs')
  return world.write(runs, TRUTH, without=('large_samples',))


@pytest.fixture(scope='module')
def written(root, tmp_path_factory):
  folder = tmp_path_factory.mktemp('report')
  small_page.write(folder, root, PROBLEMS)
  return folder


def parsed(path, what):
  text = path.read_bytes().decode('ascii')
  assert text.startswith(f'ttc{what}(')
  assert text.endswith(');\n')
  return json.loads(text[len(f'ttc{what}(') : -3])


def questions(folder):
  index = parsed(folder / 'explorer' / 'seed-0' / 'index.js', 'Index')
  found = []
  for i, first in enumerate(index['chunks']):
    chunk = parsed(
      folder / 'explorer' / 'seed-0' / f'chunk-{i:04d}.js', 'Chunk'
    )
    assert chunk['first'] == first == len(found)
    found += chunk['questions']
  return index, found


def test_every_question_with_every_attempt(root, written):
  index, found = questions(written)
  assert index['ids'] == [q['id'] for q in found] == list(range(12))
  assert [q['question'] for q in found] == [p.question for p in PROBLEMS]
  assert [q['gold'] for q in found] == [p.answer for p in PROBLEMS]
  for question in found:
    truth = [
      (stage, r)
      for stage in attempts.STAGES
      if (root / stage).is_dir()
      for r in records.read_rows(root / stage)
      if r['problem'] == question['id']
    ]
    assert len(question['arms']) == len(truth)
    for arm, (stage, record) in zip(question['arms'], truth, strict=True):
      assert (arm['stage'], arm['budget']) == (stage, record['budget'])
      assert len(arm['attempts']) == len(record['rows'])
      for (text, right, cut, values, chain, turn), row in zip(
        arm['attempts'], record['rows'], strict=True
      ):
        assert arm['texts'][text] == row['text']
        assert right == row['correct']
        assert cut == row['truncated']
        assert values == row.get('values')
        assert (chain, turn) == (row.get('chain'), row.get('turn'))


def test_votes_choose_as_the_analysis_does(root, written):
  measured = study.load(root, 0, subsets=3)
  weighted = measured.base_arms[names.WEIGHTED][16].question
  _, found = questions(written)
  for question, right in zip(found, weighted, strict=True):
    arm = next(
      a
      for a in question['arms']
      if (a['stage'], a['name']) == ('search', 'independent answers')
    )
    assert arm['groups'][0]['right'] == right
    for group in arm['groups']:
      own = [arm['attempts'][row] for row in group['rows']]
      assert group['votes'] == pytest.approx(
        sum(values[-1] for _, _, _, values, *_ in own), rel=1e-4
      )
      assert {right for _, right, *_ in own} == {group['right']}
    places = [row for group in arm['groups'] for row in group['rows']]
    assert sorted(places) == list(range(16))


def test_the_table_is_that_of_the_analysis(root, written):
  measured = study.load(root, 0, subsets=3)
  index, _ = questions(written)
  by_name = {s['name']: s['right'] for s in index['strategies']}
  beam = measured.search_arms[names.BEAM][16].question
  np.testing.assert_allclose(by_name[f'{names.BEAM}, N=16'], beam, atol=5e-4)
  np.testing.assert_allclose(
    index['pass1'], measured.base.correct.mean(1), atol=5e-4
  )
  assert index['bins'] == {k: b.tolist() for k, b in measured.bins.items()}


def test_saved_filters_by_hand(root):
  measured = study.load(root, 0, subsets=3)
  found = question_index.saved(measured)
  by_hand = {name: set() for name in found}
  search = records.read_rows(root / 'search')
  chosen = {}
  for r in search:
    answers = aggregate.answer_ids([row['answer'] for row in r['rows']])
    scores = [row['values'][-1] for row in r['rows']]
    place = int(aggregate.weighted(answers, scores))
    chosen[r['problem'], r['strategy'], r['budget']] = r['rows'][place]
  for r in search:
    if r['strategy'] == world.BEST_OF_N and any(
      row['correct'] for row in r['rows']
    ):
      q = r['problem']
      if not chosen[q, world.BEST_OF_N, 16]['correct']:
        by_hand[question_index.MISSED].add(q)
      if not chosen[q, world.BEAM, 16]['correct']:
        by_hand[question_index.LOST].add(q)
  for r in records.read_rows(root / 'revise'):
    right = {(row['chain'], row['turn']): row['correct'] for row in r['rows']}
    if any(
      v and not right.get((c, t + 1), True) for (c, t), v in right.items()
    ):
      by_hand[question_index.BROKEN].add(r['problem'])
  assert {k: set(np.flatnonzero(v)) for k, v in found.items()} == by_hand


def test_a_limit_bounds_attempts_and_not_the_table(root, tmp_path):
  small_page.write(tmp_path, root, PROBLEMS, limit=5)
  index, found = questions(tmp_path)
  assert [q['id'] for q in found] == list(range(5))
  assert index['explored'] == 5
  assert len(index['ids']) == 12


def test_chunks_are_bounded(root, tmp_path, monkeypatch):
  monkeypatch.setattr('ttc.pages.explorer._CHUNK', 20_000)
  small_page.write(tmp_path, root, PROBLEMS)
  index, found = questions(tmp_path)
  assert len(index['chunks']) > 3
  assert [q['id'] for q in found] == list(range(12))


def test_harmful_characters_are_escaped(tmp_path):
  text = 'a\ud800\u202eb</script>]]>\x1b[2J'
  root = world.write(
    tmp_path, world.Truth(questions=6, width=2, chains=1, text=text)
  )
  folder = tmp_path / 'report'
  small_page.write(folder, root, [Problem(0, text, text)])
  _, found = questions(folder)
  assert found[0]['question'] == printable(text)
  assert found[0]['arms'][0]['texts'] == [printable(text)]
