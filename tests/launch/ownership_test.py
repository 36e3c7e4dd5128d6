"""Tests of what the launchers own: a job, a slice, and the files they copy."""

import os
import re
import signal
import subprocess

import pytest

_SLICE = (
  'launch/tpu_vm.sh',
  '--name=quick',
  '--zone=z',
  '--type=v6e-16',
  '--owner=Me@here',
  '--output=gs://b/runs',
)
_RUN = ('--', 'run', '--gin_file=a.gin')
_POD = ('launch/pod.sh', '--hosts=one')
_STARTED = (
  4  # calls of pod.sh up to the job's start: state, scp, install, start
)


@pytest.fixture
def busy(cloud):
  """While this file exists, jobs run; following one removes it."""
  path = cloud.folder / 'busy'
  path.write_text('')
  yield path
  path.unlink(missing_ok=True)


def _worker(cloud, name='one'):
  return cloud.folder / 'workers' / name / 'ttc-job'


def _orphan(cloud, *command):
  """Leaves a job running whose launcher was killed."""
  code, _, _ = cloud.launch(*command, at=_STARTED, number=signal.SIGKILL)
  assert code == -signal.SIGKILL


def _foreign(cloud, node, state='ACTIVE'):
  (cloud.folder / 'slices' / 'quick').write_text(f'{state}\n')
  (cloud.folder / 'nodes' / 'quick').write_text(f'{node}\n')


@pytest.mark.usefixtures('busy')
def test_the_same_job_is_followed(cloud):
  _orphan(cloud, *_POD, *_RUN)
  for path in cloud.repository.rglob('*'):
    os.utime(path, (1, 1))  # as in another checkout
  code, output, errors = cloud.launch(*_POD, *_RUN)
  assert code == 0, errors
  assert 'the job is running there; following it' in errors
  assert output.count('it runs') == 1
  assert len(cloud.runs()) == 1


@pytest.mark.parametrize('changed', ['command', 'source', 'unknown'])
def test_another_job_is_named_and_left_alone(cloud, busy, changed):
  _orphan(cloud, *_POD, *_RUN)
  if changed == 'unknown':  # by a launcher that knew of no digests
    for name in ('digest', 'command'):
      (_worker(cloud) / '.job' / name).unlink()
  elif changed == 'source':
    (cloud.repository / 'launch' / 'new.sh').write_text('')
  command = ('--', 'run', '--b') if changed == 'command' else _RUN
  code, output, errors = cloud.launch(*_POD, *command)
  assert code == 3
  assert 'another job is running there and is left alone' in errors
  assert ('ttc run --gin_file=a.gin' in errors) == (changed != 'unknown')
  assert 'ssh' in errors.splitlines()[-1]
  assert 'kill' in errors.splitlines()[-1]
  assert 'it runs' not in output
  assert cloud.calls('^scp|install|start') == []
  assert busy.exists()


def test_a_job_that_ended_makes_way(cloud):
  assert cloud.launch(*_POD, *_RUN)[0] == 0
  cloud.script(code=1)
  assert cloud.launch(*_POD, '--', 'run', '--b')[0] == 1
  assert [run.split()[1] for run in cloud.runs()] == ['--gin_file=a.gin', '--b']


def test_the_end_of_another_job_is_not_this_jobs(cloud):
  hosts = ('launch/pod.sh', '--hosts=one,two')
  assert cloud.launch(*hosts, *_RUN)[0] == 0
  cloud.script(broken='^ssh.* two .*start')
  code, _, errors = cloud.launch(*hosts, '--', 'run', '--b')
  assert code == 75
  assert 'the job did not start on every machine' in errors


