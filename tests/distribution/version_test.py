"""`ttc --version` tells the revision, in a checkout and out of a build."""

import os
import re
import shutil
import subprocess
import sys
import tarfile

import pytest

from tests.distribution import building
from ttc.cli import main


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


def _setup(folder, *command):
  subprocess.run(
    [sys.executable, 'setup.py', '-q', *command],
    cwd=folder,
    capture_output=True,
    check=True,
  )


def test_a_checkout_tells_its_revision_and_changes(checkout):
  told = _told(checkout)
  assert re.fullmatch(
    r'ttc \S.*, revision [0-9a-f]{12}, source [0-9a-f]{12}\n', told
  )
  main_file = checkout / 'ttc' / 'cli' / 'main.py'
  text = main_file.read_text()
  main_file.write_text(f'{text}# changed\n')
  try:
    assert re.search(r', revision [0-9a-f]{12}-dirty, source ', _told(checkout))
  finally:
    main_file.write_text(text)


def test_a_build_of_a_source_archive_keeps_the_revision(checkout, tmp_path):
  revision = re.search('revision ([0-9a-f]+)', _told(checkout))[1]
  copy = tmp_path / 'copy'
  shutil.copytree(checkout, copy)
  _setup(copy, 'sdist', f'--dist-dir={tmp_path}', '--formats=tar')
  with tarfile.open(*tmp_path.glob('*.tar')) as archive:
    archive.extractall(tmp_path / 'source', filter='data')
  (source,) = (tmp_path / 'source').iterdir()
  _setup(source, 'build', f'--build-base={tmp_path}/build')
  built = tmp_path / 'build' / 'lib'
  assert f', revision {revision}, source ' in _told(built)
  # The digest is of what results depend on, and so the same.
  assert _told(built).split()[-1] == _told(checkout).split()[-1]
  shipped = built / 'ttc' / 'shipped'
  names = building.git(checkout, 'ls-files', 'gin', 'launch').split()
  assert all((shipped / name).is_file() for name in names)
  (built / 'ttc' / 'revision.txt').unlink()
  assert 'revision' not in _told(built)


def test_the_help_names_it(capsys):
  with pytest.raises(SystemExit, match='0'):
    main.main(['--help'])
  assert '--version' in capsys.readouterr().out
  assert main.main(['--version']) == 0
  assert capsys.readouterr().out.startswith('ttc ')
