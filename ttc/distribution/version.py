"""`ttc --version`: which release this is, and of which revision."""

import importlib.metadata
import pathlib
import subprocess

from ttc.runtime import source

_NAME = 'test-time-compute'  # in setup.py; `ttc` is another project's
_PACKAGE = pathlib.Path(__file__).parents[1]
# Written by setup.py when a wheel or a source archive is built.
_RECORDED = _PACKAGE / 'revision.txt'


def text() -> str:
  """The version, the revision where it is known, and the source's digest."""
  parts = [f'ttc {_version()}']
  if revision := _of_checkout() or _of_build():
    parts.append(f'revision {revision}')
  return ', '.join([*parts, f'source {source.digest()}'])


def _version() -> str:
  try:
    return importlib.metadata.version(_NAME)
  except importlib.metadata.PackageNotFoundError:
    return '(not installed)'


def _of_checkout() -> str:
  """The revision of the checkout that the package is of; '' without one."""
  # The folder may be inside of a checkout of something else, as .venv is.
  if not _git('ls-files', '--error-unmatch', 'cli/main.py'):
    return ''
  return _git('describe', '--always', '--dirty', '--abbrev=12', '--exclude=*')


def _of_build() -> str:
  try:
    return _RECORDED.read_text(encoding='ascii').strip()
  except FileNotFoundError:
    return ''


def _git(*command: str) -> str:
  """What a git command prints in the package's folder; '' where it fails."""
  try:
    done = subprocess.run(
      ['git', *command],
      cwd=_PACKAGE,
      capture_output=True,
      text=True,
      check=True,
    )
  except (OSError, subprocess.CalledProcessError):
    return ''
  return done.stdout.strip()
