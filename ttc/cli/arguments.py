"""The command line of whatever runs stages, and the request it makes."""

import argparse
from collections.abc import Sequence
import shlex

from ttc.runtime import profiling

_KINDS = {
  'pretrain': 'train a language model from scratch',
  'sample': 'sample solutions of questions',
  'label': 'label steps by Monte-Carlo rollouts',
  'train': 'finetune a proposer or a verifier on what stages made',
  'revise_data': 'pair wrong attempts with right ones into trajectories',
  'difficulty': 'sample the test questions to tell easy from hard',
  'search': 'search against a verifier, over strategies and budgets',
  'revise': 'sample chains of revisions, sequential against parallel',
  'policy': 'choose the best strategy for each difficulty and budget',
  'report': 'draw the figures and write the summary',
}

_GIN_HELP = """\
configuration:
  --gin_file=PATH       gin file; may be repeated, later ones win
  --gin.NAME=VALUE      one binding or macro over the files, for example
                        --gin.Experiment.seeds='(0, 1, 2)'
                        --gin.Experiment.output="'/tmp/runs'"
"""


def common() -> argparse.ArgumentParser:
  """The options of every command that reads gin files, as a parent parser."""
  parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
  parser.add_argument(
    '--gin_file', action='append', default=[], help=argparse.SUPPRESS
  )
  parser.add_argument(
    '--only',
    action='append',
    default=[],
    metavar='NAME',
    help='run only the stage of this name; may be repeated',
  )
  parser.add_argument(
    '--distributed',
    action='store_true',
    help='join the other processes of a pod, or those told by the options '
    'below, first',
  )
  for option, kind, metavar, text in (
    ('coordinator', str, 'HOST:PORT', 'where process 0 listens'),
    ('processes', int, 'N', 'processes of the run'),
    ('process', int, 'I', 'this one, from 0'),
    ('join_timeout', float, 'SECONDS', 'to wait for the others, 300'),
  ):
    parser.add_argument(
      f'--{option}', type=kind, metavar=metavar, help=f'--distributed: {text}'
    )
  parser.add_argument(
    '--debug', action='store_true', help='show where an error came from'
  )
  parser.add_argument(
    '--profile',
    nargs='?',
    type=_steps,
    const=profiling.STEPS,
    metavar='STEPS',
    help='leave a trace of some steps (20) of each stage in its folder',
  )
  return parser


def program() -> tuple[argparse.ArgumentParser, argparse._SubParsersAction]:
  """The parser of `ttc` with `run` and every kind of stage.

  Returns:
    The parser, and its subparsers, to which other commands add theirs.
  """
  parser = argparse.ArgumentParser(
    prog='ttc',
    description='Spend test-time compute where it helps, and measure it.',
    epilog=_GIN_HELP,
    formatter_class=argparse.RawDescriptionHelpFormatter,
    allow_abbrev=False,
  )
  stages = parser.add_subparsers(
    dest='stage', required=True, metavar='STAGE', title='stages'
  )
  shared = common()
  for kind, text in {
    'run': 'run all stages of an experiment, in order',
    **_KINDS,
  }.items():
    stages.add_parser(
      kind,
      help=text,
      description=f'{text[0].upper()}{text[1:]}.',
      epilog=_GIN_HELP,
      parents=[shared],
      formatter_class=argparse.RawDescriptionHelpFormatter,
      allow_abbrev=False,
    )
  return parser, stages


def request(argv: Sequence[str]):
  """The runner's request that a command line makes; exits where it cannot.

  Args:
    argv: arguments after the program's name, of `run` or a kind of stage.
  """
  parser, _ = program()
  options, rest = parser.parse_known_args(argv)
  bindings = []
  for argument in rest:
    if not argument.startswith('--gin.') or '=' not in argument:
      parser.error(f'unknown argument {argument!r}; see ttc --help')
    bindings.append(argument.removeprefix('--gin.'))
  if not options.gin_file:
    parser.error('say what to run with --gin_file=PATH')
  from ttc.cli import runner

  return runner.Request(
    kind=None if options.stage == 'run' else options.stage,
    files=tuple(options.gin_file),
    bindings=tuple(bindings),
    only=tuple(options.only),
    cluster=_cluster(parser, options),
    debug=options.debug,
    profile=options.profile,
    command=shlex.join(['ttc', *argv]),
  )


def _cluster(parser: argparse.ArgumentParser, options: argparse.Namespace):
  """The processes to join; None where nobody is to be joined."""
  from ttc.runtime.join import Cluster

  told = (options.coordinator, options.processes, options.process)
  timeout = options.join_timeout
  if not options.distributed:
    if (*told, timeout) != (None,) * 4:
      parser.error(
        '--coordinator, --processes, --process and --join_timeout go with '
        '--distributed'
      )
    return None
  if None in told and told != (None,) * 3:
    parser.error('give all of --coordinator, --processes and --process')
  return Cluster(*told, **({} if timeout is None else {'timeout': timeout}))


def _steps(text: str) -> int:
  steps = int(text)
  if steps < 1:
    raise argparse.ArgumentTypeError(f'{steps} is not at least 1')
  return steps
