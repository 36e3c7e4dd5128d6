"""What is told of work is true: commands, parts, reuse, sweeps."""

import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import time

import pytest

from tests.cli.little_stages import Coin, Count, Toss
from ttc.cli import main
from ttc.pipeline import reuse, run_log, status
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.run_log import RunLog
from ttc.pipeline.stage import Place, StageRun

_REPOSITORY = pathlib.Path(__file__).parents[2]
_GIN = _REPOSITORY / 'tests' / 'cli' / 'little.gin'
_TOSS = 'seed-0/toss'


def _run(output, *arguments):
  return main.main(
    ['run', f'--gin_file={_GIN}', f'--gin.OUTPUT={str(output)!r}', *arguments]
  )


def _log(root, name, *lines, host=None, process=(0, 1), age=0.0):
  folder = root / run_log.FOLDER
  folder.mkdir(parents=True, exist_ok=True)
  now = time.time() - age
  begun = {'host': host or socket.gethostname(), 'process': process}
  begun['stages'] = [_TOSS]
  text = ''.join(
    f'{json.dumps({"time": now, **line})}\n' for line in (begun, *lines)
  )
  (folder / f'{name}.log').write_text(text)
  os.utime(folder / f'{name}.log', (now, now))


_BUSY = {'code': 2, 'error': 'another process is at work', 'busy': True}


def test_a_refused_second_command_fails_nothing(tmp_path):
  """P10, CellBender#241: the first is running, then killed; never failed."""
  slow = [
    *(sys.executable, '-m', 'ttc.cli.main', 'run', f'--gin_file={_GIN}'),
    f'--gin.OUTPUT={str(tmp_path)!r}',
    '--gin.Toss.seconds=60.0',
  ]
  little = tmp_path / 'little'
  with subprocess.Popen(slow, cwd=_REPOSITORY) as first:
    while not (little / _TOSS / 'stage.json').exists():
      assert first.poll() is None
      time.sleep(0.02)
    assert subprocess.run(slow, cwd=_REPOSITORY, check=False).returncode == 2
    (run,) = status.read(little)
    assert (run.state, run.stages[0].state) == ('running', 'running')
    first.kill()
  (run,) = status.read(little)
  assert (run.state, run.stages[0].state, run.detail) == (
    'stopped',
    'stopped',
    '',
  )
  assert run.attempts == 1


def test_a_refused_second_command_fails_nothing_elsewhere(tmp_path):
  """P10: the first command is another machine's, whose lock is not seen."""
  _log(tmp_path, '1', {'stage': _TOSS}, host='elsewhere', age=60)
  _log(tmp_path, '2', {'stage': _TOSS}, _BUSY)
  (run,) = status.read(tmp_path)
  assert (run.state, run.detail) == ('running', f'{_TOSS} on elsewhere')


def test_the_peers_of_a_refused_command_fail_nothing(tmp_path):
  """P10: of two processes, the second only lost the first."""
  _log(tmp_path, '1', {'stage': _TOSS}, process=(0, 2), age=60)
  _log(tmp_path, '2', {'stage': _TOSS}, process=(1, 2), age=60)
  _log(tmp_path, '3', {'stage': _TOSS}, _BUSY, process=(0, 2), age=9)
  lost = {'code': 1, 'error': 'process 0 has left'}
  _log(tmp_path, '4', {'stage': _TOSS}, lost, process=(1, 2), age=8)
  (run,) = status.read(tmp_path)
  assert (run.state, run.attempts) == ('stopped', 2)


def test_a_real_failure_after_a_refusal_counts(tmp_path):
  """P10, the other way."""
  _log(tmp_path, '1', {'stage': _TOSS}, _BUSY, age=9)
  _log(tmp_path, '2', {'stage': _TOSS}, {'code': 1, 'error': 'ValueError: no'})
  (run,) = status.read(tmp_path)
  assert (run.state, run.detail) == ('failed', f'{_TOSS}: ValueError: no')


