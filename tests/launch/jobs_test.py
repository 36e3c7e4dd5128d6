"""Tests of sweeps handed to SkyPilot and xpk."""

import json
import shlex
import signal

import pytest
import yaml

from ttc.cli import main

_SWEEP = (
  'sweep',
  '--gin_file=tests/cli/little.gin',
  '--gin.Total.title=\'it is "$HOME"\'',
  '--gin.OUTPUT="unused"',
  "--sweep.Toss.coin={'best': @best/Coin(), 'beam': @beam/Coin()}",
  '--sweep.Experiment.seeds=[(0,), (1,)]',
)
_XPK = ('--cluster=c', '--zone=z', '--tpu-type=v5litepod-16')


def _write(folder, *options, output='gs://bucket/strategies'):
  return main.main([*_SWEEP, f'--output={output}', *options, str(folder)])


def _sky(folder, **options):
  return _write(folder, '--accelerator=v6e-8', '--sky', **options)


def test_each_cell_is_a_spot_job_that_continues_in_the_bucket(tmp_path):
  assert _sky(tmp_path / 'jobs') == 0
  jobs = sorted((tmp_path / 'jobs').glob('*.yaml'))
  assert len(jobs) == 4
  for path in jobs:
    job = yaml.safe_load(path.read_text())
    assert job['name'] == path.stem
    assert len(path.stem) <= 40
    assert job['resources']['accelerators'] == 'tpu-v6e-8'
    assert job['resources']['use_spot'] is True
    recovered = job['resources']['job_recovery']['recover_on_exit_codes']
    assert recovered == [134, 137, 143]
    words = shlex.split(job['run'])
    assert words[:3] == ['exec', '.venv/bin/ttc', 'run']
    assert '--gin.Total.title=\'it is "$HOME"\'' in words
    assert "--gin.Experiment.output='gs://bucket/strategies'" in words
    assert words[-1] == '--distributed'
  cells = json.loads((tmp_path / 'jobs' / 'sweep.json').read_text())['cells']
  assert [cell['name'] for cell in cells] == [
    'coin-best_seeds-0',
    'coin-best_seeds-1',
    'coin-beam_seeds-0',
    'coin-beam_seeds-1',
  ]


def test_names_are_those_of_the_sweep_and_stay(tmp_path):
  names = []
  for index, output in enumerate(('gs://b/x', 'gs://b/x', 'gs://b/y')):
    assert _sky(tmp_path / str(index), output=output) == 0
    names.append({p.name for p in (tmp_path / str(index)).glob('*.yaml')})
  assert names[0] == names[1]
  assert not names[0] & names[2]


def test_other_files_of_the_folder_are_left(tmp_path):
  (tmp_path / 'mine.yaml').write_text('mine')
  assert _write(tmp_path, '--cell=*seeds-0', '--xpk') == 0
  assert len(list(tmp_path.glob('*.command'))) == 2
  assert _write(tmp_path, '--cell=coin-best*1', '--xpk') == 0
  assert len(list(tmp_path.glob('*.command'))) == 1
  assert (tmp_path / 'mine.yaml').read_text() == 'mine'


@pytest.mark.parametrize('kind', ['sky', 'xpk'])
def test_only_tracked_files_are_uploaded(tmp_path, cloud, kind):
  folder = tmp_path / 'jobs'
  assert (_sky(folder) if kind == 'sky' else _write(folder, '--xpk')) == 0
  cloud.track()
  (cloud.repository / 'credentials.json').write_text('secret')
  launcher = (f'launch/{kind}/launch.sh', str(folder))
  launcher += _XPK if kind == 'xpk' else ()
  assert cloud.launch(*launcher)[0] == 0
  names = (cloud.folder / 'uploaded').read_text().split()
  assert './launch/install.sh' in names
  assert not [
    name for name in names if 'credentials' in name or '.git/' in name
  ]
  (cloud.repository / 'tests' / 'cli').mkdir(parents=True)
  (cloud.repository / 'tests' / 'cli' / 'little.gin').write_text('')
  cloud.script(jobs='')
  code, _, errors = cloud.launch(*launcher)
  assert code == 2
  assert 'tests/cli/little.gin is not tracked by git' in errors
  assert cloud.calls('create|jobs launch') == []


