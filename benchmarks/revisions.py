"""Other revisions of this repository, run in turns with this one."""

import argparse
from collections.abc import Callable, Iterator, Mapping
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from benchmarks import environment


def parser(name: str, against: str, runs: int) -> argparse.ArgumentParser:
  """The arguments of all such benchmarks, with these defaults."""
  made = argparse.ArgumentParser(
    prog=f'python -m benchmarks.{name}',
    formatter_class=argparse.ArgumentDefaultsHelpFormatter,
  )
  made.add_argument('--against', default=against, help='a git revision')
  made.add_argument(
    '--devices',
    type=int,
    default=2,
    help='parts into which XLA cuts the CPU, as the quickstart',
  )
  made.add_argument('--runs', type=int, default=runs)
  made.add_argument(
    '--output',
    type=pathlib.Path,
    default=environment.ROOT / f'runs/benchmarks/{name}.json',
  )
  return made


def compare(
  options: argparse.Namespace,
  measure: Callable[[pathlib.Path], Mapping],
  say: Callable[[Mapping], str],
) -> dict[str, list[Mapping]]:
  """Measures both sides in turns, in reverse order every other run.

  What there is so far is written after each measurement.

  Args:
    options: of `parser`; where `against` is empty there is one side.
    measure: a folder with the files of a side.
    say: what it found, in a few words.

  Returns:
    What was measured in all runs of 'here', and of the other revision.
  """
  results = {
    'machine': environment.describe(),
    'arguments': {k: str(v) for k, v in vars(options).items()},
    'sides': {},
  }
  with contextlib.ExitStack() as stack:
    sides = {'here': environment.ROOT}
    if options.against:
      sides[options.against] = stack.enter_context(worktree(options.against))
    for run in range(options.runs):
      names = list(sides)
      for name in names[::-1] if run % 2 else names:
        told = measure(sides[name])
        results['sides'].setdefault(name, []).append(told)
        print(
          f'run {run + 1} of {options.runs}, {name}: {say(told)}', flush=True
        )
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(results, indent=1) + '\n')
  return results['sides']


@contextlib.contextmanager
def worktree(revision: str) -> Iterator[pathlib.Path]:
  """A temporary folder with the files of a revision."""
  git = lambda *words: subprocess.run(
    ['git', 'worktree', *words],
    cwd=environment.ROOT,
    check=True,
    capture_output=True,
  )
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
    [sys.executable, '-m', module, *words],
    cwd=root,
    text=True,
    capture_output=True,
    check=False,
    env={**os.environ, 'PYTHONPATH': path, 'JAX_NUM_CPU_DEVICES': str(devices)},
  )
  if done.returncode:
    raise SystemExit(done.stderr)
  return done.stdout
