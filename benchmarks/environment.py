"""The opponents' environment, the weights, and what machine this is."""

import hashlib
import importlib.metadata
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import venv

ROOT = pathlib.Path(__file__).parents[1]
_PINS = ROOT / 'benchmarks' / 'opponents' / 'requirements.txt'


def cache() -> pathlib.Path:
  """Where environments and weights are kept."""
  base = os.environ.get('XDG_CACHE_HOME') or pathlib.Path.home() / '.cache'
  return pathlib.Path(base) / 'ttc-benchmarks'


def opponents(existing: pathlib.Path | None) -> str:
  """The Python of the opponents; makes their environment if need be.

  Args:
    existing: an environment that has the pins already, or None.
  """
  if existing is not None:
    python = existing / 'bin' / 'python'
    if not python.exists():
      raise SystemExit(f'--environment={existing} has no bin/python.')
    return str(python)
  pins = hashlib.sha256(_PINS.read_bytes()).hexdigest()[:12]
  folder = cache() / f'opponents-{pins}'
  python = folder / 'bin' / 'python'
  if not (folder / 'complete').exists():
    print(f"Making the opponents' environment {folder} (3 GB)", flush=True)
    venv.create(folder, with_pip=True, clear=True)
    subprocess.run(
      [
        python,
        '-m',
        'pip',
        'install',
        '--quiet',
        '--disable-pip-version-check',
        '-r',
        _PINS,
      ],
      check=True,
    )
    (folder / 'complete').touch()
  return str(python)


def weights(existing: pathlib.Path | None) -> pathlib.Path:
  """A folder with the two models' weights; writes them if need be.

  A process of its own does it: what this one ever held would count as memory
  of its children.
  """
  folder = existing or cache() / 'weights'
  subprocess.run(
    [sys.executable, '-m', 'benchmarks.weights', str(folder)],
    cwd=ROOT,
    check=True,
  )
  return folder


def describe() -> dict:
  """The machine, and versions."""
  try:
    lines = pathlib.Path('/proc/cpuinfo').read_text(encoding='ascii')
    names = [
      line.split(':')[1].strip()
      for line in lines.splitlines()
      if line.startswith('model name')
    ]
  except FileNotFoundError:
    names = []
  packages = ('jax', 'jaxlib', 'flax', 'numpy')
  return {
    'processor': names[0] if names else platform.processor(),
    'cores': os.cpu_count(),
    'python': platform.python_version(),
    **{name: importlib.metadata.version(name) for name in packages},
    'opponents': _PINS.read_text(encoding='ascii').split(),
    'revision': _revision(),
  }


def _revision() -> str:
  """Of git; empty where there is none."""
  if shutil.which('git') is None:
    return ''
  return subprocess.run(
    ['git', 'describe', '--always', '--dirty'],
    cwd=ROOT,
    text=True,
    capture_output=True,
    check=False,
  ).stdout.strip()
