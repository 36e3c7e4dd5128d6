"""Parts as processes with a time limit, within a budget for all of them."""

from collections.abc import Iterator, Mapping, Sequence
import contextlib
import dataclasses
import importlib.util
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

from benchmarks import environment
from benchmarks.accelerator.record import Measured, Outcome

_LONGEST = 200  # characters of an error in the table


@dataclasses.dataclass(frozen=True)
class Part:
  """Settings that share a process.

  Attributes:
    name: of the part.
    function: 'module:name', called with each setting; returns a `Measured`.
    settings: keyword arguments, the most important first.
    least: seconds without which it is not worth starting.
    limit: seconds after which it is stopped.
    needs: modules that must be there.
  """

  name: str
  function: str
  settings: tuple[Mapping, ...]
  least: float = 20.0
  limit: float = 120.0
  needs: tuple[str, ...] = ()


def run(
  parts: Sequence[Part],
  folder: pathlib.Path,
  seconds: float,
  variables: Mapping[str, str],
) -> Iterator[Outcome]:
  """Runs parts one after the other, and yields what became of each.

  Args:
    parts: in the order in which they are to run.
    folder: gets PART.jsonl and PART.log.
    seconds: for all of them; what no longer fits is not run.
    variables: of the environment of the processes, beside those there are.
  """
  end = time.monotonic() + seconds
  for part in parts:
    left = end - time.monotonic()
    missing = [n for n in part.needs if importlib.util.find_spec(n) is None]
    if missing:
      yield Outcome(part.name, f'not run: no {missing[0]}')
    elif left < part.least:
      yield Outcome(
        part.name,
        f'not run: {max(left, 0):.0f} s were left, and it takes '
        f'{part.least:.0f}',
      )
    else:
      yield _run(part, folder, min(left, part.limit), variables)


def _run(
  part: Part, folder: pathlib.Path, seconds: float, variables: Mapping[str, str]
) -> Outcome:
  lines, log = folder / f'{part.name}.jsonl', folder / f'{part.name}.log'
  lines.unlink(missing_ok=True)
  asked = json.dumps({'function': part.function, 'settings': part.settings})
  state, began = 'done', time.monotonic()
  with log.open('w', encoding='utf-8') as output:
    child = subprocess.Popen(
      [sys.executable, '-m', 'benchmarks.accelerator.child', asked, lines],
      cwd=environment.ROOT,
      env={**os.environ, **variables},
      stdin=subprocess.DEVNULL,
      stdout=output,
      stderr=subprocess.STDOUT,
      start_new_session=True,
    )
    try:
      if code := child.wait(seconds):
        state = f'failed: {_last_line(log) or f"exit {code}"}'
    except subprocess.TimeoutExpired:
      state = f'stopped after {seconds:.0f} s'
    finally:
      # What it started too, or a device would stay taken.
      with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
      child.wait()
  return Outcome(part.name, state, time.monotonic() - began, _read(lines))


def _read(lines: pathlib.Path) -> list[Measured]:
  """What a part has found; a line that was cut off is none."""
  if not lines.exists():
    return []
  *whole, _ = lines.read_text(encoding='utf-8').split('\n')
  return [Measured(**json.loads(line)) for line in whole]


def _last_line(log: pathlib.Path) -> str:
  text = log.read_text(encoding='utf-8', errors='replace')
  filled = [line.strip() for line in text.splitlines() if line.strip()]
  return filled[-1][:_LONGEST] if filled else ''
