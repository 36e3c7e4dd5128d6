"""Tests of the launchers, against a stand-in for the cloud's commands."""

import pathlib
import re
import shlex
import signal
import subprocess
import sys

import pytest

_REPOSITORY = pathlib.Path(__file__).parents[2]
_STAND_IN = pathlib.Path(__file__).with_name('cloud.sh')
_SLICE = (
  '--name=quick',
  '--zone=z',
  '--type=v6e-16',
  '--output=gs://b/my runs',
)
_WORK = ('--', 'run', '--gin_file=a.gin', '--gin.A=\'it is "$HOME"\'')


def _tpu_vm(cloud, *options, **signalled):
  return cloud.launch(
    'launch/tpu_vm.sh', *_SLICE, *options, *_WORK, **signalled
  )


def test_shell_scripts_are_clean():
  scripts = [
    *_REPOSITORY.glob('launch/**/*.sh'),
    _STAND_IN,
    _REPOSITORY / '.ci' / 'run',
  ]
  shellcheck = pathlib.Path(sys.executable).with_name('shellcheck')
  done = subprocess.run(
    [shellcheck, '--external-sources', *scripts],
    cwd=_REPOSITORY,
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.stdout + done.stderr == ''
  assert done.returncode == 0


def test_a_slice_is_made_used_and_deleted(cloud):
  code, output, errors = _tpu_vm(cloud, '--spot')
  assert code == 0, errors
  assert output.count('it runs') == 2
  given = 'run --gin_file=a.gin --gin.A=\'it is "$HOME"\' '
  given += "--gin.Experiment.output='gs://b/my runs' --distributed"
  assert cloud.runs() == [given] * 2
  assert cloud.slices() == []
  (create,) = cloud.calls('queued-resources create')
  words = shlex.split(create)[5:]
  (labels,) = [word for word in words if word.startswith('--labels=')]
  assert re.fullmatch(
    r'--labels=ttc-owner=[a-z0-9_-]{1,63},ttc-job=[0-9a-f]{16}', labels
  )
  assert words == [
    'quick',
    '--node-id=quick',
    '--accelerator-type=v6e-16',
    '--runtime-version=v2-alpha-tpuv6e',
    labels,
    '--spot',
    '--zone=z',
    '--quiet',
  ]


def test_a_dry_run_calls_nothing_and_prints_what_would_be(cloud):
  code, output, _ = _tpu_vm(cloud, '--dry-run')
  assert code == 0
  assert cloud.calls() == []
  printed = [shlex.split(line) for line in output.splitlines()]
  assert [line[3:5] for line in printed] == [
    ['queued-resources', 'create'],
    ['tpu-vm', 'scp'],
    ['tpu-vm', 'ssh'],
    ['tpu-vm', 'ssh'],
    ['tpu-vm', 'ssh'],
    ['queued-resources', 'delete'],
  ]
  assert _tpu_vm(cloud)[0] == 0
  made = {re.sub(r'\S*ttc.tar.gz', '', line) for line in cloud.calls()}
  assert {
    re.sub(r'\S*ttc.tar.gz', '', line) for line in output.splitlines()
  } <= made


@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGTERM])
def test_killed_after_any_call_nothing_is_doubled_or_left(cloud, number):
  at, codes = 1, []
  while True:
    code, _, errors = _tpu_vm(cloud, at=at, number=number)
    called = cloud.calls()
    if number == signal.SIGTERM:
      assert cloud.slices() == [], errors
    code_again, _, errors = _tpu_vm(cloud)
    assert code_again == 0, errors
    assert cloud.slices() == []
    made = len([c for c in [*called, *cloud.calls()] if ' create ' in c])
    gone = len([c for c in [*called, *cloud.calls()] if ' delete ' in c])
    assert made == 1 or (made == 2 and gone >= 2)
    codes.append(code)
    if len(called) < at or code == 0:
      break
    at += 1
  assert at > 8
  assert set(codes[:-1]) <= {-signal.SIGKILL, 143, 0}


def test_a_slice_that_is_taken_is_asked_for_again(cloud):
  cloud.script(preempt=2)
  code, _, errors = _tpu_vm(cloud, '--spot')
  assert code == 0, errors
  assert len(cloud.calls(' create ')) == 3
  assert errors.count('quick is SUSPENDED; deleting it to ask again') == 2
  assert cloud.slices() == []
  cloud.script(preempt=9)
  code, _, errors = _tpu_vm(cloud, '--spot', '--attempts=2')
  assert code == 1
  assert len(cloud.calls(' create ')) == 2
  assert cloud.slices() == []


@pytest.mark.parametrize(
  'broken',
  ['queued-resources create', 'tpu-vm scp', 'install.sh', 'worker.sh start'],
)
def test_a_step_that_fails_costs_nothing(cloud, broken):
  cloud.script(broken=broken)
  code, _, _ = _tpu_vm(cloud, '--attempts=1')
  assert code != 0
  assert cloud.slices() == []


