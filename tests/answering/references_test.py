"""Questions with references, of any file, as a task poses and grades them."""

import json
import pathlib

import pytest

from tests.answering.file_tasks import task_of_files
from ttc.answering.references import References
from ttc.data import jsonl
from ttc.data.jsonl import Rows
from ttc.data.templates import Template
from ttc.data.worksheet import Worksheet
from ttc.pipeline import contents, fingerprint

_LINES = (
  {'question': 'What is 1/2 + 1/2?', 'answer': '1'},
  {'question': 'What is 3 - 1?', 'answer': 2},
  {'question': 'what  is 3 - 1?', 'answer': '2'},
  {'question': 'What is x?', 'answer': 'N/A'},
  {'question': 'What<|im_end|>?', 'answer': '4'},
)


def _written(path, lines):
  path.write_text(''.join(json.dumps(line) + '\n' for line in lines))
  return path


def test_what_is_asked_and_what_is_not(tmp_path):
  path, task = _written(tmp_path / 'q.jsonl', _LINES), task_of_files(tmp_path)
  found = References(path, 'question', 'answer').read(task, 'test')
  assert [p.answer for p in found.problems] == ['1', '2']
  assert found.without == {
    'asked twice': 1,
    "no reference answer but 'N/A'": 1,
    'spells the special token <|im_end|>': 1,
  }
  assert found.unread == 0
  solved = found.asked_by(task)
  assert solved.left_out('test') == found.without
  grades = solved.grade_all(found.problems[0], [r'\boxed{2/2}', r'\boxed{3}'])
  assert [grade.correct for grade in grades] == [True, False]


def test_ids_are_those_of_the_split_and_depend_on_no_other_question(tmp_path):
  split = [{'question': f'What is {n} + 1?', 'answer': n + 1} for n in range(9)]
  known = str(_written(tmp_path / 'test.jsonl', split))
  task = task_of_files(tmp_path, test=Rows(known), finetune=Rows(known))
  ids = {p.question: p.id for p in task.problems('test')}
  lines = [*split[5:2:-1], {'question': 'What is new?', 'answer': '7'}]
  path = _written(tmp_path / 'q.jsonl', lines)
  found = References(path, 'question', 'answer').read(task, 'test').problems
  assert [p.id for p in found[:-1]] == [ids[x['question']] for x in lines[:-1]]
  path = _written(tmp_path / 'other.jsonl', lines[-1:])
  (alone,) = References(path, 'question', 'answer').read(task, 'test').problems
  assert alone == found[-1]


def test_a_file_in_a_bucket_is_read_as_a_local_one(tmp_path, bucket):
  path, task = _written(tmp_path / 'q.jsonl', _LINES), task_of_files(tmp_path)
  bucket.put('b/q.jsonl', pathlib.Path(path).read_bytes())
  one, other = (
    References(where, 'question', 'answer').read(task, 'test')
    for where in (path, jsonl.located('gs://b/q.jsonl'))
  )
  assert one.problems == other.problems
  assert one.without == other.without


def test_what_identifies_them_is_in_the_file_and_in_how_they_are_posed(
  tmp_path,
):
  path, task = _written(tmp_path / 'q.jsonl', _LINES), task_of_files(tmp_path)
  read = lambda t: References(path, 'question', 'answer').read(t, 'test')
  first = read(task).asked_by(task)
  assert str(path) in contents.of(first)
  table = fingerprint.bindings(first)
  assert len(table) < 60  # a digest, and not every question
  other = task_of_files(tmp_path, template=Template(before='Please answer.\n'))
  changed = fingerprint.differences(
    table, fingerprint.bindings(read(other).asked_by(other))
  )
  assert [line.split(':')[0] for line in changed] == [
    "Asked.posed_by['Questions.template.before']"
  ]
  _written(path, [_LINES[0], {**_LINES[1], 'answer': 3}])
  changed = fingerprint.differences(
    table, fingerprint.bindings(read(task).asked_by(task))
  )
  assert [line.split(':')[0] for line in changed] == ['Asked.content']


def test_a_task_that_grades_by_itself_needs_no_references(tmp_path):
  task = Worksheet(goals=(2,), num_pretrain=5, num_finetune=5, num_test=6)
  own = task.problems('test')
  lines = [{'q': own[3].question}, {'q': '13: 7 2 1', 'answer': '13: 7+2=9'}]
  lines.append({'q': own[3].question})
  path = _written(tmp_path / 'q.jsonl', lines)
  found = References(path, 'q', 'answer').read(task, 'test')
  assert found.problems[0] == own[3]
  assert found.without == {'asked twice': 1}
  assert found.unread == 1


@pytest.mark.parametrize(
  ('lines', 'told'),
  [
    (_LINES[3:4], r"1 left out: no reference .* field 'answer', .* --answer"),
    ([], 'no question that can be judged .it has no lines.'),
    ([{'question': 'Why?'}], "line 1: field 'answer' is missing; .* --answer"),
    ([{'problem': 'Why?'}], "line 1: field 'question' is missing; .* --field"),
    ([{'question': 'Why?', 'answer': {}}], "line 1: field 'answer': expected"),
  ],
)
def test_a_file_that_nothing_can_be_judged_on(tmp_path, lines, told):
  path, task = _written(tmp_path / 'q.jsonl', lines), task_of_files(tmp_path)
  with pytest.raises(ValueError, match=told) as refused:
    References(path, 'question', 'answer').read(task, 'test')
  assert '\n' not in str(refused.value)
