"""Other revisions of this repository, to be run beside this one."""

from collections.abc import Iterator
import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile

from benchmarks import environment


@contextlib.contextmanager
def worktree(revision: str) -> Iterator[pathlib.Path]:
  """A temporary folder with the files of a revision."""
  git = lambda *words: subprocess.run(
      ['git', 'worktree', *words], cwd=environment.ROOT, check=True,
      capture_output=True)
  with tempfile.TemporaryDirectory() as folder:
    at = pathlib.Path(folder) / 'ttc'
    git('add', '--detach', at, revision)
    try:
      yield at
    finally:
      git('remove', '--force', at)


def child(root: pathlib.Path, module: str, *words: str, devices: int) -> str:
  """Runs a module with the package of `root`; its standard output.

  Args:
    root: of a revision.
    module: of it, or of the benchmarks here.
    *words: arguments.
    devices: parts into which XLA cuts the CPU.
  """
  path = os.pathsep.join([str(root), str(environment.ROOT)])
  done = subprocess.run(
      [sys.executable, '-m', module, *words], cwd=root, text=True,
      capture_output=True, check=False,
      env={**os.environ, 'PYTHONPATH': path,
           'JAX_NUM_CPU_DEVICES': str(devices)})
  if done.returncode:
    raise SystemExit(done.stderr)
  return done.stdout
