"""Runs the cells of a sweep on this machine: checks all, then runs each."""

from collections.abc import Iterator
import json
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import time
from typing import Any

from ttc.pipeline import status
from ttc.pipeline.run_log import RunLog, STOPPED
from ttc.runtime import termination
from ttc.runtime.termination import Terminated
from ttc.sweeps.cells import Cell

_WORK_FAILED, _CANNOT_START = 1, 2
_COMPARED = 'compared'  # folder of the page, beside the cells
_PROGRAM = (sys.executable, '-m', 'ttc.cli.main')
# Seconds that a cell gets to end after a stop, and this process after the cell.
_CELL_GRACE_S = 60.0
_OWN_GRACE_S = 10.0


def check(cells: list[Cell]) -> int:
  """Prints a line of JSON per cell that can be run, then one per error.

  An error that several cells have is told once, with the first of them and
  their number.

  Returns:
    0, or 2 if a cell cannot be run.
  """
  refused: dict[str, list[str]] = {}
  for facts in checks(cells):
    if 'error' in facts:
      refused.setdefault(facts['error'], []).append(facts['cell'])
    else:
      print(json.dumps(facts), flush=True)
  for error, names in refused.items():
    facts = {'cell': names[0], 'cells': len(names), 'error': error}
    print(json.dumps(facts), flush=True)
  return _CANNOT_START if refused else 0


def checks(cells: list[Cell]) -> Iterator[dict[str, Any]]:
  """Yields whether each cell is complete, or its error.

  Checks may acquire the accelerator, which only the end of the process
  releases.
  """
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
  from ttc.cli import arguments, runner
  from ttc.pipeline.experiment import ConfigurationError
  from ttc.pipeline.records import IncompleteError
  from ttc.pipeline.stage import RefusedError

  refusals = (ConfigurationError, RefusedError, IncompleteError, OSError)
  for cell in cells:
    facts: dict[str, Any] = {'cell': cell.name}
    try:
      facts['complete'] = runner.is_complete(arguments.request(cell.arguments))
    except refusals as error:
      facts['error'] = str(error)
    yield facts


def run(folder: pathlib.Path, cells: list[Cell], command: str) -> int:
  """Runs the cells that are not complete; a failing one stops no other.

  Args:
    folder: the sweep's folder.
    cells: the cells to run, in this order.
    command: the command line as text, for the records.

  Returns:
    The exit code: 0 if all cells are complete, 1 if not, 2 if none can be run,
    130 after SIGINT and 143 after SIGTERM.
  """
  log = RunLog()
  log.begin(folder, command=command)
  code = _WORK_FAILED
  try:
    with termination.handling(grace=_CELL_GRACE_S + _OWN_GRACE_S):
      code = _run(folder, cells, log)
  except KeyboardInterrupt:
    code = 128 + signal.SIGINT
  except Terminated:
    code = 128 + signal.SIGTERM
  finally:
    log.end(code)
  if code in STOPPED:
    _report('stopped; the same command continues')
  return code


def _run(folder: pathlib.Path, cells: list[Cell], log: RunLog) -> int:
  open_cells: dict[str, Cell] = {}
  refused: dict[str, list[str]] = {}
  for cell, facts in zip(cells, _checked(cells), strict=True):
    if 'error' in facts:
      began = time.time()
      log.cell(cell.name)
      log.cell(cell.name, began=began, code=_CANNOT_START, error=facts['error'])
      refused.setdefault(facts['error'], []).append(cell.name)
    elif facts['complete']:
      _report(f'{cell.name}: complete, skipped')
    else:
      open_cells[cell.name] = cell
  for error, (name, *others) in refused.items():
    more = f' and {len(others)} more' * bool(others)
    _report(f'{name}{more}: {error}')
  if sum(map(len, refused.values())) == len(cells):
    return _CANNOT_START
  for number, (name, cell) in enumerate(open_cells.items(), start=1):
    now = status.one(folder / name)
    if now.state == 'running':
      _report(f'{name}: skipped, another process has it ({now.detail})')
      continue
    _report(f'{name}: {number} of {len(open_cells)}')
    began = time.time()
    log.cell(name)
    code = _ran(cell)
    log.cell(name, began=began, code=code)
    if code:
      _report(
        f'{name}: ended with exit code {code}; to see why:\n  '
        f'{shlex.join(["ttc", *cell.arguments])}'
      )
  names = {cell.name for cell in cells}
  runs = [run for run in status.read(folder) if run.name in names]
  states = ', '.join(f'{n} {s}' for s, n in status.counts(runs).items())
  _report(f'{len(runs)} cells: {states}')
  if not all(run.state == 'done' for run in runs) or refused:
    return _WORK_FAILED
  page = folder / _COMPARED / 'index.html'
  if len(cells) > 1 and (open_cells or not page.exists()):
    compare(folder, [cell.name for cell in cells])
  return 0


def compare(folder: pathlib.Path, names: list[str]) -> None:
  """Compares finished cells on one page, or says why that cannot be done.

  Args:
    folder: the sweep's folder.
    names: of the cells; the others are compared with the first.
  """
  from ttc.reporting import versus

  try:
    page = versus.write(folder / _COMPARED, [folder / name for name in names])
  except (ValueError, OSError) as error:
    _report(f'no page that compares the cells: {error}')
  else:
    _report(f'the cells compared: {page}')


def _checked(cells: list[Cell]) -> list[dict[str, Any]]:
  """What `checks` yields, of a process that frees the accelerator."""
  code = (
    'import json, sys; from ttc.cli import sweep_runner; '
    'from ttc.sweeps.cells import Cell; '
    'cells = [Cell(*fields) for fields in json.load(sys.stdin)]; '
    '[print(json.dumps(x), flush=True) for x in sweep_runner.checks(cells)]'
  )
  fields = [(cell.name, cell.choices, cell.arguments) for cell in cells]
  done = subprocess.run(
    [sys.executable, '-c', code],
    input=json.dumps(fields),
    stdout=subprocess.PIPE,
    text=True,
    check=False,
  )
  # Libraries may print lines of their own.
  lines = [x for x in done.stdout.splitlines() if x.startswith('{"cell"')]
  if done.returncode or len(lines) != len(cells):
    raise OSError(
      f'checking the cells ended with exit code {done.returncode} after '
      f'{len(lines)} of {len(cells)}; its last lines say why.'
    )
  return [json.loads(line) for line in lines]


def _ran(cell: Cell) -> int:
  """Runs a cell in a process; its exit code, -n if signal n killed it."""
  with subprocess.Popen([*_PROGRAM, *cell.arguments]) as process:
    try:
      return process.wait()
    except (KeyboardInterrupt, Terminated) as error:
      termination.finish_work()  # the next signal must not cut this wait short
      # The terminal has sent an interrupt to the whole process group already.
      if isinstance(error, Terminated):
        process.terminate()
      try:
        process.wait(_CELL_GRACE_S)
      except subprocess.TimeoutExpired:
        process.kill()
      raise


def _report(text: str) -> None:
  print(f'sweep: {text}', file=sys.stderr, flush=True)
