"""Files that are whole and wrong: found before anything is made of them."""

import json
import shutil

import pytest

from tests.cli.little_stages import Coin, Count, Toss
from ttc.cli import main
from ttc.data.problems import Problem
from ttc.pipeline import journal, records, verify
from ttc.pipeline.place import Place
from ttc.pipeline.stage import StageRun
from ttc.runtime import checksums, storage

PARTS = 5


def _toss(root, **fields):
  return StageRun(Toss(coin=Coin(), **fields), Place(root, command='ttc x'), 0)


class _Short(Toss):
  """Loses a row of each part."""

  def __call__(self, run):
    """Writes one row for two items."""
    for part in run.parts(range(4), 2):
      part.write([{'problem': part.items[0]}])


class _Asking(Toss):
  """Has a setting, a question and rows of its id for each item."""

  def __call__(self, run):
    """Writes two rows an item, one of it a label's."""
    problems = [Problem(i, '') for i in range(10)]
    items = [('beam', 4, problem) for problem in problems]
    for part in run.parts(items, 2, rows=lambda _: 2):
      rows = [
        {'problem': item[2].id, 'n': n} for item in part.items for n in (0, 1)
      ]
      part.write(rows)


@pytest.fixture
def finished(tmp_path):
  """The folder of a complete stage."""
  run = _toss(tmp_path)
  run.work()
  return run.folder


@pytest.fixture
def unfinished(tmp_path):
  """The folder of a stage that failed in its fourth part of five."""
  run = _toss(tmp_path, fail_at=3)
  with pytest.raises(RuntimeError):
    run.work()
  return run.folder


def _part(folder, index):
  return folder / records.part_name(index, PARTS)


def _flip_verdict(folder):
  path = _part(folder, 0)
  text = path.read_text()
  swapped = {'true': 'false', 'false': 'true'}
  for old, new in swapped.items():
    if f'"correct":{old}' in text:
      path.write_text(text.replace(f'"correct":{old}', f'"correct":{new}', 1))
      return


def _copy_another(folder):
  shutil.copy(_part(folder, 1), _part(folder, 0))


def _swap(folder):
  first, second = _part(folder, 0).read_bytes(), _part(folder, 1).read_bytes()
  _part(folder, 0).write_bytes(second)
  _part(folder, 1).write_bytes(first)


def _cut_at_a_line_end(folder):
  path = _part(folder, 2)
  path.write_bytes(path.read_bytes().split(b'\n')[0] + b'\n')


def _one_empty_line(folder):
  _part(folder, 2).write_bytes(b'\n')


def _nothing(folder):
  _part(folder, 2).write_bytes(b'')


def _zeros(folder):
  path = _part(folder, 1)
  path.write_bytes(b'\0' * path.stat().st_size)


def _repeat_a_line(folder):
  path = _part(folder, 1)
  first = path.read_bytes().split(b'\n')[0]
  path.write_bytes(first + b'\n' + first + b'\n')


def _reorder_lines(folder):
  path = _part(folder, 1)
  first, second, _ = path.read_bytes().split(b'\n')
  path.write_bytes(second + b'\n' + first + b'\n')


