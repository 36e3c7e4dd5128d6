import gzip
import json
import re

import pytest

from tests.data import toys
from ttc.data.jsonl import JsonRow, Rows

MATH = dict(
  question='problem', answer='answer', solution='solution', level='level'
)


def test_fields_are_found_by_name(tmp_path):
  path = tmp_path / 'a.jsonl.gz'
  lines = [
    {'q': {'text': 'Why?'}, 'a': 5, 'l': 'Level 3'},
    {'q': {'text': 'How?'}, 'a': ' x ', 'l': None},
  ]
  with gzip.open(path, 'wt') as file:
    file.write('\n\n'.join(map(json.dumps, lines)))
  assert Rows(str(path), 'q.text', 'a', level='l').read() == [
    JsonRow(1, 'Why?', '5', level=3),
    JsonRow(3, 'How?', 'x'),
  ]


@pytest.mark.parametrize(
  ('line', 'message'),
  [
    ('{"question": "a", "answer"', 'expected a JSON object, Expecting'),
    ('[1, 2]', r'expected a JSON object, got \[1, 2\]'),
    ('{"question": "a"}', "field 'answer' is missing; the line has 'question'"),
    ('{"question": " ", "answer": "1"}', "'question': expected a question"),
    ('{"question": "a", "answer": [[1]]}', r'expected text or a number, got'),
    ('{"question": "a", "answer": true}', r'expected text or a number, got'),
    ('{"question": "a", "answer": "1", "level": "hard"}', 'expected a level'),
    ('{"question": "a", "answer": "1", "level": "hard"}', "Rows.level=''"),
    ('{"question": "a"}', 'Name another in the bindings of Rows'),
    ('{"question": "a", "answer": {}}', 'or leave the line out'),
    ('"a"', 'as one object, or leave it out'),
    ('\udcff', 'expected a JSON object'),
    ('[' * 100_000, 'expected a JSON object'),
  ],
)
def test_what_is_wrong_with_a_line(tmp_path, line, message):
  path = tmp_path / 'a.jsonl'
  good = '{"question": "a", "answer": "1", "level": 2}\n'
  path.write_bytes(f'{good}\n{line}\n{good}'.encode(errors='surrogateescape'))
  where = f'^{re.escape(str(path))}: line 3: .*{message}'
  with pytest.raises(ValueError, match=where):
    Rows(str(path), level='level' if '"level"' in line else '').read()


def test_files_that_are_not_there_or_not_whole(tmp_path):
  with pytest.raises(ValueError, match=r'There is no file .*/none\.jsonl'):
    Rows(str(tmp_path / 'none.jsonl')).read()
  with pytest.raises(ValueError, match='is a folder; name a file in it: JSON'):
    Rows(str(tmp_path)).read()
  path = tmp_path / 'a.jsonl.gz'
  line = b'{"question": "a", "answer": "1"}\n'
  path.write_bytes(gzip.compress(line * 9)[:40])
  with pytest.raises(ValueError, match='no whole gzip file'):
    Rows(str(path)).read()


@pytest.mark.parametrize(
  ('name', 'fields', 'count', 'empty'),
  [
    ('math500_test.jsonl', MATH, 500, 0),
    ('math_train_12k.jsonl.gz', MATH, 12_000, 2),
    ('gsm8k_train.jsonl.gz', {}, 7_473, 0),
    ('gsm8k_test.jsonl.gz', {}, 1_319, 0),
  ],
)
def test_real_files_are_read_whole(name, fields, count, empty):
  path = toys.DATA / name
  if not path.exists():
    pytest.skip('no shared data here')
  rows = Rows(str(path), **fields).read()
  assert len(rows) == count
  assert sum(not row.answer for row in rows) == empty