def test_a_cell_that_another_command_works_on_has_not_failed(tmp_path):
  """P10 in a sweep, whose log has the exit code of the refused cell."""
  (tmp_path / 'sweep.json').write_text(
    json.dumps({'cells': [{'name': 'a', 'bindings': {}}]})
  )
  _log(tmp_path / 'a', '1', {'stage': _TOSS}, host='elsewhere', age=60)
  began = time.time() - 10
  _log(tmp_path / 'a', '2', {'stage': _TOSS}, _BUSY, age=9)
  sweep = {'cell': 'a', 'code': 2, 'began': began}
  folder = tmp_path / run_log.FOLDER
  folder.mkdir()
  lines = [{'time': began, 'host': 'x'}, {'time': time.time(), **sweep}]
  (folder / '1.log').write_text(''.join(f'{json.dumps(x)}\n' for x in lines))
  (run,) = status.read(tmp_path)
  assert (run.name, run.state) == ('a', 'running')


def test_a_sweep_does_not_hide_the_experiment_of_its_folder(tmp_path, capsys):
  """O10: a folder that was a sweep's and is an experiment's as well.

  A sweep into an experiment's folder is refused; earlier revisions made such.
  """
  base = tmp_path / 'base.gin'
  base.write_text("include 'tests/cli/little.gin'\nOUTPUT = 'unused'\n")
  sweep = ['sweep', f'--gin_file={base}', f'--output={tmp_path / "little"}']
  assert main.main([*sweep, '--sweep.ITEMS=[2, 4]', '--run']) == 0
  assert _run(tmp_path) == 0
  runs = status.read(tmp_path / 'little')
  assert [(run.name, run.state) for run in runs] == [
    ('little', 'done'),
    ('items-2', 'done'),
    ('items-4', 'done'),
  ]
  capsys.readouterr()
  assert main.main(['status', str(tmp_path / 'little')]) == 0
  assert capsys.readouterr().out.splitlines()[-1] == '3 runs: 3 done'


def _cells(folder, *names):
  folder.mkdir(parents=True, exist_ok=True)
  cells = [{'name': name, 'bindings': {}} for name in names]
  (folder / 'sweep.json').write_text(json.dumps({'cells': cells}))


def test_a_sweep_does_not_hide_those_below_it(tmp_path):
  """O10: they were one line each, failed or stopped for what one cell was."""
  _cells(tmp_path, 'a')
  _log(tmp_path / 'a', '1', {'stage': _TOSS}, {'code': 0})
  _cells(tmp_path / 'inner', 'b', 'c')
  _log(tmp_path / 'inner' / 'b', '1', {'stage': _TOSS}, {'code': 0})
  (tmp_path / 'inner' / run_log.FOLDER).mkdir()
  begun = {'time': 1.0, 'host': 'x'}
  lines = [begun, {'time': 2.0, 'cell': 'c', 'code': 1, 'began': 1.0}]
  (tmp_path / 'inner' / run_log.FOLDER / '1.log').write_text(
    ''.join(f'{json.dumps(line)}\n' for line in lines)
  )
  _log(tmp_path / 'old', '1', {'stage': _TOSS}, {'code': 0})  # no cell any more
  names = [run.name for run in status.read(tmp_path)]
  assert names == ['a', 'old', 'inner/b', 'inner/c']
  below = {run.name: run.state for run in status.read(tmp_path / 'inner')}
  for run in status.read(tmp_path):
    if run.name.startswith('inner/'):
      assert run.state == below[run.name.removeprefix('inner/')]


