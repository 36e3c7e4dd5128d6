"""`ttc sweep`: one run for every combination of some bindings.

    ttc sweep --output=runs/strategies --run \
      --gin_file=gin/experiments/worksheet_quickstart.gin \
      --gin.Experiment.reuse="'runs/quickstart'" --only=search \
      --sweep.BUDGET='[16, 64]' --sweep.search/Generation.temperature='[0.7, 1]'

A cell is an ordinary `ttc run` with an output folder of its own. It can be run
on any machine and continues where it stopped; there is no scheduler here.
"""

import argparse
import fnmatch
import os
import pathlib
import shlex
import sys

from ttc.cli import arguments

_CANNOT_START = 2
_HELP = """\
axes:
  --sweep.NAME=LIST     NAME as in --gin.NAME; LIST has its values in gin, or
                        is a dict of values by name, for the folders' names
  --sweep_file=PATH     gin syntax, one such binding on every line
  --sweep.gin_file=LIST the values are gin files: for bindings that change
                        together, such as a checkpoint and its batch

  ttc sweep --output=runs/strategies --run \\
    --gin_file=gin/experiments/worksheet_quickstart.gin \\
    --gin.Experiment.reuse="'runs/quickstart'" --only=search \\
    --sweep.search/Search.arms='{"best": (@best_of_n/arms.Arm(),),
                                 "beam": (@beam/arms.Arm(),)}' \\
    --sweep.search/Generation.temperature='[0.7, 1.0]'

makes four cells, runs/strategies/arms-best_temperature-0.7 and so on. With
Experiment.reuse a cell reuses stages that another experiment has finished with
the same bindings and seeds, such as trained models, and runs the rest.

When run again, it skips finished cells and continues the others. A failing cell
does not stop the others; the exit code is then 1. `ttc status` shows them all.
When all are finished, compared/index.html shows what differs in them and what
that makes, question by question.
"""


def add_parser(stages) -> None:
  """Adds `sweep` to the subparsers of `ttc`."""
  parser = stages.add_parser(
    'sweep',
    help='run an experiment for every combination of some bindings',
    description='Run an experiment for every combination of some bindings.',
    epilog=f'{arguments.GIN_HELP}\n{_HELP}',
    parents=[arguments.common(here=False)],
    formatter_class=argparse.RawDescriptionHelpFormatter,
    allow_abbrev=False,
  )
  parser.add_argument(
    '--output',
    required=True,
    metavar='FOLDER',
    help='folder of the sweep, with one folder per cell; may be gs://...',
  )
  parser.add_argument(
    '--sweep_file', action='append', default=[], help=argparse.SUPPRESS
  )
  parser.add_argument(
    '--cell',
    action='append',
    default=[],
    metavar='NAME',
    help='only cells with this name, which may contain *; may be repeated',
  )
  what = parser.add_mutually_exclusive_group()
  what.add_argument(
    '--print',
    action='store_true',
    help='print the cells as shell commands (the default)',
  )
  what.add_argument(
    '--check',
    action='store_true',
    help='only check the configuration of every cell',
  )
  what.add_argument(
    '--run', action='store_true', help='run the cells here, one by one'
  )
  what.add_argument(
    '--sky',
    metavar='FOLDER',
    help='write a SkyPilot managed spot job for each cell',
  )
  what.add_argument(
    '--xpk', metavar='FOLDER', help='write an xpk workload for each cell'
  )
  parser.add_argument(
    '--accelerator',
    metavar='TYPE',
    help='accelerator of the jobs of --sky, such as tpu-v5litepod-16',
  )
  arguments.add_mounted(parser)


def run(options: argparse.Namespace, rest: list[str], command: str) -> int:
  """Prints, checks, runs or writes the cells; prints errors.

  Args:
    options: parsed by `add_parser`'s parser.
    rest: arguments that it does not know: axes and gin bindings.
    command: the command line as text, for the records.

  Returns:
    The exit code: 0, 1 if a cell failed, 2 if the sweep is wrong.
  """
  from ttc.cli import sweep_runner
  from ttc.pipeline.experiment import ConfigurationError
  from ttc.runtime import storage
  from ttc.sweeps import jobs

  try:
    sweep, chosen = _expanded(options, rest)
    if options.check:
      return sweep_runner.check(chosen)
    if options.run:
      folder = storage.absolute(sweep.output)
      sweep.write(folder, sweep.cells())
      return sweep_runner.run(folder, chosen, command)
    if options.sky is not None or options.xpk is not None:
      write = jobs.write_sky if options.xpk is None else jobs.write_xpk
      folder = _folder(options)
      _check(chosen, options.mounted)
      print(write(sweep, chosen, folder, options.accelerator))
      return 0
    _check(chosen, None)
  except (ConfigurationError, ValueError, OSError) as error:
    print(f'ttc: {" ".join(str(error).splitlines())}', file=sys.stderr)
    return _CANNOT_START
  for cell in chosen:
    print(shlex.join(['ttc', *cell.arguments]))
  return 0


