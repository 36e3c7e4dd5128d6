"""The cells of a sweep on this machine: checked, then run one by one."""

import json
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import time

from ttc.pipeline import status
from ttc.pipeline.run_log import RunLog, STOPPED
from ttc.pipeline.sweep_cells import Cell
from ttc.runtime import termination
from ttc.runtime.termination import Terminated

_WORK_FAILED, _CANNOT_START = 1, 2
_PROGRAM = (sys.executable, '-m', 'ttc.cli.main')
_PATIENCE_S = 60.0  # for a cell that was asked to end
_OWN_END_S = 10.0  # for this process after that


def check(cells: list[Cell]) -> int:
  """Prints a line of JSON a cell: whether it is complete, or why it cannot be.

  In a process of its own this also takes the accelerator and lets it go.

  Returns:
    0, or 2 where a cell cannot be run.
  """
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
  from ttc.cli import arguments, runner
  from ttc.pipeline.experiment import ConfigurationError
  from ttc.pipeline.records import IncompleteError
  from ttc.pipeline.stage import RefusedError

  code = 0
  for cell in cells:
    found = {'cell': cell.name}
    try:
      found['complete'] = runner.is_complete(arguments.request(cell.arguments))
    except (
      ConfigurationError,
      RefusedError,
      IncompleteError,
      OSError,
    ) as error:
      found['error'] = str(error)
      code = _CANNOT_START
    print(json.dumps(found), flush=True)
  return code


def run(folder: pathlib.Path, cells: list[Cell], command: str) -> int:
  """Runs what is not complete; a cell that fails does not stop the others.

  Args:
    folder: of the sweep.
    cells: to run, in this order.
    command: what was typed.

  Returns:
    0 all complete, 1 not all, 130 and 143 interrupted and terminated.
  """
  attempt = RunLog()
  attempt.begin(folder, command=command)
  code = _WORK_FAILED
  try:
    with termination.watched(grace=_PATIENCE_S + _OWN_END_S):
      code = _run(folder, cells, attempt)
  except KeyboardInterrupt:
    code = 128 + signal.SIGINT
  except Terminated:
    code = 128 + signal.SIGTERM
  finally:
    attempt.end(code)
  if code in STOPPED:
    _tell('stopped; the same command continues')
  return code


def _run(folder: pathlib.Path, cells: list[Cell], attempt: RunLog) -> int:
  open_cells, refused = {}, False
  for cell, found in zip(cells, _checked(cells), strict=True):
    if 'error' in found:
      began = time.time()
      attempt.cell(cell.name)
      attempt.cell(
        cell.name, began=began, code=_CANNOT_START, error=found['error']
      )
      _tell(f'{cell.name}: {found["error"]}')
      refused = True
    elif found['complete']:
      _tell(f'{cell.name}: complete, skipped')
    else:
      open_cells[cell.name] = cell
  for number, (name, cell) in enumerate(open_cells.items(), start=1):
    now = status.one(folder / name)
    if now.state == 'running':
      _tell(f'{name}: skipped, another process has it ({now.detail})')
      continue
    _tell(f'{name}: {number} of {len(open_cells)}')
    began = time.time()
    attempt.cell(name)
    code = _ran(cell)
    attempt.cell(name, began=began, code=code)
    if code:
      _tell(
        f'{name}: ended with exit code {code}; to see why:\n  '
        f'{shlex.join(["ttc", *cell.arguments])}'
      )
  mine = {cell.name for cell in cells}
  states = [r for r in status.read(folder) if r.name in mine]
  told = ', '.join(f'{n} {s}' for s, n in status.counts(states).items())
  _tell(f'{len(states)} cells: {told}')
  done = all(run.state == 'done' for run in states)
  return 0 if done and not refused else _WORK_FAILED


def _checked(cells: list[Cell]) -> list[dict]:
  """What `check` finds, in a process that does not keep the accelerator."""
  code = (
    'import json, sys; from ttc.cli import sweep_runner; '
    'from ttc.pipeline.sweep_cells import Cell; '
    'sweep_runner.check([Cell(*of) for of in json.load(sys.stdin)])'
  )
  given = [(cell.name, cell.choices, cell.arguments) for cell in cells]
  done = subprocess.run(
    [sys.executable, '-c', code],
    input=json.dumps(given),
    stdout=subprocess.PIPE,
    text=True,
    check=False,
  )
  lines = [
    line for line in done.stdout.splitlines() if line.startswith('{"cell"')
  ]
  if done.returncode or len(lines) != len(cells):
    raise OSError(
      f'checking the cells ended with exit code {done.returncode} after '
      f'{len(lines)} of {len(cells)}; its last lines say why.'
    )
  return [json.loads(line) for line in lines]


def _ran(cell: Cell) -> int:
  """Runs a cell to its end; its exit code, negative for a signal."""
  with subprocess.Popen([*_PROGRAM, *cell.arguments]) as process:
    try:
      return process.wait()
    except (KeyboardInterrupt, Terminated) as error:
      termination.settle()  # the next signal must not cut this wait short
      # An interrupt from the terminal has reached it too.
      if isinstance(error, Terminated):
        process.terminate()
      try:
        process.wait(_PATIENCE_S)
      except subprocess.TimeoutExpired:
        process.kill()
      raise


def _tell(text: str) -> None:
  print(f'sweep: {text}', file=sys.stderr, flush=True)
