"""Tests of sweeps of coin tosses: killed, resumed, failing, printed."""

import json
import os
import pathlib
import random
import shlex
import signal
import subprocess
import sys
import time

import pytest

from ttc.cli import main
from ttc.pipeline import records, status

_REPOSITORY = pathlib.Path(__file__).parents[2]
_STAGES = ('seed-0/toss', 'seed-0/count', 'report')


@pytest.fixture
def sweep(tmp_path):
  """The arguments of a sweep of tosses, with more appended."""
  base = tmp_path / 'base.gin'
  # A later binding replaces that of the output, and with it the macro's use.
  base.write_text("include 'tests/cli/little.gin'\nOUTPUT = 'unused'\n")

  def arguments(*more):
    return [
      'sweep',
      f'--gin_file={base}',
      f'--output={tmp_path / "sweep"}',
      *more,
    ]

  return arguments


def _program(arguments):
  return subprocess.Popen(
    [sys.executable, '-m', 'ttc.cli.main', *arguments],
    cwd=_REPOSITORY,
    stdout=subprocess.PIPE,
    stderr=subprocess.DEVNULL,
    start_new_session=True,
  )


def _kill(process):
  """Kills a sweep and its cell; back when both are gone."""
  os.killpg(process.pid, signal.SIGKILL)
  process.communicate()  # they share the pipe


def _is_done(folder):
  return all((folder / label / records.MARK).exists() for label in _STAGES)


def _check_truth(folder, process, before):
  """Reads the status while a sweep may run, and holds it against the disk."""
  was_done = {run for run in before if _is_done(folder / run)}
  runs = {run.name: run for run in status.read(folder)}
  lives = process.poll() is None
  states = [run.state for run in runs.values()]
  assert len(runs) == 24
  assert set(states) <= {'done', 'running', 'stopped', 'waiting'}
  assert states.count('running') <= (1 if lives else 0)
  for name, run in runs.items():
    if name in was_done:
      assert run.state == 'done'
    if run.state == 'done':
      assert _is_done(folder / name)
    if run.state == 'waiting':
      assert not before.get(name, False)
  begun = {
    name: run.state != 'waiting' or before.get(name, False)
    for name, run in runs.items()
  }
  return begun, states


def test_24_cells_killed_twice_end_complete_and_status_is_true(
  tmp_path, sweep, capsys
):
  axes = (
    '--sweep.Coin.bias=[0.2, 0.8]',
    '--sweep.ITEMS=[4, 6, 8]',
    '--sweep.Toss.size={"one": 1, "two": 2}',
    '--sweep.Toss.fail_at=[None, 99]',
  )
  command = sweep(*axes, '--gin.Toss.seconds=0.003', '--run')
  folder = tmp_path / 'sweep'
  rng = random.Random(7)
  begun, seen = {}, []
  for goal in (5, 14, 24):
    process = _program(command)
    while not (folder / 'sweep.json').exists():
      time.sleep(0.01)
    while process.poll() is None:
      begun, states = _check_truth(folder, process, begun)
      seen += states
      time.sleep(0.2)  # reading takes a core of the two
      if goal < 24 and states.count('done') >= goal:
        time.sleep(rng.uniform(0, 0.2))
        _kill(process)
    begun, states = _check_truth(folder, process, begun)
    assert 'running' not in states
    assert states.count('done') >= goal
  assert process.returncode == 0
  assert states == ['done'] * 24
  assert 'running' in seen
  assert main.main(command) == 0
  told = capsys.readouterr().err
  assert told.count('complete, skipped') == 24
  assert told.count('no page that compares the cells') == 1  # of coins


def _runs(folder):
  return {run.name: run for run in status.read(folder)}


def test_a_failing_cell_stops_no_other_and_tells_why(tmp_path, sweep, capsys):
  arguments = sweep('--sweep.Toss.fail_at=[1, None]', '--run')
  assert main.main(arguments) == 1
  told = capsys.readouterr().err
  assert 'fail_at-1: ended with exit code 1; to see why:\n  ttc run' in told
  runs = _runs(tmp_path / 'sweep')
  assert runs['fail_at-1'].state == 'failed'
  assert runs['fail_at-1'].detail == (
    'seed-0/toss: RuntimeError: the coin rolled away'
  )
  assert runs['fail_at-1'].stages[0].state == 'failed'
  assert runs['fail_at-1'].stages[0].parts == (1, 5)
  assert runs['fail_at-None'].state == 'done'
  assert main.main(['status', str(tmp_path / 'sweep')]) == 0
  assert '2 runs: 1 done, 1 failed' in capsys.readouterr().out


def test_a_cell_that_cannot_be_configured_is_told_before_any_work(
  tmp_path, sweep, capsys
):
  arguments = sweep('--sweep.Coin.bias=[1.5, 0.5]')
  assert main.main([*arguments, '--check']) == 2
  sound, wrong = map(json.loads, capsys.readouterr().out.splitlines())
  assert sound == {'cell': 'bias-0.5', 'complete': False}
  assert (wrong['cell'], wrong['cells']) == ('bias-1.5', 1)
  assert 'bias=1.5 is not in [0, 1]' in wrong['error']
  assert not (tmp_path / 'sweep').exists()
  assert main.main([*arguments, '--run']) == 1
  told = capsys.readouterr().err
  assert told.index('bias=1.5 is not') < told.index('bias-0.5: 1 of 1')
  runs = _runs(tmp_path / 'sweep')
  assert runs['bias-1.5'].state == 'failed'
  assert 'bias=1.5 is not in [0, 1]' in runs['bias-1.5'].detail
  assert runs['bias-0.5'].state == 'done'


