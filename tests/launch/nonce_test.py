"""The nonce by which the processes of a job know each other."""

import re
import stat

import pytest

from ttc.cli import main

# A `ttc` that writes down what it knows.
_INSTALL = """
mkdir -p .venv/bin
printf '%s\\n' '#!/bin/sh' 'echo "$TTC_JOIN_NONCE" >>"$CLOUD/nonces"' \\
  >.venv/bin/ttc
chmod +x .venv/bin/ttc
"""
_PODS = (
  ('launch/pod.sh', '--hosts=one,two', '--', 'run'),
  (
    'launch/tpu_vm.sh',
    '--name=a',
    '--zone=z',
    '--type=v6e-16',
    '--output=gs://b/a',
    '--',
    'run',
  ),
)


def _nonces(cloud):
  return (cloud.folder / 'nonces').read_text().split()


def _check_secret(cloud, nonces, *texts):
  """Nobody who sees the calls or what is printed learns a nonce."""
  seen = '\n'.join([*cloud.calls(), *texts])
  for nonce in nonces:
    assert re.fullmatch('[0-9a-f]{32}', nonce)
    assert nonce not in seen


@pytest.mark.parametrize('arguments', _PODS, ids=['pod', 'tpu_vm'])
def test_all_hosts_of_a_start_share_one(cloud, arguments):
  (cloud.folder / 'install.sh').write_text(_INSTALL)
  for start in range(2):
    code, output, errors = cloud.launch(*arguments)
    assert code == 0, errors
    *_, first, second = nonces = _nonces(cloud)
    assert len(nonces) == 2 * (start + 1)
    assert first == second
    _check_secret(cloud, nonces, output, errors)
  assert len(set(nonces)) == 2
  for path in (cloud.folder / 'workers').glob('*/ttc-job/.job/nonce'):
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize('kind', ['sky', 'xpk'])
def test_each_job_gets_its_own(tmp_path, cloud, kind):
  # The stand-in of the command, behind one that writes down what it is given.
  command = cloud.folder / 'bin' / kind
  (cloud.folder / 'real').mkdir()
  command.rename(cloud.folder / 'real' / kind)
  command.write_text(
    '#!/bin/sh\n[ "$2" = launch ] || [ "$2" = create ] &&\n'
    'echo "$TTC_JOIN_NONCE" >>"$CLOUD/nonces"\n'
    f'exec "$CLOUD/real/{kind}" "$@"\n'
  )
  command.chmod(0o755)
  sweep = (
    'sweep',
    '--gin_file=tests/cli/little.gin',
    '--gin.OUTPUT="unused"',
    '--sweep.Experiment.seeds=[(0,), (1,)]',
    '--output=gs://bucket/a',
    '--accelerator=v6e-8',
    f'--{kind}',
    str(tmp_path / 'jobs'),
  )
  assert main.main(sweep) == 0
  options = ['--cluster=c', '--tpu-type=t'] if kind == 'xpk' else []
  code, output, errors = cloud.launch(
    f'launch/{kind}/launch.sh', str(tmp_path / 'jobs'), *options
  )
  assert code == 0, errors
  nonces = _nonces(cloud)
  assert len(set(nonces)) == len(nonces) == 2
  _check_secret(cloud, nonces, output, errors)
  launches = cloud.calls('jobs launch|workload create')
  assert all('TTC_JOIN_NONCE' in c or 'nonce.env' in c for c in launches)
