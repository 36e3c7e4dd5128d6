"""Tests of what is told of runs, from records made by hand and by stages."""

import json
import os
import pathlib
import socket
import subprocess
import sys
import time

import pytest

from tests.cli.little_stages import Coin, Count, Toss
from ttc.cli import main
from ttc.pipeline import records, run_log, status
from ttc.pipeline.place import Place
from ttc.pipeline.run_log import RunLog
from ttc.pipeline.stage import StageRun

_STAGES = ['seed-0/toss', 'seed-0/count']
_REPOSITORY = pathlib.Path(__file__).parents[2]
_HERE = socket.gethostname()


def _work(root, *, failing=False, seconds=0.0):
  toss = Toss(coin=Coin(), seconds=seconds, fail_at=3 if failing else None)
  run = StageRun(toss, Place(root), 0)
  if failing:
    with pytest.raises(RuntimeError):
      run.work()
  else:
    run.work()
    StageRun(Count(), Place(root), 0).work()


def _log(root, name, *lines, age=0.0):
  """An attempt as a process left it that is not there any more."""
  folder = root / run_log.FOLDER
  folder.mkdir(parents=True, exist_ok=True)
  now = time.time() - age
  path = folder / f'{name}.log'
  path.write_text(
    ''.join(f'{json.dumps({"time": now, **line})}\n' for line in lines)
  )
  os.utime(path, (now, now))


def _begun(host=_HERE, process=(0, 1), stages=_STAGES):
  return {'host': host, 'process': list(process), 'stages': stages}


def _only(root):
  (run,) = status.read(root)
  return run


def test_runs_from_before_attempts_are_told_by_their_marks(tmp_path):
  _work(tmp_path / 'old')
  run = _only(tmp_path / 'old')
  assert (run.name, run.state, run.left) == ('old', 'done', 0.0)
  assert [stage.label for stage in run.stages] == _STAGES
  _work(tmp_path / 'cut', failing=True)
  run = _only(tmp_path / 'cut')
  assert run.state == 'stopped'
  assert run.stages[0].parts == (3, 5)


def test_what_is_left_is_told_by_parts_or_by_the_same_stage_elsewhere(tmp_path):
  _work(tmp_path / 'a', seconds=0.02)
  _work(tmp_path / 'b', failing=True, seconds=0.02)
  _log(tmp_path / 'b', '1', _begun(), {'stage': 'seed-0/toss'})
  _log(tmp_path / 'c', '1', _begun(), {'code': 1, 'error': 'no'})
  done, cut, failed = status.read(tmp_path)
  toss, count = (stage.seconds for stage in done.stages)
  assert [run.state for run in (done, cut, failed)] == [
    'done',
    'stopped',
    'failed',
  ]
  own = cut.stages[0].seconds
  assert cut.stages[0].left == pytest.approx(own * 2 / 3)
  assert cut.left == pytest.approx(own * 2 / 3 + count)
  assert failed.left == pytest.approx(toss + count)
  assert status.remaining([done, cut, failed]) == (
    pytest.approx(cut.left + failed.left),
    0,
  )


def test_an_attempt_tells_what_is_still_to_come(tmp_path):
  _log(
    tmp_path,
    '1',
    _begun(),
    {'stage': 'seed-0/toss'},
    {'code': 143, 'error': ''},
  )
  run = _only(tmp_path)
  assert run.state == 'stopped'
  assert [stage.state for stage in run.stages] == ['waiting'] * 2


def test_the_last_attempt_counts_and_each_of_its_processes(tmp_path):
  _work(tmp_path, failing=True)
  failed = {'code': 1, 'error': 'ValueError: no'}
  _log(tmp_path, '1', _begun(process=(1, 2)), failed, age=2000)
  _log(tmp_path, '2', _begun(process=(0, 2)), failed, age=2000)
  _log(tmp_path, '3', _begun(process=(0, 2)), {'stage': 'seed-0/toss'}, age=9)
  assert _only(tmp_path).state == 'stopped'
  _log(
    tmp_path,
    '4',
    _begun(process=(1, 2)),
    {'stage': 'seed-0/toss'},
    failed,
    age=9,
  )
  run = _only(tmp_path)
  assert (run.state, run.attempts) == ('failed', 4)
  assert run.detail == 'seed-0/toss: ValueError: no'