def test_an_error_of_all_cells_is_told_once(sweep, capsys):
  arguments = sweep('--sweep.Toss.items=[4, 5, 6]', '--gin.Coin.bias=1.5')
  assert main.main([*arguments, '--check']) == 2
  (told,) = map(json.loads, capsys.readouterr().out.splitlines())
  assert (told['cell'], told['cells']) == ('items-4', 3)
  assert main.main([*arguments, '--run']) == 2
  told = capsys.readouterr().err
  assert told.startswith('sweep: items-4 and 2 more: ')
  assert told.count('bias=1.5 is not in [0, 1]') == 1


def test_finished_cells_of_other_bindings_are_refused(sweep, tmp_path, capsys):
  arguments = sweep('--sweep.Coin.bias=[0.5]', '--run')
  assert main.main(arguments) == 0
  assert main.main([*arguments, '--gin.ITEMS=4']) == 2
  assert 'Toss.items: 10 before, 4 now' in capsys.readouterr().err
  assert _runs(tmp_path / 'sweep')['bias-0.5'].state == 'done'


def test_termination_ends_the_cell_too(tmp_path, sweep):
  process = _program(
    sweep('--sweep.Coin.bias=[0.5, 0.6]', '--gin.Toss.seconds=0.5', '--run')
  )
  folder = tmp_path / 'sweep'
  while not list(folder.glob('bias-0.5/seed-0/toss/stage.json')):
    assert process.poll() is None
    time.sleep(0.01)
  process.terminate()
  assert process.wait() == 143
  assert [run.state for run in status.read(folder)] == ['stopped', 'waiting']


def test_a_cell_that_another_process_has_is_left_to_it(tmp_path, sweep, capsys):
  arguments = sweep('--sweep.Coin.bias=[0.5]')
  assert main.main(arguments) == 0
  command = shlex.split(capsys.readouterr().out)
  assert command[0] == 'ttc'
  process = _program([*command[1:], '--gin.Toss.seconds=60'])
  folder = tmp_path / 'sweep'
  while not list(folder.glob('bias-0.5/seed-0/toss/stage.json')):
    assert process.poll() is None
    time.sleep(0.01)
  assert main.main([*arguments, '--gin.Toss.seconds=60', '--run']) == 1
  assert 'skipped, another process has it' in capsys.readouterr().err
  process.kill()
  process.wait()


@pytest.mark.parametrize(
  ('more', 'message'),
  [
    (['--sweep.Coin.bias'], "unknown argument '--sweep.Coin.bias'"),
    (['--sweep.Coin.bias=[1]', '--bias=1'], "unknown argument '--bias=1'"),
    (['--sweep.Coin.bias=[1]', '--outputs=a'], 'did you mean --output?'),
    ([], 'a sweep needs values to go through'),
    (['--sweep.Coin.bias=0.5'], 'Coin.bias=0.5 is no list'),
    (
      ['--sweep.Coin.bias=[1]', '--gin.Experiment.name="a"'],
      'a sweep binds Experiment.name itself',
    ),
    (
      ['--sweep.Coin.bias=[1]', '--run', '--distributed'],
      '--run is for one machine',
    ),
    (['--sweep.Coin.bias=[1]', '--cell=x'], '--cell=x is none of the 1 cells'),
    (['--sweep_file=missing'], '--sweep_file=missing is not a file'),
    (
      ['--sweep.Toss.size=["x"]', '--only=tos'],
      'no stage tos (did you mean to',
    ),
    (['--sweep.Experiment.seeds=[()]'], 'seeds=() is empty'),
    (['--sweep.ITEMS=[2]', '--gin.ITEMS=3'], '--gin.ITEMS=3: ITEMS is an axis'),
  ],
)
def test_what_cannot_be_swept_is_one_line(sweep, capsys, more, message):
  assert main.main(sweep(*more)) == 2
  told = capsys.readouterr().err
  assert message in told
  assert len(told.splitlines()) == 1


def test_a_sweep_of_which_no_cell_can_run_has_not_begun(sweep, capsys):
  assert main.main(sweep('--sweep.ITEMZ=[2, 4]', '--run')) == 2
  told = capsys.readouterr().err
  assert 'sweep: itemz-2 and 1 more: ' in told
  assert told.count('ITEMZ is bound but nothing') == 1
  # One of the cells can.
  assert main.main(sweep('--sweep.Coin.bias=[0.5, 2.5]', '--run')) == 1


def test_a_sweep_may_lie_in_a_bucket(sweep, bucket, capsys):
  arguments = sweep('--sweep.Toss.fail_at=[1, None]', '--output=gs://sweeps/a')
  assert main.main([*arguments, '--run']) == 1
  assert 'sweeps/a/sweep.json' in bucket.names('sweeps/')
  capsys.readouterr()
  assert main.main(['status', '--json', 'gs://sweeps/a']) == 0
  (facts,) = json.loads(capsys.readouterr().out)['folders']
  failed, done = facts['runs']
  assert (failed['state'], done['state']) == ('failed', 'done')
  assert failed['detail'] == 'seed-0/toss: RuntimeError: the coin rolled away'
  assert failed['stages'][0]['parts'] == [1, 5]
