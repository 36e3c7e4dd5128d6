"""Files in an object store: through epath, gcsfs and HTTP, to a server here."""

import datetime
import os
import pathlib
import subprocess
import sys

import pytest

from tests import disk_events, recording
from ttc.pipeline import records
from ttc.runtime import storage

_REPOSITORY = pathlib.Path(__file__).parents[2]


def test_local_paths_need_no_other_library(tmp_path):
  code = f"""
import sys
from tests import recording
from ttc.pipeline import records
from ttc.runtime import storage
folder = storage.absolute({str(tmp_path)!r})
recording.write_part(folder, 0, 1, [{{'a': 1}}])
records.mark_complete(folder, {{'fingerprint': 'f'}})
print(records.read_rows(folder), {{'etils', 'fsspec'}} & set(sys.modules))
"""
  done = subprocess.run(
    [sys.executable, '-c', code],
    cwd=_REPOSITORY,
    check=True,
    capture_output=True,
    text=True,
  )
  assert done.stdout == "[{'a': 1}] set()\n"


@pytest.mark.parametrize(
  ('name', 'absolute', 'remote'),
  [
    ('runs', False, False),
    ('/runs', True, False),
    ('gs://b/runs', True, True),
  ],
)
def test_what_paths_mean(name, absolute, remote):
  assert storage.is_absolute(name) == absolute
  assert storage.is_remote(name) == remote


def test_unknown_schemes_and_missing_libraries_are_named():
  with pytest.raises(ValueError, match=r'ftp:// is unknown.*gs://'):
    storage.path('ftp://host/runs')
  try:
    import s3fs  # noqa: F401
  except ImportError:
    with pytest.raises(ValueError, match='pip install s3fs'):
      storage.path('s3://bucket/runs')


def test_parts_marks_and_rows(bucket):
  folder = storage.join(storage.path('gs://parts'), 'seed-0/search')
  assert storage.names(folder) == []
  assert records.part_count(folder) is None
  storage.make_folder(folder)
  with pytest.raises(records.IncompleteError, match='does not exist'):
    records.read_rows(folder)
  for index in (1, 0):
    recording.write_part(folder, index, 2, [{'problem': index}])
  with pytest.raises(records.IncompleteError, match='no COMPLETE'):
    records.read_rows(folder)
  records.mark_complete(folder, {'fingerprint': 'f'})
  assert records.read_mark(folder)['fingerprint'] == 'f'
  assert records.read_rows('gs://parts/seed-0/search') == [
    {'problem': 0},
    {'problem': 1},
  ]
  assert storage.names(folder) == sorted(
    ['COMPLETE', records.part_name(0, 2), records.part_name(1, 2)]
  )
  assert records.remove_leftovers(folder) == []
  storage.remove_folder(folder)
  assert bucket.names('parts/') == []


def test_what_others_write_is_seen_at_once(bucket):
  folder = storage.path('gs://others/run')
  recording.write_part(folder, 0, 2, [])
  assert records.part_paths(folder) == [folder / records.part_name(0, 2)]
  bucket.put(f'others/run/{records.part_name(1, 2)}', b'\n')
  assert len(records.part_paths(folder)) == 2
  bucket.objects.clear()
  assert records.part_paths(folder) == []


def test_a_refused_upload_keeps_what_was_there_and_is_named(bucket):
  folder = storage.path('gs://full/run')
  path = recording.write_part(folder, 0, 1, [{'problem': 0}])
  before = bucket.objects[f'full/run/{path.name}']
  bucket.full = True
  try:
    with pytest.raises(OSError, match=r'cannot write gs://full/run/part-0'):
      recording.write_part(folder, 0, 1, [{'problem': 1}])
  finally:
    bucket.full = False
  assert bucket.objects[f'full/run/{path.name}'] == before
  assert records.read_part(path) == [{'problem': 0}]


def test_large_objects_come_in_pieces_and_appear_at_the_end(bucket):
  path = storage.path('gs://large/file')
  data = bytes(range(256)) * (1 << 13)
  storage.write_atomic(path, data * 30)
  assert bucket.objects['large/file'][1] == data * 30
  assert path.read_bytes() == data * 30


def test_when_files_were_written(bucket, tmp_path):
  local, remote = tmp_path / 'part', storage.path('gs://times/part')
  for path in (local, remote):
    with pytest.raises(FileNotFoundError):
      storage.modified(path)
    storage.write_atomic(path, b'now')
  assert storage.modified(local) == local.stat().st_mtime
  stored = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)
  assert storage.modified(remote) == stored.timestamp()  # as the server says


def test_files_are_on_disk_before_they_have_their_name(tmp_path, monkeypatch):
  events = disk_events.record(monkeypatch)
  storage.write_atomic(tmp_path / 'file', b'data')
  assert events == [
    ('fsync', tmp_path / '.file.tmp'),
    ('replace', tmp_path / 'file'),
    ('fsync', tmp_path),
  ]


def test_a_folder_is_on_disk_before_it_has_its_name(tmp_path, monkeypatch):
  source, target = tmp_path / 'new', tmp_path / 'old'
  (source / 'sub').mkdir(parents=True)
  (target / 'left over').mkdir(parents=True)
  for path in (source / 'a', source / 'sub' / 'b'):
    path.write_text(path.name)
  events = disk_events.record(monkeypatch)
  storage.replace_folder(source, target)
  assert events == [
    ('fsync', source / 'sub' / 'b'),
    ('fsync', source / 'sub'),
    ('fsync', source / 'a'),
    ('fsync', source),
    ('replace', target),
    ('fsync', tmp_path),
  ]
  assert not source.exists()
  names = sorted(str(path.relative_to(target)) for path in target.rglob('*'))
  assert names == ['a', 'sub', 'sub/b']


def test_a_folder_that_cannot_be_flushed_replaces_nothing(
  tmp_path, monkeypatch
):
  for name in ('new', 'old'):
    (tmp_path / name).mkdir()
    (tmp_path / name / 'a').write_text(name)

  def fails(descriptor):
    raise OSError(5, 'Input/output error')

  monkeypatch.setattr(os, 'fsync', fails)
  with pytest.raises(OSError, match='Input/output'):
    storage.replace_folder(tmp_path / 'new', tmp_path / 'old')
  assert (tmp_path / 'old' / 'a').read_text() == 'old'