@pytest.mark.parametrize(('age', 'state'), [(60, 'running'), (3600, 'quiet')])
def test_another_machine_is_believed_for_a_while(tmp_path, age, state):
  _log(tmp_path, '1', _begun('elsewhere'), {'stage': 'seed-0/toss'}, age=age)
  run = _only(tmp_path)
  assert (run.state, run.detail) == (state, 'seed-0/toss on elsewhere')


def test_the_stage_at_work_on_another_machine_is_running(tmp_path):
  _work(tmp_path, failing=True)
  _log(tmp_path, '1', _begun('elsewhere'), {'stage': 'seed-0/toss'}, age=60)
  run = _only(tmp_path)
  assert [stage.state for stage in run.stages][:1] == ['running']


def test_a_mark_wins_over_whatever_attempts_say(tmp_path):
  _work(tmp_path)
  _log(
    tmp_path,
    '1',
    _begun(),
    {'stage': 'seed-0/count'},
    {'code': 1, 'error': 'after the mark'},
  )
  assert _only(tmp_path).state == 'done'
  (tmp_path / 'seed-0' / 'count' / records.MARK).unlink()
  assert _only(tmp_path).state == 'failed'


def test_a_stage_at_work_is_running_between_its_parts_too(tmp_path):
  code = f"""
import pathlib, sys
from tests.cli.little_stages import Coin, Toss
from ttc.pipeline.place import Place
from ttc.pipeline.stage import StageRun
run = StageRun(Toss(coin=Coin(), seconds=60), Place(
  pathlib.Path({str(tmp_path)!r})), 0)
run.work()
"""
  with subprocess.Popen(
    [sys.executable, '-c', code], cwd=_REPOSITORY
  ) as process:
    while not (tmp_path / 'seed-0/toss/stage.json').exists():
      assert process.poll() is None
      time.sleep(0.01)
    run = _only(tmp_path)
    process.kill()
  assert (run.state, run.detail) == ('running', 'seed-0/toss')
  assert _only(tmp_path).state == 'stopped'


def test_the_table_and_its_json_say_the_same(tmp_path, capsys):
  _work(tmp_path / 'a')
  _work(tmp_path / 'b', failing=True)
  attempt = RunLog()
  attempt.begin(tmp_path / 'b', process=(0, 1), stages=_STAGES)
  attempt.stage('seed-0/toss')
  attempt.end(1, 'RuntimeError: it\nbroke')
  assert main.main(['status', str(tmp_path)]) == 0
  lines = capsys.readouterr().out.splitlines()
  assert lines[1].split()[:3] == ['a', 'done', '2/2']
  assert lines[2].split()[:4] == ['b', 'failed', '0/2', '3/5']
  assert lines[2].endswith('seed-0/toss: RuntimeError: it broke')
  assert lines[-1].startswith('2 runs: 1 done, 1 failed; ')
  assert main.main(['status', '--json', str(tmp_path)]) == 0
  (facts,) = json.loads(capsys.readouterr().out)['folders']
  assert facts['counts'] == {'done': 1, 'failed': 1}
  assert [run['name'] for run in facts['runs']] == ['a', 'b']
  assert facts['runs'][1]['stages'][0]['parts'] == [3, 5]


def test_a_folder_of_nothing_is_an_error(tmp_path, capsys):
  assert main.main(['status', str(tmp_path)]) == 2
  assert 'holds no experiment or sweep' in capsys.readouterr().err
  assert main.main(['status', str(tmp_path / 'missing')]) == 2


def test_status_needs_neither_arrays_nor_gin(tmp_path):
  _work(tmp_path)
  code = f"""
import sys
from ttc.cli import main
main.main(['status', {str(tmp_path)!r}])
print(sorted({{'jax', 'gin', 'tensorflow', 'orbax'}} & set(sys.modules)))
"""
  done = subprocess.run(
    [sys.executable, '-c', code],
    cwd=_REPOSITORY,
    check=True,
    capture_output=True,
    text=True,
  )
  assert done.stdout.splitlines()[-1] == '[]'
