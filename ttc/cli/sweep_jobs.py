"""The cells of a sweep as jobs of SkyPilot or xpk, to be started from a shell.

FOLDER/<job>.yaml or <job>.command    one a cell
FOLDER/sweep.json                     the cells, for `ttc status`
FOLDER/output                         where the sweep goes
"""

import hashlib
import json
import pathlib
import re
import shlex

from ttc.pipeline.sweep_cells import Cell, Sweep
from ttc.runtime import storage

_LAUNCH = pathlib.Path(__file__).parents[2] / 'launch'
_LONGEST = 40  # xpk's, for a workload's name
_NAME = re.compile(r't-[a-z0-9-]*-[0-9a-f]{8}')


def write_sky(
  sweep: Sweep, cells: list[Cell], folder: pathlib.Path, accelerator: str | None
) -> str:
  """Writes a managed job a cell; returns what to do next.

  Raises:
    ValueError: no accelerator, or cells that a job cannot run.
  """
  if not accelerator:
    raise ValueError(
      '--sky needs --accelerator=TYPE, such as tpu-v5litepod-16; '
      'sky show-gpus lists them.'
    )
  if re.fullmatch(r'v\d.*', accelerator):
    accelerator = f'tpu-{accelerator}'
  template = (_LAUNCH / 'sky' / 'cell.yaml').read_text(encoding='utf-8')
  jobs = {}
  for cell in cells:
    filled = template
    for name, value in {
      'TTC_NAME': name_of(sweep, cell),
      'TTC_ACCELERATOR': json.dumps(accelerator),
      'TTC_COMMAND': _command(cell),
    }.items():
      filled = filled.replace(name, value)
    jobs[f'{name_of(sweep, cell)}.yaml'] = filled
  _write(sweep, cells, folder, jobs)
  return f'{len(jobs)} jobs; start them by\nlaunch/sky/launch.sh {folder}'


def write_xpk(
  sweep: Sweep, cells: list[Cell], folder: pathlib.Path, accelerator: str | None
) -> str:
  """Writes a workload's command a cell; returns what to do next.

  Raises:
    ValueError: cells that a job cannot run.
  """
  jobs = {
    f'{name_of(sweep, cell)}.command': f'{_command(cell)}\n' for cell in cells
  }
  _write(sweep, cells, folder, jobs)
  kind = accelerator or 'TYPE'
  return (
    f'{len(jobs)} workloads; start them by\nlaunch/xpk/launch.sh {folder} '
    f'--cluster=NAME --tpu-type={kind.removeprefix("tpu-")}'
  )


def name_of(sweep: Sweep, cell: Cell) -> str:
  """A name that clusters take, the same for the same cell of a sweep."""
  whole = f'{sweep.output}/{cell.name}'
  digits = hashlib.sha256(whole.encode()).hexdigest()[:8]
  plain = re.sub(r'[^a-z0-9]+', '-', f't-{cell.name}'.lower())
  return f'{plain[: _LONGEST - 9].strip("-")}-{digits}'


def _command(cell: Cell) -> str:
  # On one host that is nothing, and several must never run as so many ones.
  given = [*cell.arguments]
  if '--distributed' not in given:
    given.append('--distributed')
  command = shlex.join(['ttc', *given])
  if not command.isprintable():
    raise ValueError(
      f'{cell.name} has a line break or the like in its command; remove it: '
      f'{command!r}'
    )
  return command


def _write(
  sweep: Sweep, cells: list[Cell], folder: pathlib.Path, jobs: dict[str, str]
) -> None:
  if not storage.is_remote(sweep.output):
    raise ValueError(
      f'--output={sweep.output} is on this machine; jobs elsewhere need a '
      'bucket, such as gs://bucket/runs.'
    )
  local = [
    argument
    for cell in cells
    for argument in cell.arguments
    if argument.startswith('--gin_file=/')
  ]
  if local:
    raise ValueError(
      f'{local[0]} is not on other machines; name it below the repository.'
    )
  # Cells of an earlier, other sweep must not be started with these.
  for old in [*folder.glob('t-*.yaml'), *folder.glob('t-*.command')]:
    if _NAME.fullmatch(old.stem):
      old.unlink()
  sweep.write(folder, sweep.cells())
  (folder / 'output').write_text(f'{sweep.output}\n', encoding='utf-8')
  for name, text in jobs.items():
    (folder / name).write_text(text, encoding='utf-8')