def test_work_that_fails_is_told_and_the_slice_deleted(cloud):
  cloud.script(code=1)
  code, output, errors = _tpu_vm(cloud)
  assert code == 1
  assert 'it runs' in output
  assert 'the job failed (exit codes 1); its log says why' in errors
  assert cloud.slices() == []


@pytest.mark.parametrize('number', [None, signal.SIGTERM])
def test_what_cannot_be_deleted_is_named_last(cloud, number):
  cloud.script(broken='delete')
  code, _, errors = _tpu_vm(
    cloud, at=4 if number else 0, number=number or signal.SIGKILL
  )
  assert code == (128 + number if number else 1)
  command = errors.splitlines()[-1]
  assert errors.splitlines()[-2].startswith('ttc: quick may still cost money')
  cloud.script(broken='nothing')
  assert cloud.slices() == ['quick']
  assert cloud.launch(*shlex.split(command))[0] == 0
  assert cloud.slices() == []


def test_a_slice_may_be_kept_and_is_used_again(cloud):
  code, _, errors = _tpu_vm(cloud, '--keep')
  assert code == 0
  assert errors.splitlines()[-1].endswith('--delete')
  assert cloud.slices() == ['quick']
  assert _tpu_vm(cloud)[0] == 0
  assert cloud.calls(' create ') == []
  assert cloud.slices() == []


def test_hosts_join_the_first_and_run_the_same(cloud):
  arguments = ('launch/pod.sh', '--hosts=me@one,two', *_WORK)
  code, output, errors = cloud.launch(*arguments)
  assert code == 0, errors
  assert output.count('it runs') == 2
  assert sorted(cloud.runs()) == [
    'run --gin_file=a.gin --gin.A=\'it is "$HOME"\' --distributed '
    f'--coordinator=one:8476 --processes=2 --process={index}'
    for index in range(2)
  ]
  cloud.script(code=143)
  code, _, errors = cloud.launch(*arguments)
  assert code == 75
  assert 'stopped (exit codes 143); the same command continues' in errors
  cloud.script(code=0)
  assert cloud.launch(*arguments)[0] == 0


def test_a_host_that_could_not_be_told_is_no_failure_of_the_job(cloud):
  arguments = ('launch/pod.sh', '--hosts=one,two', *_WORK)
  cloud.script(code=2, broken='^ssh.* two .*start')  # the first waits in vain
  code, _, errors = cloud.launch(*arguments)
  assert code == 75
  assert 'did not start on every machine; the same command' in errors
  cloud.script(code=0, broken='^none')
  assert cloud.launch(*arguments)[0] == 0


def test_hosts_that_do_not_answer(cloud):
  arguments = ('launch/pod.sh', '--hosts=one,two', *_WORK)
  cloud.script(broken='^ssh')
  code, _, errors = cloud.launch(*arguments)
  assert code == 75
  assert 'the machines do not answer' in errors


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    (('tpu_vm.sh', *_SLICE), 'say what to run after --'),
    (('tpu_vm.sh', '--name=A', '--zone=z'), '--name=A must be small letters'),
    (('tpu_vm.sh', '--name=a', '--zone='), '--zone needs a value'),
    (('tpu_vm.sh', *_SLICE[:3], '--output=runs', *_WORK), 'must be gs://'),
    (('tpu_vm.sh', *_SLICE, '--type=v9-8', *_WORK), 'no image is known'),
    (('tpu_vm.sh', '--nmae=a'), 'unknown option --nmae=a'),
    (('tpu_vm.sh', '--name=a', '--zone'), '--zone needs a value'),
    (('tpu_vm.sh', '--name', '--zone=z'), '--name needs a value'),
    (('pod.sh', *_WORK), 'give --tpu=NAME --zone=ZONE, or --hosts=A,B'),
    (('pod.sh', '--hosts=-oProxyCommand=x', *_WORK), 'names no host'),
    (('pod.sh', '--tpu=a', *_WORK), '--tpu needs --zone'),
  ],
)
def test_wrong_usage_is_told_before_any_call(cloud, arguments, message):
  script, *options = arguments
  code, _, errors = cloud.launch(f'launch/{script}', *options)
  assert code == 2
  assert message in errors
  assert cloud.calls() == []


def test_values_may_follow_their_options(cloud):
  apart = [word for option in _SLICE for word in option.split('=', 1)]
  code, output, errors = cloud.launch('launch/tpu_vm.sh', *apart, *_WORK)
  assert code == 0, errors
  assert output.count('it runs') == 2
  assert "--gin.Experiment.output='gs://b/my runs'" in cloud.runs()[0]
  apart = ('--hosts', 'one,two', '--port', '80')
  code, _, errors = cloud.launch('launch/pod.sh', *apart, *_WORK)
  assert code == 0, errors


@pytest.mark.parametrize('script', ['tpu_vm.sh', 'pod.sh', 'quickstart.sh'])
def test_help_is_the_head_of_the_script(cloud, script):
  code, output, _ = cloud.launch(f'launch/{script}', '--help')
  assert code == 0
  assert f'launch/{script}' in output
  assert 'set -euo' not in output
  assert not (cloud.repository / '.venv').exists()
