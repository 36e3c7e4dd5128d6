"""Makes checkouts and wheels of what is here, and runs what is installed."""

import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

REPOSITORY = pathlib.Path(__file__).parents[2]
TINY = pathlib.Path(__file__).with_name('tiny.gin')
_ROOTS = ('gin', 'launch', 'notebooks', 'ttc')


def git(folder, *command):
  who = ('-c', 'user.name=a', '-c', 'user.email=a@b')
  done = subprocess.run(
    ['git', *who, *command],
    cwd=folder,
    check=True,
    capture_output=True,
    text=True,
  )
  return done.stdout


def checkout(folder):
  """A new checkout of what is here, changes included, with one commit."""
  folder.mkdir(parents=True)
  for path in REPOSITORY.iterdir():
    if path.is_file() and path.name != '.git':
      shutil.copy(path, folder)
  ignored = shutil.ignore_patterns('__pycache__')
  for name in _ROOTS:
    shutil.copytree(REPOSITORY / name, folder / name, ignore=ignored)
  git(folder, 'init', '--quiet')
  git(folder, 'add', '--all')
  git(folder, 'commit', '--quiet', '--message=one')
  return folder


def require_tools():
  """Skips a test where wheels cannot be built without the network."""
  for tool in ('pip', 'setuptools', 'wheel'):
    if importlib.util.find_spec(tool) is None:
      pytest.skip(f'{tool} is not installed, and wheels are built offline')


def pip(*arguments):
  command = [sys.executable, '-m', 'pip', '--disable-pip-version-check']
  done = subprocess.run(
    [*command, arguments[0], '--no-deps', '--no-index', *arguments[1:]],
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stderr


def run(installed, cwd, *arguments, code=0):
  """What the installed command prints in a folder, out and err.

  The packages that it requires are those of the tests.
  """
  done = subprocess.run(
    [sys.executable, installed / 'bin' / 'ttc', *arguments],
    cwd=cwd,
    env=os.environ | {'PYTHONPATH': str(installed)},
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == code, done.stderr[-4000:]
  return done.stdout, done.stderr
