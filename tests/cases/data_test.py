"""Files of questions and ratings as people have them: each with its value.

An id is that of a case and where it was reported.
"""

import bz2
import gzip
import json
import lzma
import re

import numpy as np
import pytest

from tests.data import toys
from ttc.cli import main
from ttc.data.jsonl import Rows
from ttc.data.questions import Questions
from ttc.data.templates import Template
from ttc.data.tokenizer import Tokenizer
from ttc.t5x import prm800k
from ttc.t5x.rated import Rated

ASKED = 'A rope of 12 m is cut in 3 equal parts. How long is one?'


def case(id, source, *values):
  return pytest.param(*values, id=f'{id} {source}')


def rows(path, content, **fields):
  if isinstance(content, str):
    content = content.encode()
  path.write_bytes(content)
  return Rows(str(path), **fields).read()


def graded(tmp_path, content, *options):
  """What `ttc grade` adds to rows: pairs of `correct` and `reason`."""
  source, target = tmp_path / 'in.jsonl', tmp_path / 'out.jsonl'
  source.write_bytes(
    content if isinstance(content, bytes) else content.encode()
  )
  arguments = ['grade', f'--input={source}', f'--output={target}', *options]
  code = main.main([*arguments, '--workers=0'])
  if code:
    return code
  added = map(json.loads, target.read_text().splitlines())
  return [(row['correct'], row['reason']) for row in added]


REFERENCES = [
  case('D-small', 'json.dumps', '1e-05', '0.00001'),
  case('D-small', 'json.dumps(1e22)', '1e+22', '1' + '0' * 22),
  case('D-small', 'as written', '0.10', '0.10'),
  case('D-small', 'upper case', '-2.5E3', '-2500'),
  case('D-small', 'an integer', '7', '7'),
  case('D-small', 'a large one', '9' * 30, '9' * 30),
  case('D-small', 'more than Python makes', '9' * 5000, '9' * 5000),
  case('D-small', 'endless', '1e999999999', '1e999999999'),
  case('D-small', 'no Decimal', '1e' + '9' * 30, '1e' + '9' * 30),
  case('D-list', 'OlympiadBench', '["4"]', '4'),
  case('D-list', 'skylight-research#34', '["70"]', '70'),
  case('D-list', 'several', '["4", 1e-05]', '4, 0.00001'),
]
NO_REFERENCES = [
  case('D-null', 'csghub-dataflow#124', 'null'),
  case('D-nan', 'csghub-dataflow#124', 'NaN'),
  case('D-nan', 'pandas', '-Infinity'),
  case('D-nan', 'pandas', 'Infinity'),
  case('D-list', 'an empty list', '[]'),
  case('D-list', 'a list of null', '[null]'),
  case('D-list', 'a part is missing', '["4", NaN]'),
  case('D-null', 'blank', '" "'),
  case('D-list', 'a part is missing, as text', '["4", "None"]'),
]
NO_REFERENCES_BUT = ('nan', 'NaN', 'None', 'null', 'N/A', ' none ', '<NA>')


@pytest.mark.parametrize(('answer', 'expected'), REFERENCES)
def test_a_number_or_list_is_the_same_reference_everywhere(
  tmp_path, answer, expected
):
  line = f'{{"question": "{ASKED}", "answer": {answer}}}'
  (row,) = rows(tmp_path / 'a.jsonl', line)
  assert row.answer == expected
  if len(expected) < 100 and 'e' not in expected:
    line = f'{{"gold": {answer}, "pred": "{expected}"}}'
    assert graded(tmp_path, line) == [(True, 'equal')]


@pytest.mark.parametrize('answer', NO_REFERENCES)
def test_a_reference_that_is_not_there_is_counted(tmp_path, answer):
  _is_left_out(tmp_path, answer, 'no reference answer')


@pytest.mark.parametrize('word', NO_REFERENCES_BUT)
def test_a_word_for_no_reference_is_counted_and_said(tmp_path, word):
  reason = f'no reference answer but {word.strip()!r}'
  _is_left_out(tmp_path, json.dumps(word), reason)


def test_the_word_none_can_be_an_answer(tmp_path):
  line = json.dumps({'gold': r'\text{None}', 'pred': 'none'})
  assert graded(tmp_path, line) == [(True, 'equal')]


