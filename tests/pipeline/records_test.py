"""Tests of part files: canonical bytes, atomic writes, torn files."""

import json
import pathlib
import random
import resource
import subprocess
import sys

import numpy as np
import pytest

from tests import disks, recording
from ttc.pipeline import records


def test_canonical_does_not_depend_on_the_order_of_keys_or_on_numpy():
  plain = {'b': [1, 2.5], 'a': {'y': True, 'x': None}, 'c': 'é\u2028\ud800'}
  other = {
    'c': plain['c'],
    'a': {'x': None, 'y': np.bool_(True)},
    'b': (np.int32(1), np.float32(2.5)),
  }
  assert records.canonical(plain) == records.canonical(other)
  assert json.loads(records.canonical(plain)) == plain
  assert len(records.canonical(plain).splitlines()) == 1


@pytest.mark.parametrize('scale', [1e-30, 1e-5, 1.0, 1e5, 1e20])
def test_canonical_floats_keep_six_digits_and_are_stable(scale):
  rng = random.Random(7)
  for _ in range(200):
    value = rng.uniform(-1, 1) * scale
    once = json.loads(records.canonical(value))
    assert abs(once - value) <= 5.0001e-6 * abs(value)
    assert records.canonical(once) == records.canonical(value)


def test_canonical_has_one_zero():
  assert records.canonical(-0.0) == records.canonical(0.0)
  assert records.canonical([np.float32(0.1)]) == '[0.1]'


@pytest.mark.parametrize(
  'value', [float('nan'), float('inf'), {1: 2}, {'a': object()}, b'x']
)
def test_canonical_refuses_what_json_cannot_say(value):
  with pytest.raises(ValueError, match=r'use|instead|convert'):
    records.canonical(value)


def test_rows_come_back_in_the_order_of_parts(tmp_path):
  parts = [[{'problem': 0}, {'problem': 1}], [], [{'problem': 2}]]
  for index in (2, 0, 1):
    recording.write_part(tmp_path, index, 3, parts[index])
  records.mark_complete(tmp_path, {'fingerprint': 'f'})
  assert records.read_rows(tmp_path) == [{'problem': i} for i in range(3)]
  mark = records.read_mark(tmp_path)
  assert mark['fingerprint'] == 'f'
  assert list(mark['rows'].values()) == [2, 0, 1]


def test_unfinished_folders_are_refused_unless_asked_for(tmp_path):
  with pytest.raises(records.IncompleteError, match='does not exist'):
    records.read_rows(tmp_path / 'nothing')
  recording.write_part(tmp_path, 1, 2, [{'problem': 1}])
  with pytest.raises(records.IncompleteError, match='incomplete'):
    records.read_rows(tmp_path)
  assert records.read_rows(tmp_path, incomplete_ok=True) == [{'problem': 1}]
  with pytest.raises(records.IncompleteError, match='part-00000-of-00002'):
    records.mark_complete(tmp_path, {'fingerprint': 'f'})
  assert records.read_mark(tmp_path) is None


def test_every_cut_of_a_part_is_noticed(tmp_path):
  rows = [{'problem': i, 'text': 'a\nb'} for i in range(3)]
  whole = recording.write_part(tmp_path, 0, 1, rows).read_bytes()
  records.mark_complete(tmp_path, {'fingerprint': 'f'})
  path = tmp_path / records.part_name(0, 1)
  for length in range(len(whole)):
    path.write_bytes(whole[:length])
    with pytest.raises((records.TornPartError, records.IncompleteError)):
      records.read_rows(tmp_path)
  path.write_bytes(whole)
  assert records.read_rows(tmp_path) == rows


def test_a_part_without_rows_is_not_a_torn_one(tmp_path):
  path = recording.write_part(tmp_path, 0, 1, [])
  assert records.read_part(path) == []
  path.write_bytes(b'')
  with pytest.raises(records.TornPartError, match='line 1'):
    records.read_part(path)


