"""Tests of how a folder is continued, skipped and refused."""

import json
import subprocess
import sys

import pytest

from tests import recording
from tests.cli.little_stages import Coin, Count, Toss, Total
from ttc.pipeline import completed, records
from ttc.pipeline.place import Place
from ttc.pipeline.stage import RefusedError, StageRun


def _toss(root, seed=0, **fields):
  place = Place(root, seeds=(0, 1))
  return StageRun(Toss(coin=Coin(), **fields), place, seed)


def test_rows_are_those_of_all_items_in_order(tmp_path):
  run = _toss(tmp_path, items=7, size=3)
  assert not run.is_complete()
  run.work()
  assert run.is_complete()
  rows = records.read_rows(run.folder)
  assert [row['problem'] for row in rows] == list(range(7))
  assert completed.seconds(tmp_path) == {
    'seed-0/toss': pytest.approx(0, abs=60)
  }


def test_a_torn_part_is_done_again_with_a_message(tmp_path, capsys):
  with pytest.raises(RuntimeError):
    _toss(tmp_path, fail_at=3).work()
  folder = tmp_path / 'seed-0' / 'toss'
  part = folder / records.part_name(1, 5)
  whole = part.read_bytes()
  part.write_bytes(whole[:-9])
  (folder / f'.{part.name}.tmp').write_bytes(b'{')
  with pytest.raises(RuntimeError):
    _toss(tmp_path, fail_at=3).work()
  assert part.read_bytes() == whole
  messages = capsys.readouterr().err
  assert f'{part}: line 2 is torn' in messages
  assert 'removed the half-written' in messages


def test_finished_parts_are_not_touched(tmp_path):
  with pytest.raises(RuntimeError):
    _toss(tmp_path, fail_at=3).work()
  part = tmp_path / 'seed-0' / 'toss' / records.part_name(0, 5)
  written = part.stat().st_mtime_ns
  with pytest.raises(RuntimeError):
    _toss(tmp_path, fail_at=3).work()
  assert part.stat().st_mtime_ns == written


def test_an_unfinished_folder_of_other_bindings_is_refused(tmp_path):
  with pytest.raises(RuntimeError):
    _toss(tmp_path, fail_at=3).work()
  with pytest.raises(RefusedError, match=r'Toss\.size: 2 before, 5 now'):
    _toss(tmp_path, fail_at=3, size=5).work()


def test_parts_of_unknown_origin_are_refused(tmp_path):
  run = _toss(tmp_path)
  run.folder.mkdir(parents=True)
  recording.write_part(run.folder, 0, 5, [])
  with pytest.raises(RefusedError, match=r'no stage\.json'):
    run.work()


def test_a_second_process_in_the_same_folder_is_refused(tmp_path):
  run = _toss(tmp_path)
  run.folder.mkdir(parents=True)
  code = f"""
import fcntl, sys
lock = open({str(run.folder / '.lock-0')!r}, 'w')
fcntl.lockf(lock, fcntl.LOCK_EX)
print('held', flush=True)
sys.stdin.read()
"""
  with subprocess.Popen(
    [sys.executable, '-c', code],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    text=True,
  ) as holder:
    assert holder.stdout.readline() == 'held\n'
    with pytest.raises(RefusedError, match='another process is at work'):
      run.work()
    holder.stdin.close()
    holder.wait()
  run.work()
  assert run.is_complete()


def test_an_input_made_again_with_other_bindings_is_noticed(tmp_path):
  place = Place(tmp_path)
  _toss(tmp_path).work()
  count = StageRun(Count(), place, 0)
  count.work()
  assert StageRun(Count(), place, 0).is_complete()
  for path in (tmp_path / 'seed-0' / 'toss').iterdir():
    path.unlink()
  assert StageRun(Count(), place, 0).is_complete()
  _toss(tmp_path).work()
  assert StageRun(Count(), place, 0).is_complete()
  for path in (tmp_path / 'seed-0' / 'toss').iterdir():
    path.unlink()
  _toss(tmp_path, items=4).work()
  with pytest.raises(RefusedError, match='from another seed-0/toss'):
    StageRun(Count(), place, 0).is_complete()


def test_a_report_of_other_inputs_begins_anew(tmp_path):
  place = Place(tmp_path)
  _toss(tmp_path).work()
  StageRun(Count(), place, 0).work()
  StageRun(Total(), place, None).work()
  assert StageRun(Total(), place, None).is_complete()
  again = StageRun(Total(), Place(tmp_path, seeds=(0, 1)), None)
  assert not again.is_complete()
  with pytest.raises(RefusedError, match='reads seed-1/count'):
    again.work()


def test_absolute_inputs_pass_through(tmp_path):
  _toss(tmp_path / 'other').work()
  source = str(tmp_path / 'other' / 'seed-0' / 'toss')
  run = StageRun(Count(source=source), Place(tmp_path / 'here'), 0)
  run.work()
  about = json.loads((run.folder / 'stage.json').read_text(encoding='ascii'))
  mark = records.read_mark(tmp_path / 'other' / 'seed-0' / 'toss')
  assert list(about['inputs']) == [source]
  assert about['inputs'][source].startswith(f'{mark["fingerprint"]}+')


def test_the_fingerprint_tells_seeds_inputs_and_bindings_apart(tmp_path):
  prints = []
  for index, fields in enumerate(({}, {'seed': 1}, {'items': 4})):
    run = _toss(tmp_path / str(index), **fields)
    run.work()
    count = StageRun(Count(), run.place, run.seed)
    count.work()
    prints += [records.read_mark(r.folder)['fingerprint'] for r in (run, count)]
  assert len(set(prints)) == 6


def test_a_part_without_items_is_refused(tmp_path):
  with pytest.raises(ValueError, match='at least one'):
    _toss(tmp_path, size=0).work()


def test_seconds_add_up_over_interruptions(tmp_path):
  with pytest.raises(RuntimeError):
    _toss(tmp_path, fail_at=3, seconds=0.02).work()
  folder = tmp_path / 'seed-0' / 'toss'
  about = json.loads((folder / 'stage.json').read_text(encoding='ascii'))
  assert about['seconds'] >= 0.12
  with pytest.raises(RuntimeError):
    _toss(tmp_path, fail_at=3, seconds=0.02).work()
  again = json.loads((folder / 'stage.json').read_text(encoding='ascii'))
  assert again['seconds'] >= about['seconds']