def _is_left_out(tmp_path, answer, reason):
  lines = ''.join(
    f'{{"question": "What is {i}+0?", "answer": {value}}}\n'
    for i, value in enumerate(['"4"', answer])
  )
  rows(tmp_path / 'q.jsonl', lines)
  (tmp_path / 'e.jsonl').write_bytes(b'')
  folder = toys.bare(tmp_path / 'tokens', ['<eos>', '<gap>'])
  task = Questions(
    Tokenizer(str(folder), '<gap>'),
    Template(),
    Rows(str(tmp_path / 'e.jsonl')),
    Rows(str(tmp_path / 'q.jsonl')),
    workers=0,
  )
  assert [problem.id for problem in task.problems('test')] == [0]
  assert task.left_out('test') == {reason: 1}
  lines = f'{{"gold": "4", "pred": "4"}}\n{{"gold": {answer}, "pred": "4"}}'
  assert graded(tmp_path, lines) == [(True, 'equal'), (None, 'no reference')]


@pytest.mark.parametrize(
  ('line', 'question', 'answer'),
  [
    case(
      'D-dot',
      'json_normalize',
      {'question.problem': ASKED, 'a': '4'},
      'question.problem',
      'a',
    ),
    case(
      'D-dot',
      'the very name wins',
      {'q.p': ASKED, 'q': {'p': 'no'}, 'a': '4'},
      'q.p',
      'a',
    ),
    case(
      'D-dot',
      'dots on both sides',
      {'x': {'q.p': {'t': ASKED}}, 'a': '4'},
      'x.q.p.t',
      'a',
    ),
    case(
      'D-verl',
      'verl',
      {
        'prompt': [{'role': 'user', 'content': ASKED}],
        'reward_model': {'ground_truth': '4'},
      },
      'prompt.0.content',
      'reward_model.ground_truth',
    ),
    case('D-list', 'final_answer.0', {'q': ASKED, 'a': ['4', '5']}, 'q', 'a.0'),
    case(
      'D-verl',
      'lm-eval logs',
      {'doc': {'q': ASKED, 'answer': 4}},
      'doc.q',
      'doc.answer',
    ),
  ],
)
def test_names_of_fields(tmp_path, line, question, answer):
  found = rows(
    tmp_path / 'a.jsonl', json.dumps(line), question=question, answer=answer
  )
  assert [(row.question, row.answer) for row in found] == [(ASKED, '4')]
  options = (f'--gold_field={answer}', f'--pred_field={answer}')
  assert graded(tmp_path, json.dumps(line), *options) == [(True, 'equal')]


@pytest.mark.parametrize(
  ('level', 'expected'),
  [
    case('D-level5.0', 'a pandas column with gaps', '5.0', 5),
    case('D-level5.0', 'the gap', 'NaN', None),
    case('D-level5.0', 'as text', '"5.0"', 5),
    case('D-level5.0', 'MATH', '"Level 3"', 3),
    case('D-level5.0', 'null', 'null', None),
    case('levels', 'lower case', '"level 5"', 5),
    case('levels', 'a space', '"5 "', 5),
    case('levels', 'no space', '"LEVEL4"', 4),
    case('levels', 'not known', '"?"', None),
    case('levels', 'not known, as MATH writes it', '"Level ?"', None),
    case('levels', 'a gap as text', '"nan"', None),
  ],
)
def test_levels(tmp_path, level, expected):
  line = f'{{"question": "{ASKED}", "answer": "4", "level": {level}}}'
  (row,) = rows(tmp_path / 'a.jsonl', line, level='level')
  assert row.level == expected


LINE = json.dumps({'question': ASKED, 'answer': '4', 'gold': '4', 'pred': '4'})


