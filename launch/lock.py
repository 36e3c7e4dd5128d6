"""Writes the hashes of the default install: locked.txt and locked_build.txt.

    python launch/lock.py

is to be run after a change of constraints.txt or of what setup.py requires.
pip is asked which packages it would install here, and then, for each platform
of the files, which file of each package it would take; nothing is installed.
"""

import collections
import itertools
import json
import pathlib
import subprocess
import sys
import tempfile

_FOLDER = pathlib.Path(__file__).parent
_PYTHONS, _MACHINES = ('3.11', '3.12'), ('x86_64', 'aarch64')
_GLIBC = 28  # of 2.28, the oldest for which TensorFlow has files
# What builds packages that have no wheels, and this one.
_BUILD = ('setuptools',)
_HEADER = """\
# Written by launch/lock.py. Each package of the default install, with the
# SHA-256 of its files for CPython 3.11 and 3.12 on Linux (x86_64 and aarch64,
# glibc 2.28 or later). launch/environment.sh installs nothing else there.
"""


def _report(*arguments: str) -> list[dict]:
  """What pip would install, as its installation report has it."""
  with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder) / 'report.json'
    command = [sys.executable, '-m', 'pip', 'install', '--quiet', '--dry-run']
    command += ['--ignore-installed', f'--target={folder}', f'--report={path}']
    subprocess.run([*command, *arguments], cwd=_FOLDER.parent, check=True)
    return json.loads(path.read_text(encoding='utf-8'))['install']


def _platform(python: str, machine: str) -> list[str]:
  """Options by which pip chooses files for another platform."""
  tags = [f'manylinux_2_{minor}_{machine}' for minor in range(_GLIBC, 4, -1)]
  tags += [f'manylinux{tag}_{machine}' for tag in ('2014', '2010', '1')]
  return [f'--python-version={python}', *(f'--platform={tag}' for tag in tags)]


def main() -> None:
  """Asks pip and writes both files."""
  pins = {}
  for item in _report('--constraint=constraints.txt', '.'):
    name = item['metadata']['name'].lower().replace('_', '-')
    pins[name] = item['metadata']['version']
  del pins['ttc']
  hashes = collections.defaultdict(set)
  for python, machine in itertools.product(_PYTHONS, _MACHINES):
    wanted = [f'{name}=={version}' for name, version in pins.items()]
    for item in _report('--no-deps', *_platform(python, machine), *wanted):
      name = item['metadata']['name'].lower().replace('_', '-')
      hashes[name].add(
        item['download_info']['archive_info']['hashes']['sha256']
      )
      if not item['download_info']['url'].endswith('.whl'):
        print(f'{python}, {machine}: {name} is built from source')
  parts = {
    'locked_build.txt': [name for name in sorted(pins) if name in _BUILD],
    'locked.txt': [name for name in sorted(pins) if name not in _BUILD],
  }
  for file, names in parts.items():
    lines = [_HEADER.rstrip('\n')]
    if file == 'locked.txt':
      lines.append('--requirement locked_build.txt')
    for name in names:
      digests = [f'--hash=sha256:{digest}' for digest in sorted(hashes[name])]
      lines.append(' \\\n    '.join([f'{name}=={pins[name]}', *digests]))
    text = '\n'.join(lines)
    (_FOLDER / file).write_text(f'{text}\n', encoding='utf-8')


if __name__ == '__main__':
  main()
