"""Tests of `ttc grade` on files."""

import json
import operator
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from ttc.cli import main
from ttc.grading import grader

_REPOSITORY = pathlib.Path(__file__).parents[2]
_ROWS = (
  {'gold': '\\frac{1}{2}', 'pred': '0.5', 'id': 7},
  {'gold': '5', 'pred': 'So it is \\boxed{6}.', 'kind': 'response'},
  {'gold': 12, 'pred': 12.0},
  {'gold': '3', 'pred': None},
  {'gold': '3', 'pred': 'It is \\boxed{3', 'kind': 'response'},
  {'gold': '4', 'pred': '4', 'truncated': True, 'note': 'é'},
  {'gold': '3', 'pred': '\\prod_{k=1}^{1000000} (x+k)'},
  {'gold': ' ', 'pred': '1'},
)


def _write(path, rows):
  lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
  path.write_text(''.join(f'{line}\n' for line in lines), encoding='utf-8')
  return path


def _arguments(source, target, *more):
  return ['grade', f'--input={source}', f'--output={target}', *more]


def _graded(path):
  return [json.loads(line) for line in path.read_text().splitlines()]


def _leftovers(folder):
  return [path.name for path in folder.iterdir() if path.name.startswith('.')]


def test_rows_get_verdicts_and_keep_what_they_had(tmp_path, capsys):
  source, target = _write(tmp_path / 'a.jsonl', _ROWS), tmp_path / 'b.jsonl'
  assert main.main(_arguments(source, target, '--workers=1')) == 0
  rows = _graded(target)
  assert [(row['correct'], row['reason']) for row in rows] == [
    (True, 'equal'),
    (False, 'different'),
    (True, 'equal'),
    (False, 'no answer'),
    (False, 'cut short'),
    (True, 'equal'),
    (False, 'timeout'),
    (None, 'no reference'),
  ]
  for row, given in zip(rows, _ROWS, strict=True):
    assert {key: row[key] for key in given} == given
  told = capsys.readouterr()
  table = [line.split(None, 1) for line in told.out.splitlines()]
  assert ['accuracy', '0.4286  (3 of 7)'] in table
  assert ['of', 'whole answers      0.4000  (2 of 5)'] in table
  assert ['of', 'truncated answers  0.5000  (1 of 2)'] in table
  assert ['timeouts', '1'] in table
  assert 'no reference, left out' in told.out
  assert '8/8 rows' in told.err
  assert not _leftovers(tmp_path)


def test_fields_have_other_names_when_told(tmp_path):
  rows = [
    {'answer': '#### 5', 'solution': 'A: 5', 'correct': 'kept', 'how': 'x'}
  ]
  source, target = _write(tmp_path / 'a.jsonl', rows), tmp_path / 'b.jsonl'
  arguments = _arguments(
    source,
    target,
    '--gold_field=answer',
    '--pred_field=solution',
    '--kind=response',
    '--correct_field=right',
    '--reason_field=why',
  )
  assert main.main(arguments) == 0
  assert _graded(target) == [{**rows[0], 'right': True, 'why': 'equal'}]


def test_a_finished_output_is_not_written_over(tmp_path, capsys):
  source, target = _write(tmp_path / 'a.jsonl', _ROWS[:1]), tmp_path / 'b.jsonl'
  target.write_text('mine')
  assert main.main(_arguments(source, target)) == 2
  assert target.read_text() == 'mine'
  assert 'b.jsonl exists' in capsys.readouterr().err