@pytest.mark.parametrize(
  'content',
  [
    case('D-gzgrade', 'grade-school-math', gzip.compress(LINE.encode())),
    case('D-bom', 'datasets#8241', b'\xef\xbb\xbf' + LINE.encode() + b'\r\n'),
    case('D-bom', 'in gzip', gzip.compress(b'\xef\xbb\xbf' + LINE.encode())),
    case(
      'D-bom',
      'files joined by cat',
      (b'\xef\xbb\xbf' + LINE.encode() + b'\n') * 2,
    ),
  ],
)
@pytest.mark.parametrize('name', ['a.jsonl', 'a.jsonl.gz', 'a.GZ', 'a'])
def test_what_a_file_is_called_decides_nothing(tmp_path, content, name):
  assert {row.answer for row in rows(tmp_path / name, content)} == {'4'}
  assert set(graded(tmp_path, content)) == {(True, 'equal')}


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    case(
      'D-lfs',
      'rllm#55',
      b'version https://git-lfs.github.com/spec/v1\noid sha256:90d9\nsize 9\n',
      r'Git LFS.*git lfs pull',
    ),
    case('D-parquet', 'the Hub', b'PAR1\x15\x04\x15\x80' * 9, 'parquet'),
    case('D-parquet', 'the Hub', b'ARROW1\0\0' * 9, 'Arrow.*convert'),
    case('D-utf16', 'pydantic-ai#8312', LINE.encode('utf-16'), 'UTF-16.*iconv'),
    case(
      'D-utf16', 'big end', b'\xfe\xff' + LINE.encode('utf-16-be'), 'UTF-16'
    ),
    case('D-utf16', 'without a mark', LINE.encode('utf-16-le'), 'UTF-16'),
    case('D-utf16', 'in gzip', gzip.compress(LINE.encode('utf-16')), 'UTF-16'),
    case('D-utf16', 'UTF-32', LINE.encode('utf-32'), 'UTF-32.*iconv'),
    case('D-utf16', 'Latin 1', LINE.encode() + b'\xe9', 'not UTF-8.*iconv'),
    case('D-gzgrade', 'twice', gzip.compress(gzip.compress(b'a')), 'twice'),
    case(
      'D-gzgrade', 'cut', gzip.compress(LINE.encode())[:30], 'no whole gzip'
    ),
    case(
      'D-gzgrade',
      'damaged',
      gzip.compress(LINE.encode())[:12] + b'\xff' * 60,
      'no whole gzip',
    ),
    case('D-gzgrade', 'bzip2', bz2.compress(b'a'), 'bzip2'),
    case('D-gzgrade', 'xz', lzma.compress(b'a'), 'xz -d'),
    case('D-gzgrade', 'zip', b'PK\x03\x04' + b'a' * 9, 'zip archive'),
    case('D-lfs', 'the page of a file', b'<!DOCTYPE html>\n', 'web page'),
    case(
      'D-array',
      'one line',
      f'[{LINE}]'.encode(),
      r'line 1: .*got \[\{.*One object a line.*jq',
    ),
    case(
      'D-array',
      'indented',
      json.dumps([json.loads(LINE)], indent=2).encode(),
      r'line 1: .*One object a line.*jq',
    ),
    case(
      'D-array',
      'an indented object',
      json.dumps(json.loads(LINE), indent=2).encode(),
      r'line 1: .*One object a line.*jq',
    ),
    case('D-array', 'CSV', b'question,answer\n2+2,4\n', "of 'question,answer"),
  ],
)
def test_what_is_no_file_of_json_lines_is_named(
  tmp_path, capsys, content, message
):
  with pytest.raises(ValueError, match=f'a.jsonl.*{message}'):
    rows(tmp_path / 'a.jsonl', content)
  assert graded(tmp_path, content) == 2
  error = capsys.readouterr().err
  assert 'in.jsonl' in error
  assert not (tmp_path / 'out.jsonl').exists()


@pytest.mark.parametrize('field', ['question', 'answer', 'solution'])
def test_half_a_character_is_named(tmp_path, field):
  """Case D-surrogate, tiktoken#82: no tokenizer encodes it."""
  whole = {'question': ASKED, 'answer': '4', 'solution': '4'}
  lines = [whole, whole | {field: 'x\ud83d'}]
  message = f"a.jsonl: line 2: field '{field}' holds .*d83d.* at character 1"
  with pytest.raises(ValueError, match=message):
    rows(
      tmp_path / 'a.jsonl',
      '\n'.join(map(json.dumps, lines)),
      solution='solution',
    )


