"""The default install is pinned by hashes, and the hashes fit the pins."""

import ast
import importlib.metadata
import os
import pathlib
import re
import subprocess
import sys

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
import pytest

_REPOSITORY = pathlib.Path(__file__).parents[2]
_LOCKS = ('launch/locked_build.txt', 'launch/locked.txt')
_PYTHONS = ('3.11', '3.12')
_PIN = re.compile(
  r'([\w.-]+==[\w.]+(?:; .*?)?)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)'
)


def _lines(name):
  text = (_REPOSITORY / name).read_text(encoding='utf-8')
  assert '://' not in text
  return re.sub(r'^#.*\n', '', text, flags=re.MULTILINE)


def _versions(lines, python):
  """Version by name, of the pins that hold for a Python."""
  pins = {}
  for pin in map(Requirement, lines):
    if not pin.marker or pin.marker.evaluate({'python_version': python}):
      name = canonicalize_name(pin.name)
      assert name not in pins
      pins[name] = str(pin.specifier)
  return pins


def _constraints(python):
  return _versions(_lines('constraints.txt').splitlines(), python)


def _locked(python):
  pins = []
  for lock in _LOCKS:
    text = _lines(lock)
    pins += [pin for pin, _ in _PIN.findall(text)]
    rest = _PIN.sub('', text).split()
    assert rest in ([], ['--requirement', 'locked_build.txt'])
  return _versions(pins, python)


def _required():
  """What setup.py says that the default install needs."""
  tree = ast.parse((_REPOSITORY / 'setup.py').read_text(encoding='utf-8'))
  (texts,) = (
    ast.literal_eval(node.value)
    for node in ast.walk(tree)
    if isinstance(node, ast.keyword) and node.arg == 'install_requires'
  )
  return [Requirement(text) for text in texts]


@pytest.mark.parametrize('python', _PYTHONS)
def test_versions_are_those_of_the_constraints(python):
  constraints = _constraints(python)
  locked = _locked(python)
  assert {name: constraints.get(name) for name in locked} == locked


def test_each_python_has_the_same_packages():
  assert len({frozenset(_locked(python)) for python in _PYTHONS}) == 1


def test_exactly_the_default_install_is_locked():
  waiting, names, seen = _required(), set(), set()
  while waiting:
    requirement = waiting.pop()
    if str(requirement) in seen:
      continue
    seen.add(str(requirement))
    names.add(canonicalize_name(requirement.name))
    asked = {canonicalize_name(extra) for extra in requirement.extras}
    for text in importlib.metadata.requires(requirement.name) or ():
      needed = Requirement(text)
      if needed.marker is None or any(
        needed.marker.evaluate({'extra': extra}) for extra in ('', *asked)
      ):
        waiting.append(needed)
  python = '.'.join(map(str, sys.version_info[:2]))
  assert names == _locked(python).keys()


# Stands in for the Python of a virtual environment.
_PYTHON = """#!/usr/bin/env bash
if [[ "$1" == -c ]]; then exit "$UNKNOWN"; fi
if [[ "$3" != --version ]]; then printf '%s\\n' "${*:6}" >>"$CALLS"; fi
"""
_LOCKED = [
  '--require-hashes --requirement launch/locked_build.txt',
  '--require-hashes --no-build-isolation --use-pep517 '
  '--requirement launch/locked.txt',
  '--no-deps --no-build-isolation --editable .',
]


@pytest.mark.parametrize(
  ('extras', 'unknown', 'calls', 'said'),
  [
    ('', 0, _LOCKED, 1),
    ('', 1, ['--constraint constraints.txt --editable .'], 2),
    ('[test]', 0, ['--constraint constraints.txt --editable .[test]'], 1),
  ],
)
def test_what_is_installed(tmp_path, extras, unknown, calls, said):
  python = tmp_path / 'venv' / 'bin' / 'python'
  python.parent.mkdir(parents=True)
  python.write_text(_PYTHON)
  python.chmod(0o755)
  done = subprocess.run(
    [
      'bash',
      '-euc',
      f"set -o pipefail; . launch/environment.sh; install '{extras}'",
    ],
    cwd=_REPOSITORY,
    env={
      **os.environ,
      'TTC_VENV': str(tmp_path / 'venv'),
      'PYTHON': sys.executable,
      'UNKNOWN': str(unknown),
      'CALLS': str(tmp_path / 'calls'),
    },
    check=True,
    capture_output=True,
    text=True,
  )
  assert (tmp_path / 'calls').read_text().splitlines() == calls
  lines = done.stderr.splitlines()
  assert len(lines) == said
  assert ('no hashes' in lines[-1]) == bool(said - 1)