@pytest.mark.parametrize(
  ('bad', 'message'),
  [
    ('{"gold": "1", ', 'expected a JSON object'),
    ('[1, 2]', 'expected a JSON object, got [1, 2]'),
    ('\udcff'.encode('utf-8', 'surrogateescape'), 'expected a JSON object'),
    ('[' * 100_000, 'expected a JSON object'),
    ({'gold': '1'}, "field 'pred' is missing; the line has 'gold'"),
    ({'pred': '1'}, "field 'gold' is missing"),
    ({'gold': [['1']], 'pred': '1'}, "field 'gold': expected text or a number"),
    (
      {'gold': '1', 'pred': {'a': 1}},
      "field 'pred': expected text or a number",
    ),
    ({'gold': '1', 'pred': True}, "field 'pred': expected text or a number"),
    ({'gold': '1', 'pred': '1', 'kind': 'essay'}, "field 'kind': expected one"),
    ({'gold': '1', 'pred': '1', 'kind': ['a']}, "field 'kind': expected one"),
    ({'gold': '1', 'pred': '1', 'truncated': 'no'}, "field 'truncated'"),
    (
      {'gold': '1', 'pred': '1', 'correct': 1},
      "field 'correct' is there already",
    ),
  ],
)
def test_a_bad_row_is_named_before_any_work(tmp_path, capsys, bad, message):
  source = _write(tmp_path / 'a.jsonl', [_ROWS[0]])
  line = bad if isinstance(bad, bytes | str) else json.dumps(bad)
  line = line.encode() if isinstance(line, str) else line
  source.write_bytes(source.read_bytes() + line + b'\n' + line)
  assert main.main(_arguments(source, tmp_path / 'b.jsonl')) == 2
  error = capsys.readouterr().err
  assert f'a.jsonl: line 2: {message}' in error
  assert 'line 3' in error
  assert [path.name for path in tmp_path.iterdir()] == ['a.jsonl']


def test_many_bad_rows_are_counted(tmp_path, capsys):
  source = _write(tmp_path / 'a.jsonl', [{}] * 12)
  assert main.main(_arguments(source, tmp_path / 'b.jsonl')) == 2
  assert 'and 7 more' in capsys.readouterr().err


@pytest.mark.parametrize(
  ('source', 'target', 'message'),
  [
    ('none.jsonl', 'b.jsonl', 'there is no file'),
    ('a.jsonl', 'none/b.jsonl', 'there is no folder'),
    ('empty.jsonl', 'b.jsonl', 'has no rows'),
    ('a.jsonl', 'a.jsonl', 'a.jsonl exists'),
  ],
)
def test_wrong_paths_are_refused(tmp_path, capsys, source, target, message):
  _write(tmp_path / 'a.jsonl', _ROWS[:1])
  _write(tmp_path / 'empty.jsonl', [''])
  assert main.main(_arguments(tmp_path / source, tmp_path / target)) == 2
  assert message in capsys.readouterr().err


@pytest.mark.parametrize(
  'option', ['--workers=-1', '--seconds=0', '--seconds=-1']
)
def test_wrong_settings_are_refused(tmp_path, capsys, option):
  source = _write(tmp_path / 'a.jsonl', _ROWS[:1])
  assert main.main(_arguments(source, tmp_path / 'b.jsonl', option)) == 2
  assert 'must be' in capsys.readouterr().err


@pytest.mark.parametrize(
  'option', ['--gin.A=1', '--gin_file=x', '--colour=red']
)
def test_options_of_stages_are_not_options_here(tmp_path, capsys, option):
  source = _write(tmp_path / 'a.jsonl', _ROWS[:1])
  with pytest.raises(SystemExit, match='2'):
    main.main(_arguments(source, tmp_path / 'b.jsonl', option))
  assert option in capsys.readouterr().err


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_stopped_it_leaves_no_file_and_no_process(tmp_path, number):
  slow = [
    {'gold': '3', 'pred': f'\\prod_{{k=1}}^{{{10**6 + i}}} (x+k)'}
    for i in range(100)
  ]
  source, target = _write(tmp_path / 'a.jsonl', slow), tmp_path / 'b.jsonl'
  arguments = _arguments(source, target, '--workers=1', '--seconds=5')
  _stop(['-m', 'ttc.cli.main', *arguments], number, tmp_path)


