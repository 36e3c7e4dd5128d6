"""Command line of the subcommands that run stages, parsed into a Request."""

import argparse
from collections.abc import Sequence
import difflib
import pathlib
import shlex

from ttc.bindings.kinds import KINDS
from ttc.runtime import profiling

GIN_HELP = """\
configuration:
  --gin_file=PATH       gin file; may be repeated, later files override
  --gin_search_paths=FOLDER,FOLDER
                        where gin files are looked for, after the working
                        directory; what one includes, first beside it
  --gin.NAME=VALUE      one binding or macro, overrides the files; for example
                        --gin.Experiment.seeds='(0, 1, 2)'
                        --gin.Experiment.output="'/tmp/runs'"
"""


def configuration() -> argparse.ArgumentParser:
  """A parent parser with the options of every command that reads gin files."""
  parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
  parser.add_argument(
    '--gin_file', action='append', default=[], help=argparse.SUPPRESS
  )
  parser.add_argument(
    '--gin_search_paths', type=_folders, default=(), help=argparse.SUPPRESS
  )
  parser.add_argument(
    '--debug', action='store_true', help='show where an error came from'
  )
  return parser


def common(here: bool = True) -> argparse.ArgumentParser:
  """A parent parser with the options of commands that run stages.

  Args:
    here: whether the process itself runs them, and may be one of several.
  """
  parser = argparse.ArgumentParser(
    add_help=False, allow_abbrev=False, parents=[configuration()]
  )
  parser.add_argument(
    '--only',
    action='append',
    default=[],
    metavar='NAME',
    help='run only the stage with this name; may be repeated',
  )
  parser.add_argument(
    '--distributed',
    action='store_true',
    help='first join the other processes of a pod'
    + ', or of the run that the options below describe' * here,
  )
  for option, kind, metavar, text in (
    ('coordinator', str, 'HOST:PORT', 'where process 0 listens'),
    ('processes', int, 'N', 'number of processes in the run'),
    ('process', int, 'I', 'number of this process, from 0'),
    ('join_timeout', float, 'SECONDS', 'how long to wait for the others (300)'),
  ):
    shown = here or option == 'join_timeout'
    parser.add_argument(
      f'--{option}',
      type=kind,
      metavar=metavar,
      help=f'--distributed: {text}' if shown else argparse.SUPPRESS,
    )
  parser.add_argument(
    '--allow_mixed',
    action='store_true',
    help='continue stages that other code or devices began; the report says so',
  )
  parser.add_argument(
    '--profile',
    nargs='?',
    type=_steps,
    const=profiling.STEPS,
    metavar='STEPS',
    help='trace this number of steps (20) of each stage, in its folder',
  )
  return parser


def program() -> tuple[argparse.ArgumentParser, argparse._SubParsersAction]:
  """Builds the parser of `ttc` with `run` and every kind of stage.

  Returns:
    The parser, and its subparsers, to which other commands add their own.
  """
  parser = argparse.ArgumentParser(
    prog='ttc',
    description='Spend test-time compute where it helps, and measure it.',
    epilog=GIN_HELP,
    formatter_class=argparse.RawDescriptionHelpFormatter,
    allow_abbrev=False,
  )
  # Answered by main before this parser asks for a stage.
  parser.add_argument(
    '--version', action='store_true', help='print version and git revision'
  )
  stages = parser.add_subparsers(
    dest='stage', required=True, metavar='STAGE', title='stages'
  )
  shared = common()
  kinds = {'run': 'run all stages of an experiment, in order', **KINDS}
  for kind, text in kinds.items():
    stages.add_parser(
      kind,
      help=text,
      description=f'{text[0].upper()}{text[1:]}.',
      epilog=GIN_HELP,
      parents=[shared],
      formatter_class=argparse.RawDescriptionHelpFormatter,
      allow_abbrev=False,
    )
    _add_checks(stages.choices[kind])
  return parser, stages


def add_mounted(parser: argparse.ArgumentParser) -> None:
  """Adds `--mounted`, for commands that check on behalf of other machines."""
  parser.add_argument(
    '--mounted',
    action='append',
    default=[],
    metavar='FOLDER',
    help='a folder that other machines have, of their image or a shared disk; '
    'may be repeated',
  )


def _add_checks(parser: argparse.ArgumentParser) -> None:
  parser.add_argument(
    '--check',
    nargs='?',
    const='here',
    choices=('here', 'elsewhere'),
    help='only check the configuration; with =elsewhere as far as that does '
    'not depend on the machine, for another one',
  )
  add_mounted(parser)


def unknown(options: argparse.Namespace, rest: Sequence[str]) -> str:
  """What is wrong with arguments that a command's parser does not know.

  Args:
    options: what the parser knows, with `stage`, the command's name.
    rest: the others, which should be bindings.
  """
  heads = ('--gin.', '--sweep.') if options.stage == 'sweep' else '--gin.'
  for argument in rest:
    if argument.startswith(heads) and '=' in argument:
      continue
    if argument.startswith(heads):
      return (
        f'unknown argument {argument!r}: it lacks a value, as in NAME=VALUE'
      )
    known = [f'--{name}' for name in vars(options) if name != 'stage']
    close = difflib.get_close_matches(argument.split('=')[0], known, n=1)
    meant = f' (did you mean {close[0]}?)' if close else ''
    return (
      f'unknown argument {argument!r}{meant}; see ttc {options.stage} --help'
    )
  return ''


def request(argv: Sequence[str]):
  """Parses the command line of `run` or of a kind of stage.

  Args:
    argv: arguments after the program's name.

  Returns:
    The `runner.Request`.

  Raises:
    SystemExit: the command line is wrong; argparse has printed why.
  """
  parser, _ = program()
  options, rest = parser.parse_known_args(argv)
  if told := unknown(options, rest):
    parser.error(told)
  bindings = [argument.removeprefix('--gin.') for argument in rest]
  if not options.gin_file:
    parser.error('name the experiment to run with --gin_file=PATH')
  from ttc.bindings import sources
  from ttc.cli import runner

  sources.search_in(options.gin_search_paths)

  return runner.Request(
    kind=None if options.stage == 'run' else options.stage,
    files=tuple(options.gin_file),
    bindings=tuple(bindings),
    only=tuple(options.only),
    cluster=_cluster(parser, options),
    debug=options.debug,
    profile=options.profile,
    mixed=options.allow_mixed,
    check=options.check,
    mounted=tuple(options.mounted),
    command=shlex.join(['ttc', *argv]),
  )


def _cluster(parser: argparse.ArgumentParser, options: argparse.Namespace):
  """The `Cluster` to join; None without --distributed."""
  from ttc.runtime.join import Cluster

  members = (options.coordinator, options.processes, options.process)
  timeout = options.join_timeout
  if not options.distributed:
    if (*members, timeout) != (None,) * 4:
      parser.error(
        '--coordinator, --processes, --process and --join_timeout go with '
        '--distributed'
      )
    return None
  # None of the three leaves all of them to the platform (join.resolve).
  if None in members and members != (None,) * 3:
    parser.error('give all of --coordinator, --processes and --process')
  return Cluster(*members, **({} if timeout is None else {'timeout': timeout}))


def _folders(text: str) -> tuple[str, ...]:
  folders = tuple(filter(None, text.split(',')))
  for folder in folders:
    if not pathlib.Path(folder).is_dir():
      raise argparse.ArgumentTypeError(f'there is no folder {folder}')
  return folders


def _steps(text: str) -> int:
  if not text.isdecimal() or not int(text):
    raise argparse.ArgumentTypeError(f'{text!r} is no number of at least 1')
  return int(text)