def _expanded(options: argparse.Namespace, rest: list[str]):
  """The sweep, and the cells that --cell selects; raises ValueError."""
  from ttc.bindings import sources
  from ttc.bindings.sweep_axes import axes
  from ttc.runtime import storage
  from ttc.sweeps.cells import Sweep

  swept = [text for text in rest if text.startswith('--sweep.')]
  bindings = [text for text in rest if text.startswith('--gin.')]
  group = (options.coordinator, options.processes, options.process)
  if group != (None,) * 3 or (options.run and options.distributed):
    raise ValueError(
      '--run is for one machine; on several, run each command that --print '
      'gives on all of them, or hand the cells over by --sky or --xpk.'
    )
  for name in ('name', 'output'):
    if any(f'Experiment.{name}=' in text for text in bindings):
      raise ValueError(
        f'a sweep binds Experiment.{name} itself, from --output and the '
        f'values of a cell; remove --gin.Experiment.{name}.'
      )
  sources.search_in(options.gin_search_paths)
  table = axes(
    options.sweep_file,
    [text[len('--sweep.') :] for text in swept],
    [text[len('--gin.') :] for text in bindings],
  )
  if not table:
    raise ValueError(
      'a sweep needs values to go through: --sweep.NAME=LIST, or '
      '--sweep_file=PATH.'
    )
  if not options.gin_file and not any(a.binding == 'gin_file' for a in table):
    raise ValueError('name the experiment to run with --gin_file=PATH')
  if not options.output.strip():
    raise ValueError(f'--output={options.output!r} names no folder.')
  sweep = Sweep(
    output=storage.normal(options.output),
    axes=table,
    files=tuple(options.gin_file),
    bindings=tuple(text[len('--gin.') :] for text in bindings),
    options=tuple(_flags(options)),
  )
  cells = sweep.cells()
  chosen = [
    cell
    for cell in cells
    if not options.cell
    or any(fnmatch.fnmatchcase(cell.name, name) for name in options.cell)
  ]
  if not chosen:
    raise ValueError(
      f'--cell={options.cell[0]} is none of the {len(cells)} cells, which '
      f'are called {cells[0].name} and so on.'
    )
  return sweep, chosen


def _folder(options: argparse.Namespace) -> pathlib.Path:
  """Where jobs are written; raises ValueError for what is no local folder."""
  from ttc.runtime import storage

  option = 'sky' if options.xpk is None else 'xpk'
  name = getattr(options, option)
  if not name.strip():
    raise ValueError(f'--{option}={name!r} names no folder for the jobs.')
  if storage.is_remote(name):
    raise ValueError(
      f'--{option}={name}: jobs are written to a folder of this machine, from '
      'where they are launched; --output is where they write to.'
    )
  return storage.absolute(name)


def _flags(options: argparse.Namespace) -> list[str]:
  """The options that each cell's command gets too."""
  flags = [f'--only={name}' for name in options.only]
  flags += ['--distributed'] * options.distributed
  flags += ['--debug'] * options.debug
  flags += ['--allow_mixed'] * options.allow_mixed
  if options.profile:
    flags.append(f'--profile={options.profile}')
  if options.gin_search_paths:
    flags.append(f'--gin_search_paths={",".join(options.gin_search_paths)}')
  if options.join_timeout:
    flags.append(f'--join_timeout={options.join_timeout:g}')
  return flags


def _check(cells, mounted: list[str] | None) -> None:
  """As `configuration.check_stages`, for the first cell that cannot be run."""
  from ttc.cli import configuration
  from ttc.pipeline.experiment import ConfigurationError

  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
  for cell in cells:
    request = arguments.request(cell.arguments)
    try:
      configuration.check_stages(request, mounted)
    except ConfigurationError as error:
      raise ConfigurationError(f'{cell.name}: {error}') from error