def _flip_a_bit(folder):
  path = _part(folder, 2)
  data = bytearray(path.read_bytes())
  data[len(data) // 2] ^= 1
  path.write_bytes(data)


def _append_a_line(folder):
  with open(_part(folder, 0), 'ab') as file:
    file.write(b'{"problem":99}\n')


CORRUPTIONS = [
  _flip_verdict,
  _copy_another,
  _swap,
  _cut_at_a_line_end,
  _one_empty_line,
  _nothing,
  _zeros,
  _repeat_a_line,
  _reorder_lines,
  _flip_a_bit,
  _append_a_line,
]
ids = lambda corrupt: corrupt.__name__.strip('_')


@pytest.mark.parametrize('corrupt', CORRUPTIONS, ids=ids)
def test_a_damaged_part_of_a_finished_stage_is_not_read(finished, corrupt):
  corrupt(finished)
  with pytest.raises((records.DamagedError, records.TornPartError)) as why:
    records.read_rows(finished)
  assert 'part-0000' in str(why.value)
  (verdict,) = verify.verify(finished)
  assert verdict.damage


def test_a_stage_that_was_taken_from_what_is_gone_is_seen(finished):
  link = finished.with_name('taken')
  link.symlink_to(finished.with_name('gone'))
  found = [f for f in verify.verify(finished.parent) if f.damage]
  assert [f.folder for f in found] == [link]
  assert 'which is gone' in found[0].damage[0]


def test_a_damaged_description_of_a_finished_stage_is_seen(finished):
  path = finished / 'stage.json'
  path.write_bytes(path.read_bytes()[:-20])
  (verdict,) = verify.verify(finished)
  assert str(path) in verdict.damage[0]


@pytest.mark.parametrize('corrupt', CORRUPTIONS, ids=ids)
def test_a_damaged_part_of_an_unfinished_stage_is_done_again(
  unfinished, corrupt, tmp_path, capsys
):
  before = {p.name: p.read_bytes() for p in records.part_paths(unfinished)}
  corrupt(unfinished)
  (verdict,) = verify.verify(unfinished)
  assert verdict.state == 'unfinished'
  assert verdict.damage
  with pytest.raises(RuntimeError):
    _toss(tmp_path, fail_at=3).work()
  after = {p.name: p.read_bytes() for p in records.part_paths(unfinished)}
  assert after == before
  assert 'done again' in capsys.readouterr().err


def test_what_is_read_names_the_command_that_makes_it_again(finished):
  _flip_verdict(finished)
  with pytest.raises(records.DamagedError, match='SHA-256') as why:
    records.read_rows(finished)
  assert str(why.value).endswith(
    f'delete {finished} and run the stage again:\n  ttc x'
  )


def test_parts_that_are_gone_are_made_again(finished, tmp_path, capsys):
  before = {p.name: p.read_bytes() for p in records.part_paths(finished)}
  _part(finished, 1).unlink()
  _part(finished, 4).unlink()
  run = _toss(tmp_path)
  assert not run.is_complete()
  run.work()
  after = {p.name: p.read_bytes() for p in records.part_paths(finished)}
  assert after == before
  assert _toss(tmp_path).is_complete()


@pytest.mark.parametrize(
  'corrupt', [_cut_at_a_line_end, _one_empty_line, _nothing, _append_a_line]
)
def test_a_finished_part_of_another_size_is_told_at_once(
  finished, tmp_path, corrupt
):
  corrupt(finished)
  with pytest.raises(records.DamagedError, match='and was written with') as why:
    _toss(tmp_path).is_complete()
  assert str(why.value).endswith(
    f'delete {finished} and run the stage again:\n  ttc x'
  )


def test_a_mark_without_sizes_is_that_of_an_earlier_revision(
  finished, tmp_path
):
  mark = json.loads((finished / records.MARK).read_text())
  del mark['sizes'], mark['digest']
  (finished / records.MARK).write_text(json.dumps(mark))
  assert _toss(tmp_path).is_complete()
  assert len(records.read_rows(finished)) == 10


@pytest.mark.parametrize('text', ['{}', '[]', '', 'null', '{"rows": {}}', '\0'])
def test_a_damaged_mark_is_told(finished, text, tmp_path):
  (finished / records.MARK).write_text(text)
  with pytest.raises(records.IncompleteError, match='not readable'):
    _toss(tmp_path).is_complete()
  (verdict,) = verify.verify(finished)
  assert verdict.damage


@pytest.mark.parametrize('place', range(6))
def test_one_flipped_bit_of_a_model_is_found(tmp_path, place):
  folder = tmp_path / 'prm'
  (folder / 'model' / 'params' / 'd').mkdir(parents=True)
  (folder / 'model' / 'model.json').write_bytes(b'{"head": "value"}' * 9)
  weights = folder / 'model' / 'params' / 'd' / '5f'
  weights.write_bytes(bytes(range(256)) * 16)
  records.mark_complete(folder, {'fingerprint': 'f'}, 'model')
  records.check_files(folder)
  path = weights if place else folder / 'model' / 'model.json'
  data = bytearray(path.read_bytes())
  data[place * 7] ^= 1 << place
  path.write_bytes(data)
  with pytest.raises(records.DamagedError, match=path.name):
    records.check_files(folder)
  path.unlink()
  with pytest.raises(records.DamagedError, match='missing'):
    records.check_files(folder)


def test_a_journal_survives_torn_lines_and_other_processes(tmp_path):
  journal.Journal(tmp_path, 0).add('a', '1')
  with open(tmp_path / '.written-0.jsonl', 'ab') as file:
    file.write(b'{"part": "b", "sh')
  journal.Journal(tmp_path, 0).add('c', '3')
  journal.Journal(tmp_path, 1).add('a', '2')
  assert journal.read(tmp_path) == {'a': {'1', '2'}, 'c': {'3'}}


def test_digests_are_of_the_content_now(tmp_path):
  path = tmp_path / 'file'
  path.write_bytes(b'one')
  first = checksums.of_file(path)
  assert first == checksums.of_bytes(b'one')
  path.write_bytes(b'three')
  assert checksums.of_file(path) == checksums.of_bytes(b'three')


def test_an_object_is_hashed_once_until_it_is_written_again(bucket):
  path = storage.path('gs://digests/file')
  for content, reads in ((b'one', 1), (b'two', 2)):
    path.write_bytes(content)
    for _ in range(3):
      assert checksums.of_file(path) == checksums.of_bytes(content)
    assert bucket.read['digests/file'] == reads


def test_the_command_checks_whole_experiments(tmp_path, capsys):
  root = tmp_path / 'runs' / 'little'
  place = Place(root)
  StageRun(Toss(coin=Coin()), place, 0).work()
  StageRun(Count(), place, 0).work()
  assert main.main(['verify', str(tmp_path / 'runs')]) == 0
  assert '2 stages, 0 damaged' in capsys.readouterr().out
  _flip_a_bit(root / 'seed-0' / 'toss')
  assert main.main(['verify', str(tmp_path / 'runs')]) == 1
  told = capsys.readouterr().out
  assert 'DAMAGED' in told
  assert 'part-00002' in told
  assert main.main(['verify', str(tmp_path / 'nothing')]) == 2


def test_a_mark_of_a_revision_without_digests_is_read(finished):
  mark = json.loads((finished / records.MARK).read_text())
  del mark['sha256'], mark['digest']
  (finished / records.MARK).write_text(json.dumps(mark))
  assert len(records.read_rows(finished)) == 10
  (verdict,) = verify.verify(finished)
  assert not verdict.damage


def test_parts_of_a_revision_without_journals_are_done_once(tmp_path):
  run = _toss(tmp_path, fail_at=3)
  with pytest.raises(RuntimeError):
    run.work()
  for path in run.folder.glob('.written-*'):
    path.unlink()
  before = {p.name: p.stat().st_mtime_ns for p in run.folder.glob('part-*')}
  for _ in range(2):
    with pytest.raises(RuntimeError):
      _toss(tmp_path, fail_at=3).work()
  after = {p.name: p.stat().st_mtime_ns for p in run.folder.glob('part-*')}
  assert after == before


@pytest.mark.parametrize('cut', [_cut_at_a_line_end, _one_empty_line])
def test_rows_are_counted_against_items_without_any_digest(
  finished, tmp_path, cut
):
  """As an early revision left a folder, a part of which then lost its end."""
  whole = {p.name: p.read_bytes() for p in finished.glob('part-*')}
  for path in [finished / records.MARK, *finished.glob('.written-*')]:
    path.unlink()
  cut(finished)
  run = _toss(tmp_path)
  run.work()
  assert run._parts.mine == [2]
  assert {p.name: p.read_bytes() for p in finished.glob('part-*')} == whole


@pytest.mark.parametrize('corrupt', [_copy_another, _swap])
def test_rows_are_of_the_questions_of_their_part_without_any_digest(
  tmp_path, corrupt, capsys
):
  """A folder without a journal; the questions are named by their ids."""
  run = StageRun(_Asking(coin=Coin()), Place(tmp_path), 0)
  run.work()
  whole = {p.name: p.read_bytes() for p in run.folder.glob('part-*')}
  for path in [run.folder / records.MARK, *run.folder.glob('.written-*')]:
    path.unlink()
  corrupt(run.folder)
  StageRun(_Asking(coin=Coin()), Place(tmp_path), 0).work()
  assert 'has the rows of other questions' in capsys.readouterr().err
  assert {p.name: p.read_bytes() for p in run.folder.glob('part-*')} == whole


def test_a_part_is_written_with_all_of_its_rows(tmp_path):
  run = StageRun(_Short(coin=Coin()), Place(tmp_path), 0)
  with pytest.raises(ValueError, match=r'1 rows for .*; its items have 2'):
    run.work()
  assert not list(run.folder.glob('part-*'))


@pytest.mark.parametrize('line', [b'\xff\n', b'5\n', b'{"part": "x"}\n'])
def test_a_damaged_journal_stops_nothing(unfinished, tmp_path, line):
  with open(unfinished / '.written-0.jsonl', 'ab') as file:
    file.write(line)
  assert len(journal.read(unfinished)) == 3
  with pytest.raises(RuntimeError, match='rolled away'):
    _toss(tmp_path, fail_at=3).work()


def test_damage_before_the_mark_is_not_vouched_for(finished):
  (finished / records.MARK).unlink()
  _flip_verdict(finished)
  with pytest.raises(records.DamagedError):
    records.mark_complete(finished, {'fingerprint': 'f'})


def test_a_flipped_bit_of_a_mark_is_found(finished, tmp_path):
  data = (finished / records.MARK).read_bytes()
  at = data.index(b'part-00000')
  for place in (at + 9, len(data) // 2, 5):
    flipped = bytearray(data)
    flipped[place] ^= 1
    (finished / records.MARK).write_bytes(flipped)
    with pytest.raises(records.IncompleteError):
      records.read_rows(finished)


def test_asking_changes_nothing(finished, tmp_path):
  _part(finished, 1).unlink()
  assert not _toss(tmp_path).is_complete()
  assert (finished / records.MARK).exists()


def test_other_results_are_vouched_for_too(tmp_path):
  place = Place(tmp_path)
  StageRun(Toss(coin=Coin()), place, 0).work()
  count = StageRun(Count(), place, 0)
  count.work()
  (count.folder / 'heads.txt').write_text('7\n')
  assert [bool(f.damage) for f in verify.verify(count.folder)] == [True]
  (count.folder / 'heads.txt').unlink()
  again = StageRun(Count(), place, 0)
  assert not again.is_complete()
  again.work()
  assert [bool(f.damage) for f in verify.verify(count.folder)] == [False]