_ENDLESS = """
import sys
from ttc.cli import main
from ttc.grading import grader
def same(*args, **kwargs):
  while True:
    try:
      sum(range(1000))
    except Exception:
      pass
grader.same = same
sys.exit(main.main(sys.argv[1:]))
"""


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_stopped_it_ends_whatever_a_comparison_does(tmp_path, number):
  source = _write(tmp_path / 'a.jsonl', _ROWS[:1] * 3)
  arguments = _arguments(source, tmp_path / 'b.jsonl')
  _stop(['-c', _ENDLESS, *arguments], number, tmp_path)


def _stop(command, number, folder):
  process = subprocess.Popen(
    [sys.executable, *command],
    cwd=_REPOSITORY,
    stderr=subprocess.PIPE,
    text=True,
  )
  while not _leftovers(folder):
    assert process.poll() is None
    time.sleep(0.01)
  time.sleep(0.3)
  os.kill(process.pid, number)
  _, error = process.communicate(timeout=30)
  assert process.returncode == 128 + number
  assert 'nothing was written' in error
  assert [path.name for path in folder.iterdir()] == ['a.jsonl']


# Each of these once stopped a run: forever, or with an exception.
_ONCE_FATAL = (
  '\\boxed{\\text{' + 'a' * 60 + '7}}',
  '\\text{' + 'the number of ways ' * 20 + '7 }',
  '5 ' + 'cm^2 ' * 40 + '+',
  '# answer' + ' ' * 20_000,
  '\\log_{1.00000000000000000000001} 2',
  '\\log_2(\\frac{1}{10^{400}})',
  '\\log_{10^{400}} 2',
  '\\frac' * 350,
  '\\sqrt' * 350 + '2',
  '\\log_' * 250,
  '\\frac\u1369' + '2',
  'x_{\ud800}',
  '1e\\pm-999',
  '(x^{10^{3000}})' + '^{10}' * 20,
  '\\sin(((x^{10^{3000}})^{10^{3000}})^{10^{3000}})',
)


def test_answers_that_once_stopped_a_run_cost_only_themselves(tmp_path, capsys):
  rows = [{'gold': str(i), 'pred': f'{i}.0', 'id': i} for i in range(1000)]
  for i, text in enumerate(_ONCE_FATAL):
    for j, kind in enumerate(('answer', 'response')):
      rows[60 * i + j] |= {'pred': text, 'kind': kind, 'gold': '10x+3'}
    rows[60 * i + 2] |= {'pred': '10x+3', 'gold': text}
  rows[999]['gold'] = '\\boxed{}'
  source, target = _write(tmp_path / 'a.jsonl', rows), tmp_path / 'b.jsonl'
  start = time.monotonic()
  assert main.main(_arguments(source, target)) == 0
  assert time.monotonic() - start < 30
  graded = _graded(target)
  assert [row['id'] for row in graded] == list(range(1000))
  assert sum(row['correct'] is True for row in graded) == (
    999 - 3 * len(_ONCE_FATAL)
  )
  assert graded[999]['reason'] == 'no reference'
  assert not any(row['reason'] == 'crash' for row in graded)
  assert 'crash' not in capsys.readouterr().out


def _bug(*args, **kwargs):
  raise ZeroDivisionError('a bug \x1b[31m')


