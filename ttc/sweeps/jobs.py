"""Writes the cells of a sweep as jobs of SkyPilot or xpk, to launch later.

FOLDER/<job>.yaml or <job>.command    one per cell
FOLDER/sweep.json                     the cells, for `ttc status`
FOLDER/output                         the output folder of the sweep, as text
"""

import hashlib
import json
import os
import pathlib
import re
import shlex

from ttc.distribution import shipped
from ttc.runtime import storage
from ttc.sweeps.cells import Cell, FILE, Sweep

# The launchers copy what lies around them.
_WHERE = ' from a folder that `ttc unpack` makes' if shipped.IS_COPY else ''
_OUTPUT = 'output'
_LONGEST = 40  # characters in the name of an xpk workload
_TPU = re.compile(r'tpu-v\d+[a-z]*-[1-9]\d*(:1)?')
_NAME = re.compile(r't-[a-z0-9-]*-[0-9a-f]{8}')


def write_sky(
  sweep: Sweep, cells: list[Cell], folder: pathlib.Path, accelerator: str | None
) -> str:
  """Writes one SkyPilot managed job per cell; returns what to do next.

  Raises:
    ValueError: there is no accelerator, or a job cannot run the cells.
  """
  if not accelerator:
    raise ValueError(
      '--sky needs --accelerator=TYPE, such as tpu-v5litepod-16; '
      'sky show-gpus lists them.'
    )
  if re.match(r'v\d', accelerator):
    accelerator = f'tpu-{accelerator}'  # SkyPilot's name for it
  # As topologies are called, and ttc plan takes them.
  if re.match('tpu-v5e', accelerator):
    raise ValueError(
      f'--accelerator={accelerator}: clouds call v5e v5litepod; write '
      f'{accelerator.replace("v5e", "v5litepod")}.'
    )
  if accelerator.startswith('tpu-') and not _TPU.fullmatch(accelerator):
    raise ValueError(
      f'--accelerator={accelerator} is no TPU slice; write its generation and '
      'size, such as tpu-v5litepod-16.'
    )
  template = shipped.ROOT / 'launch' / 'sky' / 'cell.yaml'
  template = template.read_text(encoding='utf-8')
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
  return (
    f'{len(jobs)} jobs; start them{_WHERE} by\n'
    f'launch/sky/launch.sh {_shown(folder)}'
  )


def write_xpk(
  sweep: Sweep, cells: list[Cell], folder: pathlib.Path, accelerator: str | None
) -> str:
  """Writes the command of one xpk workload per cell; returns what to do next.

  Raises:
    ValueError: a job cannot run the cells.
  """
  jobs = {
    f'{name_of(sweep, cell)}.command': f'{_command(cell)}\n' for cell in cells
  }
  _write(sweep, cells, folder, jobs)
  kind = accelerator or 'TYPE'
  return (
    f'{len(jobs)} workloads; start them{_WHERE} by\n'
    f'launch/xpk/launch.sh {_shown(folder)} '
    f'--cluster=NAME --tpu-type={kind.removeprefix("tpu-")}'
  )


def output(folder: str | os.PathLike) -> str | None:
  """Where the jobs of a folder write to; None for a folder without jobs."""
  path = storage.path(folder) / _OUTPUT
  if storage.is_remote(path) or not path.is_file():
    return None
  if not (path.parent / FILE).is_file():
    return None
  return path.read_text(encoding='utf-8').strip() or None


def name_of(sweep: Sweep, cell: Cell) -> str:
  """A stable name that clusters accept; its digits keep similar cells apart."""
  whole = f'{sweep.output}/{cell.name}'
  digits = hashlib.sha256(whole.encode()).hexdigest()[:8]
  plain = re.sub(r'[^a-z0-9]+', '-', f't-{cell.name}'.lower())
  return f'{plain[: _LONGEST - 9].strip("-")}-{digits}'


def _shown(folder: pathlib.Path) -> pathlib.Path:
  """As it is named where the launcher starts."""
  return folder.absolute() if shipped.IS_COPY else folder


def _command(cell: Cell) -> str:
  # Without it, each host of a pod would do the whole work; one host ignores it.
  arguments = [*cell.arguments]
  if '--distributed' not in arguments:
    arguments.append('--distributed')
  command = shlex.join(['ttc', *arguments])
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
  # launch.sh starts all jobs in the folder: remove those of an earlier sweep.
  for old in [*folder.glob('t-*.yaml'), *folder.glob('t-*.command')]:
    if _NAME.fullmatch(old.stem):
      old.unlink()
  sweep.write(folder, sweep.cells())
  (folder / _OUTPUT).write_text(f'{sweep.output}\n', encoding='utf-8')
  for name, text in jobs.items():
    (folder / name).write_text(text, encoding='utf-8')