def test_a_job_that_comes_between_is_not_followed(cloud, busy):
  _orphan(cloud, *_POD, *_RUN)
  worker = _worker(cloud) / 'launch' / 'worker.sh'
  once = (
    'if [ "$1" = state ] && mkdir "$0.once"; then echo ttc-job none; exit; fi'
  )
  worker.write_text(f'{once}\n{worker.read_text()}')
  code, output, errors = cloud.launch(*_POD, '--', 'run', '--b')
  assert code == 3
  assert 'another job is running there and is left alone' in errors
  assert 'it runs' not in output
  done = subprocess.run(
    ['bash', worker, 'start', 'another', 'run', '--b'],
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 1
  assert 'another job is running: ttc run --gin_file=a.gin' in done.stderr
  assert len(cloud.runs()) == 1
  assert busy.exists()


def test_an_abort_is_a_stop(cloud):
  cloud.script(code=134)
  code, _, errors = cloud.launch(*_POD, *_RUN)
  assert code == 75
  assert 'stopped (exit codes 134); the same command continues' in errors


def test_logs_of_earlier_starts_are_kept(cloud):
  folder = _worker(cloud) / '.job'
  for count in range(1, 4):
    cloud.script(code=143 if count < 3 else 0)
    _, output, _ = cloud.launch(*_POD, *_RUN)
    assert output.count('it runs') == 1
    (folder / 'log').write_text(f'start {count}\n')
  logs = {path.name: path.read_text() for path in folder.glob('log*')}
  assert logs == {
    'log.1': 'start 1\n',
    'log.2': 'start 2\n',
    'log': 'start 3\n',
  }


@pytest.mark.parametrize(
  ('node', 'message', 'state'),
  [
    ('v5p-8|{image}|{owner}|{job}', 'type is v5p-8, not v6e-16', 'ACTIVE'),
    ('{type}|old|{owner}|{job}', 'runtime is old, not v2-alpha-', 'ACTIVE'),
    ('{type}|{image}|you|{job}', 'owner is you, not me-here', 'ACTIVE'),
    ('{type}|{image}|{owner}|0', 'job is 0, not ', 'CREATING'),
    ('{type}|{image}||', 'owner is unknown, not me-here', 'SUSPENDED'),
  ],
)
def test_a_slice_of_another_is_left_alone(cloud, node, message, state):
  create = cloud.launch(*_SLICE, '--dry-run', *_RUN)[1].splitlines()[0]
  job = re.search(r'ttc-job=(\w+)', create).group(1)
  own = {'type': 'v6e-16', 'image': 'v2-alpha-tpuv6e', 'owner': 'me-here'}
  _foreign(cloud, node.format(**own, job=job), state)
  code, _, errors = cloud.launch(*_SLICE, *_RUN)
  assert code == 3
  assert f'its {message}' in errors
  assert errors.splitlines()[-1].startswith('gcloud compute tpus queued-')
  assert cloud.slices() == ['quick']
  assert cloud.calls('create|delete|ssh') == []
  # With nothing different it is used, and deleted.
  _foreign(cloud, '{type}|{image}|{owner}|'.format(**own) + job)
  assert cloud.launch(*_SLICE, *_RUN)[0] == 0
  assert cloud.calls('create') == cloud.slices() == []


def test_a_rival_that_was_faster_keeps_its_slice(cloud):
  cloud.script(rival='v6e-16|v2-alpha-tpuv6e|you|1')
  code, _, errors = cloud.launch(*_SLICE, *_RUN)
  assert code != 0
  assert 'its owner is you, not me-here' in errors
  assert cloud.slices() == ['quick']
  assert cloud.calls('delete') == []


def test_a_vm_of_the_name_is_left_alone(cloud):
  (cloud.folder / 'vms' / 'quick').write_text('')
  code, _, errors = cloud.launch(*_SLICE, *_RUN)
  assert code == 3
  assert 'a VM quick exists' in errors
  assert cloud.calls('create|delete') == []


def test_delete_asks_whose_it_is(cloud):
  delete = (*_SLICE[:3], '--delete')
  _foreign(cloud, 'v5p-8|x|me-here|1')
  code, _, errors = cloud.launch(*delete, '--owner=you')
  assert code == 3
  assert 'its owner is me-here, not you' in errors
  assert cloud.slices() == ['quick']
  assert cloud.launch(*delete, '--owner=me@here')[0] == 0
  assert cloud.slices() == []


def test_a_slice_on_which_another_job_runs_is_not_deleted(cloud, busy):
  busy.unlink()
  assert cloud.launch(*_SLICE, '--keep', *_RUN)[0] == 0
  busy.write_text('')
  _orphan(cloud, 'launch/pod.sh', '--tpu=quick', '--zone=z', '--', 'run', '--b')
  code, _, errors = cloud.launch(*_SLICE, *_RUN)
  assert code == 3
  assert 'ttc run --b' in errors
  assert 'quick may still cost money' in errors
  assert cloud.slices() == ['quick']
  assert cloud.calls('delete') == []
  assert busy.exists()


def test_the_source_is_that_of_the_start(cloud):
  cloud.script(preempt=1, lost=f'echo edited >{cloud.repository}/setup.py')
  code, _, errors = cloud.launch(*_SLICE, '--spot', '--keep', *_RUN)
  assert code == 0, errors
  assert len(cloud.calls(' create ')) == 2
  assert (cloud.repository / 'setup.py').read_text() == 'edited\n'
  assert (_worker(cloud, 'quick.0') / 'setup.py').read_text() == ''


def test_tracked_files_are_copied_as_they_are(cloud):
  (cloud.repository / 'gone.py').write_text('')
  (cloud.repository / '-x a\nb.py').write_text('')
  cloud.track()
  (cloud.repository / 'gone.py').unlink()
  (cloud.repository / 'setup.py').write_text('changed')
  for name in ('credentials.json', 'launch/key.py'):
    (cloud.repository / name).write_text('secret')
  code, _, errors = cloud.launch(*_POD, *_RUN)
  assert code == 0, errors
  (line,) = [text for text in errors.splitlines() if 'tracked files' in text]
  assert line.endswith('2 untracked files are not.')
  worker = _worker(cloud)
  assert (worker / 'setup.py').read_text() == 'changed'
  assert (worker / '-x a\nb.py').exists()
  assert (worker / 'launch' / 'pod.sh').stat().st_mode & 0o100
  for name in ('credentials.json', 'launch/key.py', 'gone.py', '.git'):
    assert not (worker / name).exists()
  assert list(worker.parent.glob('*.tar.gz')) == []


def test_without_git_the_packages_kinds_of_files_are_copied(cloud):
  for name in ('credentials.json', 'launch/key.json'):
    (cloud.repository / name).write_text('secret')
  assert cloud.launch(*_POD, *_RUN)[0] == 0
  worker = _worker(cloud)
  assert (worker / 'launch' / 'sky' / 'cell.yaml').exists()
  assert (worker / 'setup.py').exists()
  assert list(worker.rglob('*.json')) == []


@pytest.mark.parametrize('launcher', [_POD, _SLICE])
def test_a_gin_file_that_would_not_be_copied_is_told_first(cloud, launcher):
  cloud.track()
  (cloud.repository / 'a.gin').write_text('')
  code, _, errors = cloud.launch(*launcher, *_RUN)
  assert code == 2
  assert 'a.gin is not tracked by git' in errors
  assert cloud.calls() == []