@pytest.mark.parametrize('kind', ['sky', 'xpk'])
def test_killed_after_any_call_each_job_is_started_once(tmp_path, cloud, kind):
  folder = tmp_path / 'jobs'
  assert (_sky(folder) if kind == 'sky' else _write(folder, '--xpk')) == 0
  launcher = (f'launch/{kind}/launch.sh', str(folder))
  launcher += _XPK if kind == 'xpk' else ()
  for at in range(1, 8):
    (cloud.folder / 'jobs').write_text('')
    code, _, _ = cloud.launch(*launcher, at=at, number=signal.SIGKILL)
    assert code == (-signal.SIGKILL if at < 7 else 0)
    code, _, errors = cloud.launch(*launcher)
    assert code == 0, errors
    jobs = (cloud.folder / 'jobs').read_text().split()
    assert sorted(jobs) == sorted(
      p.stem for p in folder.iterdir() if p.name.startswith('t-')
    )


def test_a_job_that_is_refused_stops_no_other(tmp_path, cloud):
  assert _sky(tmp_path / 'jobs') == 0
  cloud.script(broken='launch.*coin-best-seeds-0')
  code, _, errors = cloud.launch('launch/sky/launch.sh', str(tmp_path / 'jobs'))
  assert code == 1
  assert 'was not started; the same command tries again' in errors
  assert len((cloud.folder / 'jobs').read_text().split()) == 3


def test_xpk_gets_the_command_quoted(tmp_path, cloud):
  assert _write(tmp_path / 'jobs', '--xpk') == 0
  launcher = ('launch/xpk/launch.sh', str(tmp_path / 'jobs'), *_XPK)
  assert cloud.launch(*launcher)[0] == 0
  create = shlex.split(cloud.calls('workload create')[0])
  assert set(_XPK) < set(create)
  (command,) = [w for w in create if w.startswith('--command=')]
  assert '--gin.Total.title=\'it is "$HOME"\'' in shlex.split(command)
  assert '.venv/bin/ttc' in shlex.split(command)
  cloud.script(jobs='')
  assert cloud.launch(*launcher, '--docker-image=i')[0] == 0
  create = shlex.split(cloud.calls('workload create')[0])
  assert any(word.startswith('--command=exec ttc run') for word in create)
  assert '--docker-image=i' in create


def test_a_dry_run_starts_nothing(tmp_path, cloud):
  assert _sky(tmp_path / 'jobs') == 0
  code, output, _ = cloud.launch(
    'launch/sky/launch.sh', str(tmp_path / 'jobs'), '--dry-run'
  )
  assert code == 0
  assert output.count('sky jobs launch') == 4
  assert cloud.calls() == []


@pytest.mark.parametrize(
  ('options', 'message'),
  [
    (('--sky',), '--sky needs --accelerator=TYPE'),
    (
      ('--gin_file=/home/me/a.gin', '--xpk'),
      '--gin_file=/home/me/a.gin is not a file',
    ),
    (('--gin.Total.title="a\\\nb"', '--xpk'), 'has a line break'),
  ],
)
def test_what_cannot_be_a_job_is_told(tmp_path, capsys, options, message):
  assert _write(tmp_path / 'jobs', *options) == 2
  assert message in capsys.readouterr().err
  assert not (tmp_path / 'jobs').exists()


def test_jobs_elsewhere_need_a_bucket(tmp_path, capsys):
  assert _sky(tmp_path / 'jobs', output='runs/x') == 2
  assert 'need a bucket' in capsys.readouterr().err


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    (('sky', 'nothing'), 'holds no sweep.json'),
    (('xpk', 'jobs', '--tpu-type=t'), 'give --cluster=NAME'),
    (('xpk', 'jobs', '--cluster=c'), 'give --tpu-type=TYPE'),
  ],
)
def test_wrong_usage_is_told_before_any_call(
  tmp_path, cloud, arguments, message
):
  assert _write(tmp_path / 'jobs', '--xpk') == 0
  kind, folder, *options = arguments
  code, _, errors = cloud.launch(
    f'launch/{kind}/launch.sh', str(tmp_path / folder), *options
  )
  assert code == 2
  assert message in errors
  assert cloud.calls() == []
