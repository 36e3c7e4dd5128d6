"""A wheel does in any folder what a clone does."""

import os
import subprocess
import sys

import pytest

from tests.distribution import building
from ttc.runtime import source

_QUICK = 'gin/experiments/worksheet_quickstart.gin'


@pytest.fixture
def empty(tmp_path):
  (tmp_path / 'empty').mkdir()
  return tmp_path / 'empty'


def test_it_tells_the_revision_that_it_was_made_of(checkout, installed, empty):
  revision = building.git(checkout, 'rev-parse', '--short=12', 'HEAD').strip()
  told, _ = building.run(installed, empty, '--version')
  # The same source, as far as results depend on it.
  assert told == (f'ttc 0.1.0, revision {revision}, source {source.digest()}\n')


def test_experiments_that_ship_are_found(installed, empty):
  _, told = building.run(
    installed, empty, 'run', f'--gin_file={_QUICK}', '--check'
  )
  assert 'is in order' in told
  assert list(empty.iterdir()) == []
  _, told = building.run(
    installed, empty, 'run', '--gin_file=gin/experiments/worksheet.gim', code=2
  )
  assert 'did you mean gin/experiments/worksheet.gin?' in told


@pytest.mark.parametrize('command', ['plan', 'solve', 'run'])
def test_help_is_there(installed, empty, command):
  told, _ = building.run(installed, empty, command, '--help')
  assert '--gin_file' in told


def test_jobs_are_written_and_told_where_to_start(installed, empty):
  sweep = ('sweep', f'--gin_file={_QUICK}', '--sweep.BUDGET=[16]')
  sweep += ('--output=gs://bucket/runs', '--sky=jobs')
  told, _ = building.run(
    installed, empty, *sweep, '--accelerator=tpu-v5litepod-16'
  )
  assert '`ttc unpack`' in told
  assert str(empty / 'jobs') in told
  (job,) = (empty / 'jobs').glob('*.yaml')
  assert 'launch/install.sh' in job.read_text()
  (empty / 'mine.gin').write_text(f"include '{_QUICK}'\n")
  _, told = building.run(
    installed, empty, *sweep, '--gin_file=mine.gin', code=2
  )
  assert 'run `ttc unpack FOLDER`' in told


def test_what_is_unpacked_is_what_was_built_of(checkout, installed, empty):
  told, _ = building.run(installed, empty, 'unpack', 'mine')
  assert told.splitlines()[-1] == 'pip install --no-deps --editable mine'
  files = {
    str(path.relative_to(empty / 'mine')): path.read_bytes()
    for path in (empty / 'mine').rglob('*')
    if path.is_file() and path.suffix != '.pyc'
  }
  del files['ttc/revision.txt']
  tracked = building.git(checkout, 'ls-files').split()
  # All that one works with, and nothing for git alone.
  assert files.keys() == set(tracked) - {'.gitignore'}
  for name, data in files.items():
    assert data == (checkout / name).read_bytes()
  _, told = building.run(installed, empty, 'unpack', 'mine', code=2)
  assert (
    told == 'ttc: mine exists; name another folder, it is not written over.\n'
  )


def test_launchers_say_where_they_can_be_run(installed, empty):
  launcher = installed / 'ttc' / 'shipped' / 'launch' / 'quickstart.sh'
  done = subprocess.run(
    ['bash', launcher, '--help'],
    cwd=empty,
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 2
  assert 'run ttc unpack FOLDER, and this there' in done.stderr


def test_a_clone_is_not_unpacked(checkout, tmp_path):
  done = subprocess.run(
    [sys.executable, '-m', 'ttc.cli.main', 'unpack', str(tmp_path / 'mine')],
    cwd=checkout,
    env=os.environ | {'PYTHONPATH': str(checkout)},
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 2
  assert f'{checkout} is a clone already' in done.stderr
  assert not (tmp_path / 'mine').exists()
