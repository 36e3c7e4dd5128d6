"""Writes the hashes of the default install: locked.txt and locked_build.txt.

    python launch/lock.py

is to be run after a change of constraints.txt or of what setup.py requires.
pip is asked which packages it would install here, and then, for each Python and
machine, which file of each package it would take; nothing is installed.
"""

import collections
import itertools
import json
import pathlib
import subprocess
import sys
import tempfile

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_FOLDER = pathlib.Path(__file__).parent
# Not 3.13: editdistance, of seqio, has no file for it, and is built by tools
# that would have to be locked as well.
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
  # pip would hold what a package requires against the Python that it runs in.
  options = ['--ignore-requires-python', f'--python-version={python}']
  return [*options, *(f'--platform={tag}' for tag in tags)]


def _pins(python: str) -> dict[str, str]:
  """What constraints.txt says for a Python, by name: `name==1.2; marker`."""
  text = (_FOLDER.parent / 'constraints.txt').read_text(encoding='utf-8')
  pins = {}
  for line in text.splitlines():
    if not line.startswith('#'):
      pin = Requirement(line)
      if not pin.marker or pin.marker.evaluate({'python_version': python}):
        name = canonicalize_name(pin.name)
        pins[name] = name + line.removeprefix(pin.name)
  return pins


def main() -> None:
  """Asks pip and writes both files."""
  items = _report('--constraint=constraints.txt', '.')
  names = {canonicalize_name(item['metadata']['name']) for item in items}
  names.remove('test-time-compute')
  hashes = collections.defaultdict(set)  # by pin
  for python, machine in itertools.product(_PYTHONS, _MACHINES):
    pins = _pins(python)
    # Markers, too, pip evaluates for its own.
    wanted = [pins[name].partition(';')[0] for name in sorted(names)]
    for item in _report('--no-deps', *_platform(python, machine), *wanted):
      name = canonicalize_name(item['metadata']['name'])
      hashes[pins[name]].add(
        item['download_info']['archive_info']['hashes']['sha256']
      )
      if not item['download_info']['url'].endswith('.whl'):
        print(f'{python}, {machine}: {name} is built from source')
  for file, build in (('locked_build.txt', True), ('locked.txt', False)):
    lines = [_HEADER.rstrip('\n')]
    if not build:
      lines.append('--requirement locked_build.txt')
    for pin in sorted(hashes, key=lambda pin: pin.partition('==')):
      if (pin.partition('==')[0] in _BUILD) == build:
        digests = [f'--hash=sha256:{digest}' for digest in sorted(hashes[pin])]
        lines.append(' \\\n    '.join([pin, *digests]))
    text = '\n'.join(lines)
    (_FOLDER / file).write_text(f'{text}\n', encoding='utf-8')


if __name__ == '__main__':
  main()