@pytest.mark.parametrize(
  ('row', 'options', 'message'),
  [
    (
      {'gold': '4', 'pred': ['It is 4.', 'It is 5.'], 'kind': 'response'},
      (),
      "line 1: field 'pred' is a list of 2 responses; .*--pred_field=pred.0",
    ),
    (
      {'gold': '4', 'pred': '4'},
      ('--correct_field=x', '--reason_field=x'),
      "both to be named 'x'; give --correct_field and --reason_field",
    ),
    ({'gold': '4', 'pred': '4'}, ('--seconds=nan',), 'seconds=nan.*positive'),
    ({'gold': '4', 'pred': '4'}, ('--seconds=inf',), 'seconds=inf.*positive'),
  ],
)
def test_what_would_be_graded_as_something_else(
  tmp_path, capsys, row, options, message
):
  assert graded(tmp_path, json.dumps(row), *options) == 2
  assert re.search(message, capsys.readouterr().err)
  assert not (tmp_path / 'out.jsonl').exists()


def test_grading_keeps_rows_as_they_are(tmp_path):
  line = '{"gold":1E0, "pred":"1","x": 0.10, "é": [1e400, NaN, "\\ud83d"]}'
  assert graded(tmp_path, f'{line}\r\n') == [(True, 'equal')]
  written = (tmp_path / 'out.jsonl').read_text(encoding='ascii')
  assert written.startswith(line[:-1].replace('é', '\\u00e9') + ', "correct"')


# Solutions of others, and what is read of them.
_SHEPHERD = 'What is 1+1? Step 1: 1+1 = 3 ки\nStep 2: The answer is: 3 ки'
SOLUTIONS = [
  case(
    'P-shepherd',
    'peiyi9979/Math-Shepherd',
    {
      'input': _SHEPHERD,
      'label': _SHEPHERD.replace('ки', '+', 1).replace('ки', '-'),
      'task': 'GSM8K',
    },
    Rated(
      'What is 1+1?',
      '',
      ('Step 1: 1+1 = 3', 'Step 2: The answer is: 3'),
      (1, -1),
      True,
    ),
  ),
  case(
    'P-shepherd',
    'a tag within the question, trl examples/datasets/math_shepherd.py',
    {
      'input': 'It ки is 1? Step 1: a ки b',
      'label': 'It - is 1? Step 1: a + b',
    },
    Rated('It  is 1?', '', ('Step 1: a',), (1,), False),
  ),
  case(
    'P-shepherd',
    'steps without numbers',
    {'input': 'Is it 1? Yes. ки\nDone ки', 'label': 'Is it 1? Yes. +\nDone +'},
    Rated('Is it 1?', '', ('Yes.', 'Done'), (1, 1), False),
  ),
  case(
    'P-processbench',
    'Qwen/ProcessBench',
    {
      'id': 'gsm8k-7',
      'generator': 'm',
      'problem': '2+2?',
      'steps': ['2+2=4', 'so 5', 'so 6'],
      'final_answer_correct': False,
      'label': 1,
    },
    Rated('2+2?', '', ('2+2=4', 'so 5'), (1, -1), False),
  ),
  case(
    'P-processbench',
    'as pandas writes it',
    {'problem': '2+2?', 'steps': ['2+2=4', 'so 5', 'so 6'], 'label': 1.0},
    Rated('2+2?', '', ('2+2=4', 'so 5'), (1, -1), False),
  ),
  case(
    'P-processbench',
    'without an error',
    {'problem': '2+2?', 'steps': ['2+2=4', 'so 4'], 'label': -1},
    Rated('2+2?', '', ('2+2=4', 'so 4'), (1, 1), True),
  ),
  case(
    'P-trl',
    'trl#2148',
    {
      'prompt': '2+2?',
      'completions': ['2+2=4', 'so 4'],
      'labels': [True, False],
    },
    Rated('2+2?', '', ('2+2=4', 'so 4'), (1, -1), False),
  ),
]


@pytest.mark.parametrize(('row', 'expected'), SOLUTIONS)
def test_rated_steps_of_others_are_read(tmp_path, row, expected):
  path = tmp_path / 'a.jsonl'
  path.write_text(json.dumps(row, ensure_ascii=False))
  assert list(prm800k.read(str(path))) == [expected]