@pytest.mark.parametrize(
  'where', ['extraction.extract', 'parser.read', 'parser.alternatives', 'same']
)
def test_an_exception_costs_one_answer_and_is_counted(
  tmp_path, capsys, caplog, monkeypatch, where
):
  real = operator.attrgetter(where)(grader)

  def function(text, *args, **kwargs):
    return _bug() if 'BUG' in repr(text) else real(text, *args, **kwargs)

  monkeypatch.setattr(f'ttc.grading.grader.{where}', function)
  rows = [{'gold': '5', 'pred': f'answer: {i}'} for i in range(10)]
  rows[3] = {'gold': 'BUG+1', 'pred': 'answer: BUG+2'}
  source, target = _write(tmp_path / 'a.jsonl', rows), tmp_path / 'b.jsonl'
  assert main.main(_arguments(source, target, '--kind=response')) == 0
  reasons = [row['reason'] for row in _graded(target)]
  assert reasons.count('equal') == 1
  assert reasons.count('different') == 8
  assert reasons[3] == 'crash'
  assert ['crash', '1'] in map(str.split, capsys.readouterr().out.splitlines())
  (record,) = caplog.records
  assert 'ZeroDivisionError' in record.getMessage()
  assert '\x1b' not in record.getMessage()


def test_of_two_that_write_to_one_output_the_second_fails(tmp_path):
  slow = '\\prod_{k=1}^{1000000} (x+k)'
  processes = []
  for name in 'ab':
    rows = [{'gold': '3', 'pred': f'{slow}+{i}', 'by': name} for i in range(3)]
    source = _write(tmp_path / f'{name}.jsonl', rows)
    arguments = _arguments(source, tmp_path / 'out.jsonl', '--workers=1')
    processes.append(
      subprocess.Popen(
        [sys.executable, '-m', 'ttc.cli.main', *arguments],
        cwd=_REPOSITORY,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
      )
    )
  while len(_leftovers(tmp_path)) < 2:  # both write, each to its own file
    assert all(process.poll() is None for process in processes)
    time.sleep(0.01)
  said = {}
  for name, process in zip('ab', processes, strict=True):
    _, error = process.communicate(timeout=120)
    said[name] = process.returncode, error
  (winner,) = [name for name, (code, _) in said.items() if code == 0]
  (code, error) = said['b' if winner == 'a' else 'a']
  assert code == 2
  assert 'out.jsonl was written by another process' in error
  graded = _graded(tmp_path / 'out.jsonl')
  assert [row['by'] for row in graded] == [winner] * 3
  assert not _leftovers(tmp_path)


def test_the_output_appears_also_on_disks_without_hard_links(
  tmp_path, monkeypatch
):
  def link(source, target):
    raise PermissionError('this disk has no hard links')

  monkeypatch.setattr(os, 'link', link)
  source, target = _write(tmp_path / 'a.jsonl', _ROWS[:1]), tmp_path / 'b.jsonl'
  assert main.main(_arguments(source, target)) == 0
  assert len(_graded(target)) == 1
  assert not _leftovers(tmp_path)


@pytest.mark.parametrize(
  'row',
  [
    '"\\u001b[31m"',
    '{"\\u001b[31m\\ud800": 1}',
    '{"gold": {"\\u001b[31m": "\\ud800\x7f"}, "pred": "1"}',
    '{"gold": "1", "pred": "1", "kind": "\\u001b]0;x\\u0007\x7f\\u009b"}',
    '{"gold": "1", "pred": "1", "truncated": "\\u001b[2J\\ud800"}',
    json.dumps({'x' * 10_000: 1}),
  ],
)
def test_messages_are_harmless_on_a_terminal(tmp_path, capsys, row):
  source = _write(tmp_path / 'a.jsonl', [row])
  assert main.main(_arguments(source, tmp_path / 'b.jsonl')) == 2
  error = capsys.readouterr().err.removesuffix('\n')
  assert error.isprintable()
  assert len(error) < 1000


def test_shared_cases_through_the_command(tmp_path):
  cases = _REPOSITORY / '..' / 'shared/data/grader_cases_public.jsonl'
  if not cases.exists():
    pytest.skip('the shared cases are not here')
  target = tmp_path / 'b.jsonl'
  assert main.main(_arguments(cases, target)) == 0
  rows = [row for row in _graded(target) if row['expected'] is not None]
  assert len(rows) == 296
  assert [row['correct'] for row in rows] == [bool(r['expected']) for r in rows]
