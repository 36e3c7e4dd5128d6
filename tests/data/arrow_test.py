"""Questions from parquet files and buckets: the same as from JSON lines."""

import dataclasses
import gzip
import json
import math

import numpy as np
import pytest

from ttc.data import jsonl
from ttc.data.jsonl import Rows
from ttc.pipeline import contents

pyarrow = pytest.importorskip('pyarrow')
parquet = pytest.importorskip('pyarrow.parquet')

LINES = [
  {'question': 'a', 'answer': 1.5, 'level': 3, 'm': {'x': ['1', '2']}},
  {'question': 'é\n😀', 'answer': 1e-05, 'level': None, 'm': {'x': []}},
  {'question': 'b', 'answer': math.nan, 'level': 5, 'm': {'x': ['7']}},
  {'question': 'c', 'answer': math.inf, 'level': 1, 'm': None},
  {'question': 'd', 'answer': 1e300, 'level': 1, 'm': {'x': ['1', None]}},
]


def written(path, lines):
  """The same rows as parquet and as JSON lines; both paths."""
  parquet.write_table(pyarrow.Table.from_pylist(lines), path, row_group_size=2)
  text = ''.join(f'{json.dumps(line)}\n' for line in lines)
  path.with_suffix('.jsonl').write_text(text)
  return str(path), str(path.with_suffix('.jsonl'))


@pytest.mark.parametrize('answer', ['answer', 'level'])
def test_parquet_is_read_as_lines_are(tmp_path, answer):
  files = written(tmp_path / 'a.parquet', LINES)
  one, other = (Rows(path, answer=answer, level='level') for path in files)
  assert one.read() == other.read()
  assert [row.line for row in one.read()] == [1, 2, 3, 4, 5]


def test_fields_within_fields(tmp_path):
  path, _ = written(tmp_path / 'a.parquet', LINES[:3])
  rows = Rows(path, answer='m.x').read()
  assert [row.answer for row in rows] == ['1, 2', '', '7']


def test_random_tables(tmp_path):
  rng = np.random.default_rng(0)
  for count in (1, 255, 256, 257, 700):
    lines = [
      {'question': f'q{i}', 'answer': float(x)}
      for i, x in enumerate(rng.normal(size=count) * 10.0 ** rng.integers(9))
    ]
    one, other = written(tmp_path / f'{count}.parquet', lines)
    assert Rows(one).read() == Rows(other).read()


def test_a_field_that_is_not_there(tmp_path):
  path, _ = written(tmp_path / 'a.parquet', LINES)
  with pytest.raises(ValueError, match='is missing') as told:
    Rows(path, question='problem').read()
  assert str(told.value) == (
    f"{path}: line 1: field 'problem' is missing; the line has 'question', "
    "'answer', 'level', 'm'. Name another in the bindings of Rows."
  )


def test_values_of_other_types_are_told(tmp_path):
  path = tmp_path / 'a.parquet'
  table = pyarrow.table({'question': ['a'], 'answer': [b'\x00\xff']})
  parquet.write_table(table, path)
  with pytest.raises(ValueError, match="line 1: field 'answer': expected text"):
    Rows(str(path)).read()


@pytest.mark.parametrize('cut', [4, 40, -9, -1])
def test_a_file_that_is_cut(tmp_path, cut):
  path, _ = written(tmp_path / 'a.parquet', LINES)
  whole = (tmp_path / 'a.parquet').read_bytes()
  (tmp_path / 'a.parquet').write_bytes(whole[:cut])
  with pytest.raises(ValueError, match=r'cannot be read .*fetch it again'):
    Rows(path).read()


def test_an_empty_table(tmp_path):
  path = tmp_path / 'a.parquet'
  parquet.write_table(pyarrow.table({'question': [], 'answer': []}), path)
  assert Rows(str(path)).read() == []


@dataclasses.dataclass(frozen=True)
class Reader:
  rows: Rows


def test_a_bucket_is_read_as_a_folder_is(tmp_path, bucket):
  local, plain = written(tmp_path / 'a.parquet', LINES)
  packed = gzip.compress((tmp_path / 'a.jsonl').read_bytes())
  bucket.put('b/q/a', (tmp_path / 'a.parquet').read_bytes())
  bucket.put('b/q/b', (tmp_path / 'a.jsonl').read_bytes())
  bucket.put('b/q/c', packed)
  for name in 'abc':
    assert Rows(f'gs://b/q/{name}').read() == Rows(local).read()
  assert list(jsonl.read_objects('gs://b/q/c')) == list(
    jsonl.read_objects(plain)
  )
  with pytest.raises(ValueError, match='There is no file gs://b/q/d'):
    Rows('gs://b/q/d').read()
  with pytest.raises(ValueError, match='misspelt; for a bucket write gs://b/q'):
    Rows('gs:/b/q')


def test_a_file_in_a_bucket_that_changes_is_told(bucket):
  bucket.put('b/r/a', b'{"question": "1", "answer": "1"}\n')
  reader = Reader(Rows('gs://b/r/a'))
  before = contents.of(reader)
  assert contents.differences(before, contents.of(reader)) == []
  bucket.put('b/r/a', b'{"question": "1", "answer": "2"}\n')
  told = contents.differences(before, contents.of(reader))
  assert [line.partition(' SHA-256')[0] for line in told] == ['gs://b/r/a:']