def _published(**changes):
  completion = {'text': '2+2=4', 'rating': 1, 'flagged': False}
  step = {
    'completions': [completion],
    'human_completion': None,
    'chosen_completion': 0,
  }
  return {
    'question': {'problem': '2+2?', 'ground_truth_answer': '4'},
    'label': {'steps': [step | changes], 'finish_reason': 'solution'},
  }


def test_a_choice_as_pandas_writes_it(tmp_path):
  path = tmp_path / 'a.jsonl'
  path.write_text(json.dumps(_published(chosen_completion=0.0)))
  (rated,) = prm800k.read(str(path))
  assert rated.steps == ('2+2=4',)


def _without_steps():
  row = _published()
  row['label']['steps'] = None
  return row


@pytest.mark.parametrize(
  ('row', 'message'),
  [
    case(
      'P-stepsnull',
      'PRM800K',
      _without_steps(),
      "'label.steps': expected a list",
    ),
    case(
      'P-chosen',
      'PRM800K',
      _published(chosen_completion=3),
      'chosen.* 3, not one of its 1',
    ),
    case(
      'P-chosen',
      'negative',
      _published(chosen_completion=-1),
      'chosen.* -1, not one of its 1',
    ),
    case(
      'P-chosen',
      'none',
      _published(completions=None),
      'chosen.* 0, not one of its 0',
    ),
    case(
      'P-chosen',
      'null text',
      _published(completions=[{'text': None, 'rating': 1}]),
      'expected text, got null',
    ),
    case(
      'P-chosen',
      'no rating',
      _published(completions=[{'text': 'a'}]),
      "rating' is missing",
    ),
    case(
      'P-stepsnull', 'a step', _published() | {'label': 5}, "'label.steps' is"
    ),
    case(
      'P-flat',
      'booleans are no ratings',
      {'problem': 'a', 'steps': ['a'], 'ratings': [False]},
      'expected ratings of .*, got false',
    ),
    case(
      'P-flat',
      'a null step',
      {'problem': 'a', 'steps': [None], 'ratings': [1]},
      r"'steps\.0': expected text",
    ),
    case(
      'D-surrogate',
      'in a step',
      {'problem': 'a', 'steps': ['\ud83d'], 'ratings': [1]},
      r"'steps\.0' holds .*surrogate",
    ),
    case(
      'P-processbench',
      'beyond the steps',
      {'problem': 'a', 'steps': ['a'], 'label': 1},
      "'label': expected .*got 1",
    ),
    case(
      'P-trl',
      'of two lengths',
      {'prompt': 'a', 'completions': ['a'], 'labels': []},
      'of one length, got 1 and 0',
    ),
    case(
      'P-trl',
      'a share',
      {'prompt': 'a', 'completions': ['a'], 'labels': [0.5]},
      'expected true or false, got',
    ),
    case(
      'P-shepherd',
      'of two texts',
      {'input': 'a? Step 1: b ки', 'label': 'a? Step 1: c +'},
      "in place of each 'ки'; number 1 is not",
    ),
    case(
      'P-trl', 'a row of another form', {'q': 'a'}, "'completions' and 'labels'"
    ),
  ],
)
def test_a_damaged_row_is_named(tmp_path, row, message):
  path = tmp_path / 'a.jsonl'
  path.write_text('\n'.join(map(json.dumps, [_published(), row])))
  with pytest.raises(ValueError, match=f'a.jsonl: line 2: .*{message}'):
    list(prm800k.read(str(path)))


def test_ratings_become_labels(tmp_path):
  """Case P-shepherd: the forms lead to the same examples as PRM800K's."""
  folder = toys.bare(tmp_path / 'tokens', ['<eos>', '<gap>'])
  vocabulary = Tokenizer(str(folder), '<gap>')
  label = prm800k.RatedSteps(vocabulary)
  path = tmp_path / 'a.jsonl'
  for row, expected in [param.values for param in SOLUTIONS]:
    path.write_text(json.dumps(row))
    (rated,) = prm800k.read(str(path))
    example = label.document(rated, [], 0)
    assert example.labels.tolist() == [(r + 1) / 2 for r in expected.ratings]
    read = vocabulary.decode(example.tokens.tolist())
    assert read.rstrip('\n') == '\n'.join(expected.steps)
    assert (np.diff(example.positions) > 0).all()