def test_jobs_are_looked_for_where_they_write(tmp_path, capsys):
  """The folder of jobs said of all of them that they wait, for ever."""
  output = tmp_path / 'bucket'
  _cells(output, 'a')
  _log(output / 'a', '1', {'stage': _TOSS}, {'code': 0})
  _cells(tmp_path / 'jobs', 'a')
  assert main.main(['status', str(tmp_path / 'jobs')]) == 0
  assert '1 waiting' in capsys.readouterr().out
  (tmp_path / 'jobs' / 'output').write_text(f'{output}\n')
  assert main.main(['status', str(tmp_path / 'jobs')]) == 0
  told = capsys.readouterr()
  assert '1 stopped' in told.out
  assert f'they write to {output}, read instead' in told.err


@pytest.mark.parametrize(
  ('folder', 'hint'),
  [
    ('a', r'name an experiment in it, such as \S*/a/little'),
    ('a/little/seed-0', r'name the experiment, \S*/a/little'),
    ('empty', None),
  ],
)
def test_reuse_that_finds_nothing_says_so(tmp_path, capsys, folder, hint):
  """O01, transformers#26959: a folder that holds no such stages."""
  assert _run(tmp_path / 'a') == 0
  (tmp_path / 'empty').mkdir()
  capsys.readouterr()
  source = tmp_path / folder
  assert _run(tmp_path / 'b', f'--gin.Experiment.reuse={str(source)!r}') == 0
  (line,) = re.findall('nothing taken from .*', capsys.readouterr().err)
  assert f'{source.resolve()}, which has no finished stage of {_TOSS}' in line
  assert re.search(hint, line) if hint else line.endswith('seed-0/count')
  assert not (tmp_path / 'b' / 'little' / _TOSS).is_symlink()


def test_reuse_of_another_seed_names_what_there_is(tmp_path, capsys):
  """O01: the folder is right and has only seed 0."""
  assert _run(tmp_path / 'a') == 0
  base = tmp_path / 'a' / 'little'
  arguments = (
    f'--gin.Experiment.reuse={str(base)!r}',
    '--gin.Experiment.seeds=(1,)',
  )
  assert _run(tmp_path / 'b', *arguments) == 0
  said = capsys.readouterr().err
  assert (
    'no finished stage of seed-1/toss, seed-1/count; it has seed-0/' in said
  )


def test_reuse_that_found_its_stages_before_says_nothing(tmp_path):
  """O01, the other way: the second run has them already."""
  assert _run(tmp_path / 'a') == 0
  experiment = Experiment(
    'x', (Toss(coin=Coin(0.3)), Count()), reuse=str(tmp_path / 'a' / 'little')
  )
  root = tmp_path / 'b'
  assert len(list(reuse.take(experiment, root))) == 2
  assert list(reuse.take(experiment, root)) == []


class _Filled(Toss):
  """Tosses in parts that None fills up."""

  def __call__(self, run):
    """Writes a part of three and one of one."""
    for part in run.parts([0, 1, 2, 3, None, None], 3):
      assert None not in part.items
      part.write([{'problem': item, 'rows': []} for item in part.items])


def test_what_fills_up_a_part_is_not_counted(tmp_path, capsys):
  """O03: '256/256 questions' for 4 of them, '3584' for 2688."""
  run = StageRun(_Filled(coin=Coin()), Place(tmp_path), 0)
  run.work()
  assert '4/4 questions' in capsys.readouterr().err
  last = (run.folder / 'part-00001-of-00002.jsonl').read_text()
  assert last.count('\n') == 1
  (run.folder / 'part-00001-of-00002.jsonl').unlink()
  (run.folder / 'COMPLETE').unlink()
  again = StageRun(_Filled(coin=Coin()), Place(tmp_path), 0)
  again.work()
  assert '4/4 questions' in capsys.readouterr().err


def test_names_and_errors_are_printed_without_control_characters(
  tmp_path, capsys
):
  """Text from files of others must not command the terminal."""
  log = RunLog()
  log.begin(tmp_path / 'a\x1b[2Jb', process=(0, 1), stages=['seed-0/x\x1b[1m'])
  log.stage('seed-0/x\x1b[1m')
  log.end(1, 'ValueError: \x1b]0;owned\x07 \u202eabc')
  for folder in (tmp_path, tmp_path / 'a\x1b[2Jb', tmp_path / 'no\x1b[2J'):
    main.main(['status', str(folder)])
    said = ''.join(capsys.readouterr())
    assert said.strip()
    assert not re.search('[\x00-\x09\x0b-\x1f\x7f\u202e]', said)


