"""`ttc --version` tells the revision, in a checkout and out of a build."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from ttc.cli import main

_REPOSITORY = pathlib.Path(__file__).parents[2]


def _git(folder, *command):
  who = ('-c', 'user.name=a', '-c', 'user.email=a@b')
  subprocess.run(
    ['git', *who, *command], cwd=folder, check=True, capture_output=True
  )


def _told(folder):
  """What the package in a folder says of itself."""
  done = subprocess.run(
    [sys.executable, '-m', 'ttc.cli.main', '--version'],
    cwd=folder,
    env=os.environ | {'PYTHONPATH': str(folder)},
    capture_output=True,
    text=True,
    check=True,
  )
  return done.stdout


@pytest.fixture
def checkout(tmp_path):
  """A checkout of the package with one commit."""
  folder = tmp_path / 'checkout'
  folder.mkdir()
  ignored = shutil.ignore_patterns('__pycache__')
  shutil.copytree(_REPOSITORY / 'ttc', folder / 'ttc', ignore=ignored)
  for name in ('setup.py', 'README.md', 'pyproject.toml'):
    shutil.copy(_REPOSITORY / name, folder)
  _git(folder, 'init', '--quiet')
  _git(folder, 'add', '--all')
  _git(folder, 'commit', '--quiet', '--message=one')
  return folder


def test_a_checkout_tells_its_revision_and_changes(checkout):
  told = _told(checkout)
  assert re.fullmatch(
    r'ttc \S.*, revision [0-9a-f]{12}, source [0-9a-f]{12}\n', told
  )
  with open(checkout / 'ttc' / 'cli' / 'main.py', 'a') as file:
    file.write('# changed\n')
  assert re.search(r', revision [0-9a-f]{12}-dirty, source ', _told(checkout))


def test_a_build_keeps_the_revision_that_it_was_made_of(checkout, tmp_path):
  revision = re.search('revision ([0-9a-f]+)', _told(checkout))[1]
  subprocess.run(
    [sys.executable, 'setup.py', '-q', 'build', f'--build-base={tmp_path}/b'],
    cwd=checkout,
    capture_output=True,
    check=True,
  )
  built = tmp_path / 'b' / 'lib'
  assert f', revision {revision}, source ' in _told(built)
  # The digest is of Python files alone, and so the same.
  assert _told(built).split()[-1] == _told(checkout).split()[-1]
  (built / 'ttc' / 'revision.txt').unlink()
  assert 'revision' not in _told(built)


def test_the_help_names_it(capsys):
  with pytest.raises(SystemExit, match='0'):
    main.main(['--help'])
  assert '--version' in capsys.readouterr().out
  assert main.main(['--version']) == 0
  assert capsys.readouterr().out.startswith('ttc ')
