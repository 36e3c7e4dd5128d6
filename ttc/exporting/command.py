"""`ttc export` at work: what of a run is written for which other tool."""

import argparse
from collections.abc import Sequence
import pathlib
import sys
from typing import TYPE_CHECKING

from ttc.runtime import storage
from ttc.runtime.safe_text import printable

if TYPE_CHECKING:
  from ttc.pipeline.experiment import Load

_EXAMPLE = """
for example
  ttc export --to=inspect --run=runs/quickstart --only=search --output=logs
  inspect view --log-dir=logs
"""


def add_parser(stages) -> None:
  """Adds `export` to the subparsers of `ttc`."""
  parser = stages.add_parser(
    'export',
    help='write what a run did for other tools to show',
    description='Write a log for each strategy and budget (inspect), or the '
    'metrics of each stage (wandb).',
    epilog=_EXAMPLE,
    formatter_class=argparse.RawDescriptionHelpFormatter,
    allow_abbrev=False,
  )
  parser.add_argument(
    '--to', required=True, choices=('inspect', 'wandb'), help='the other tool'
  )
  parser.add_argument('--run', required=True, metavar='FOLDER', help='of a run')
  parser.add_argument(
    '--only',
    action='append',
    default=[],
    metavar='NAME',
    help='export only the stage with this name; may be repeated',
  )
  parser.add_argument(
    '--output',
    default='logs',
    metavar='FOLDER',
    help='where to write (logs)',
  )
  parser.add_argument(
    '--project', default='ttc', metavar='NAME', help='of wandb (ttc)'
  )
  parser.add_argument(
    '--online',
    action='store_true',
    help='send to wandb; without it `wandb sync` does later',
  )


def run(options: argparse.Namespace, load: 'Load') -> int:
  """Writes what is asked for.

  Args:
    options: of the command line.
    load: `configuration.load`.

  Returns:
    The exit code: 0; 1 if writing failed; 2 if there is nothing to export.
  """
  from ttc.exporting import inspect_logs, recorded, wandb_runs

  try:
    root = storage.absolute(options.run)
    folder = storage.local(options.output)
    stages = recorded.folders(root, options.only)
    (inspect_logs if options.to == 'inspect' else wandb_runs).check()
    if options.to == 'inspect':
      count = _inspect(stages, folder, load)
    else:
      count = _wandb(stages, root, folder, options)
    if not count:
      what = 'attempts' if options.to == 'inspect' else 'metrics'
      raise ValueError(f'no stage of --run={options.run} has {what}.')
  except (ValueError, OSError) as error:
    if storage.unreachable(error):
      raise
    told = printable(' '.join(str(error).split()))
    print(f'ttc: {told}', file=sys.stderr)
    return 2 if isinstance(error, ValueError) else 1
  return 0


def _inspect(
  stages: Sequence[pathlib.Path], folder: pathlib.Path, load: 'Load'
) -> int:
  from ttc.exporting import inspect_logs, recorded

  count = 0
  for answered in recorded.answered(stages, load):
    count += 1
    path = inspect_logs.write(answered, folder)
    print(printable(f'{len(answered.rows)} questions: {path}'))
  if count:
    print(printable(f'inspect view --log-dir={folder}'))
  return count


def _wandb(
  stages: Sequence[pathlib.Path],
  root: pathlib.Path,
  folder: pathlib.Path,
  options: argparse.Namespace,
) -> int:
  from ttc.exporting import wandb_runs

  storage.make_folder(folder)
  count = 0
  for stage in stages:
    lines = wandb_runs.write(
      stage, root.name, options.project, str(folder), options.online
    )
    if lines:
      count += 1
      label = f'{stage.parent.name}/{stage.name}'
      print(printable(f'{lines} lines of metrics: {label}'), flush=True)
  wandb_runs.finish()
  if count and not options.online:
    print(printable(f'wandb sync {folder}/wandb/offline-run-*'))
  return count