def test_parts_of_two_runs_do_not_mix(tmp_path):
  recording.write_part(tmp_path, 0, 2, [])
  recording.write_part(tmp_path, 0, 3, [])
  with pytest.raises(ValueError, match='parts of 2 and parts of 3'):
    records.part_paths(tmp_path)


@pytest.mark.parametrize(('index', 'count'), [(3, 3), (-1, 3), (0, 100_000)])
def test_part_numbers_that_do_not_fit_are_refused(index, count):
  with pytest.raises(ValueError, match='below the count'):
    records.part_name(index, count)


def test_leftovers_are_removed_and_nothing_else(tmp_path):
  path = recording.write_part(tmp_path, 0, 1, [])
  (tmp_path / f'.{path.name}.tmp').write_bytes(b'{"problem":')
  assert records.remove_leftovers(tmp_path) == [f'.{path.name}.tmp']
  assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_what_was_there_and_says_what_to_do(tmp_path):
  path = recording.write_part(tmp_path, 0, 1, [{'problem': 0}])
  code = f"""
from pathlib import Path
from tests import recording
from ttc.pipeline import records
rows = [{{'text': 'x' * 1000}}] * 1000
recording.write_part(Path({str(tmp_path)!r}), 0, 1, rows)
"""
  done = subprocess.run(
    [sys.executable, '-c', code],
    preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (9999, 9999)),
    cwd=pathlib.Path(__file__).parents[2],
    capture_output=True,
    text=True,
    check=False,
  )
  assert 'free some space there; finished parts are kept' in done.stderr
  assert str(path) in done.stderr
  assert records.read_part(path) == [{'problem': 0}]
  assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_a_file_is_named(tmp_path):
  (tmp_path / 'file').write_text('')
  with pytest.raises(OSError, match=r'cannot write .*file'):
    recording.write_part(tmp_path / 'file', 0, 1, [])


def test_a_full_disk_keeps_the_parts_before_and_is_named(tmp_path):
  rows = [{'text': 'x' * 1000}] * 700
  with disks.small(tmp_path / 'disk', megabytes=1) as disk:
    recording.write_part(disk, 0, 2, rows)
    with pytest.raises(OSError, match=r'No space left.*free some space') as why:
      recording.write_part(disk, 1, 2, rows)
    assert str(disk / records.part_name(1, 2)) in str(why.value)
    assert [path.name for path in disk.iterdir()] == [records.part_name(0, 2)]
    assert records.read_rows(disk, incomplete_ok=True) == rows
    recording.write_part(disk, 1, 2, rows[:9])
    records.mark_complete(disk, {'fingerprint': 'f'})


def test_a_folder_that_may_only_be_read_is_named_and_kept(tmp_path):
  folder = tmp_path / 'run'
  folder.mkdir()
  whole = recording.write_part(folder, 0, 1, [{'problem': 0}]).read_bytes()
  with disks.read_only(folder):
    with pytest.raises(OSError, match=r'another output folder') as told:
      recording.write_part(folder, 0, 1, [{'problem': 1}])
    assert str(folder) in str(told.value)
  assert (folder / records.part_name(0, 1)).read_bytes() == whole
  assert len(list(folder.iterdir())) == 1


def test_a_writer_killed_in_the_midst_leaves_what_was_there(tmp_path):
  path = recording.write_part(tmp_path, 0, 1, [{'problem': 0}])
  code = f"""
from pathlib import Path
from ttc.runtime import storage
data = bytes(1 << 28)
while True:
  storage.write_atomic(Path({str(path)!r}), data)
"""
  writer = subprocess.Popen(
    [sys.executable, '-c', code], cwd=pathlib.Path(__file__).parents[2]
  )
  temporary = path.with_name(f'.{path.name}.tmp')
  while not (temporary.exists() and temporary.stat().st_size):
    assert writer.poll() is None
  writer.kill()
  writer.wait()
  assert 0 < temporary.stat().st_size < 1 << 28
  assert records.read_rows(tmp_path, incomplete_ok=True) == [{'problem': 0}]
  assert records.remove_leftovers(tmp_path) == [temporary.name]
  assert list(tmp_path.iterdir()) == [path]