@pytest.mark.parametrize(
  'text',
  [
    *('{}', '[1]', '5', '', '{"cells": 5}', '{"cells": [5]}', '\xff'),
    *('{"cells": [{"x": 1}]}', '{"cells": [{"name": 5}]}'),
    '{"cells": [{"name": "../x"}]}',
  ],
)
def test_a_list_of_cells_that_is_none_is_one_line(tmp_path, capsys, text):
  (tmp_path / 'sweep.json').write_text(text, encoding='latin-1')
  assert main.main(['status', str(tmp_path)]) == 2
  (line,) = capsys.readouterr().err.splitlines()
  assert f'{tmp_path}/sweep.json cannot be read as the cells' in line


@pytest.mark.parametrize('text', ['{}', '[]', '5', '{"seconds": "x"}', '\xff'])
def test_a_damaged_stage_json_is_one_line(tmp_path, capsys, text):
  folder = tmp_path / 'seed-0' / 'toss'
  folder.mkdir(parents=True)
  (folder / 'stage.json').write_text(text, encoding='latin-1')
  assert main.main(['status', str(tmp_path)]) == 2
  (line,) = capsys.readouterr().err.splitlines()
  assert f'{folder}/stage.json cannot be read' in line


@pytest.mark.parametrize(
  'text', ['{"x": 5}', '[]', '5', '{"time": "x"}', '\xff']
)
def test_logs_that_are_not_ours_are_passed_over(tmp_path, text):
  _log(tmp_path, '1', {'stage': _TOSS}, {'code': 0})
  (tmp_path / 'attempts' / '2.log').write_text(f'{text}\n', encoding='latin-1')
  (run,) = status.read(tmp_path)
  assert run.attempts == 1


def test_a_folder_that_is_none_is_one_line(tmp_path, capsys):
  (tmp_path / 'file').write_text('')
  (tmp_path / 'sweep.json').mkdir()
  for name in ('', ' ', tmp_path / 'file', tmp_path / 'none', tmp_path):
    assert main.main(['status', str(name)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert 'holds no exp' in line or 'cannot be read as the cells' in line


@pytest.mark.parametrize('refusal', [400, 403])
def test_a_bucket_that_is_not_ours_is_one_line(bucket, capsys, refusal):
  output = "--gin.OUTPUT='gs://others/x'"
  sweep = ['--output=gs://others/x', '--sweep.ITEMS=[2]', '--run']
  bucket.refusal = refusal
  try:
    for arguments in (
      ['status', 'gs://others/x'],
      ['run', f'--gin_file={_GIN}', output],
      ['run', f'--gin_file={_GIN}', output, '--check'],
      ['sweep', f'--gin_file={_GIN}', *sweep],
      ['verify', 'gs://others/x'],
    ):
      assert main.main(arguments) in (1, 2)
      (line,) = capsys.readouterr().err.splitlines()
      assert line.startswith('ttc: ')
      assert 'Not you' in line
  finally:
    bucket.refusal = None


def test_a_log_is_on_disk_before_it_has_its_name(tmp_path, monkeypatch):
  """A power cut leaves a log that is whole, or none."""
  done = []
  for name in ('fsync', 'rename'):
    real = getattr(os, name)
    monkeypatch.setattr(
      os, name, lambda *a, real=real, name=name: (done.append(name), real(*a))
    )
  log = RunLog()
  log.begin(tmp_path, process=(0, 1), stages=[])
  log.stage(_TOSS)
  assert done == ['fsync', 'rename', 'fsync']
  log.end(0)
