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
from typing import TextIO

from benchmarks import environment
from benchmarks.accelerator.record import Measured, Outcome

_LONGEST = 200  # characters of an error in the table
_LOOK = 0.5  # seconds between two looks at what a part has found


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
  """Runs parts one after the other, and yields what becomes of each.

  A part at work is yielded whenever it has found something, as 'running', so
  that whatever ends this process, what there is has been seen.

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
      why = f'{max(left, 0):.0f} s were left, and it takes {part.least:.0f}'
      yield Outcome(part.name, f'not run: {why}')
    else:
      limit = min(left, part.limit)
      yield from _run(part, folder.absolute(), limit, variables)


def _run(
  part: Part, folder: pathlib.Path, limit: float, variables: Mapping[str, str]
) -> Iterator[Outcome]:
  lines, log = folder / f'{part.name}.jsonl', folder / f'{part.name}.log'
  lines.unlink(missing_ok=True)
  asked = json.dumps({'function': part.function, 'settings': part.settings})
  state, code, found, began = 'done', None, 0, time.monotonic()
  with (
    log.open('w', encoding='utf-8') as output,
    _process(
      [sys.executable, '-m', 'benchmarks.accelerator.child', asked, str(lines)],
      {**os.environ, **variables},
      output,
    ) as child,
  ):
    while code is None:
      left = began + limit - time.monotonic()
      if left <= 0:
        state = f'stopped after {limit:.0f} s'
        break
      with contextlib.suppress(subprocess.TimeoutExpired):
        code = child.wait(min(left, _LOOK))
      measured = _read(lines)
      if code is None and len(measured) > found:
        found = len(measured)
        yield Outcome(part.name, 'running', time.monotonic() - began, measured)
  if code:
    state = f'failed: {_last_line(log) or f"exit {code}"}'
  yield Outcome(part.name, state, time.monotonic() - began, _read(lines))


@contextlib.contextmanager
def _process(
  command: Sequence[str], variables: Mapping[str, str], output: TextIO
) -> Iterator[subprocess.Popen]:
  """A process that ends with the block, and what it started with it.

  Otherwise a device would stay taken. The process ends by itself where nobody
  holds its standard input any more, see `child`.
  """
  child = subprocess.Popen(
    command,
    cwd=environment.ROOT,
    env=variables,
    stdin=subprocess.PIPE,
    stdout=output,
    stderr=subprocess.STDOUT,
    start_new_session=True,
  )
  with child:
    try:
      yield child
    finally:
      with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)


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
