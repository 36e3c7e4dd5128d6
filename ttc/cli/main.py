"""The command `ttc`: reads the command line and nothing heavier.

Everything that takes time to import waits until it is known what to do, so
that `ttc --help` and a mistyped option answer at once.
"""

import argparse
from collections.abc import Sequence
import os
import shlex
import sys

from ttc.cli import convert, grade, plan, profiling, status, sweep

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


def main(argv: list[str] | None = None) -> int:
  """Runs the command line; returns 0, or 1 work, 2 configuration, 128+signal.

  Args:
    argv: arguments after the program's name; None takes the process's own.
  """
  argv = sys.argv[1:] if argv is None else argv
  parser = _parser()
  options, rest = parser.parse_known_args(argv)
  for command in (convert, grade, status):
    if options.stage == command.__name__.rsplit('.', 1)[-1]:
      return command.run(parser.parse_args(argv))
  if options.stage == 'sweep':
    return sweep.run(options, rest, shlex.join(['ttc', *argv]))
  if options.stage == 'plan':
    return plan.run(options, rest)
  # Before anything imports TensorFlow, whose start is otherwise a page.
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
  from ttc.cli import runner

  return runner.run(request(argv))


def request(argv: Sequence[str]):
  """The runner's request that a command line makes; exits where it cannot.

  Args:
    argv: arguments after the program's name, of `run` or a kind of stage.
  """
  parser = _parser()
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
  from ttc.cli.joining import Cluster

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


def _parser() -> argparse.ArgumentParser:
  common = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
  common.add_argument(
    '--gin_file', action='append', default=[], help=argparse.SUPPRESS
  )
  common.add_argument(
    '--only',
    action='append',
    default=[],
    metavar='NAME',
    help='run only the stage of this name; may be repeated',
  )
  common.add_argument(
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
    common.add_argument(
      f'--{option}', type=kind, metavar=metavar, help=f'--distributed: {text}'
    )
  common.add_argument(
    '--debug', action='store_true', help='show where an error came from'
  )
  common.add_argument(
    '--profile',
    nargs='?',
    type=_steps,
    const=profiling.STEPS,
    metavar='STEPS',
    help='leave a trace of some steps (20) of each stage in its folder',
  )
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
  for kind, text in {
    'run': 'run all stages of an experiment, in order',
    **_KINDS,
  }.items():
    stages.add_parser(
      kind,
      help=text,
      description=f'{text[0].upper()}{text[1:]}.',
      epilog=_GIN_HELP,
      parents=[common],
      formatter_class=argparse.RawDescriptionHelpFormatter,
      allow_abbrev=False,
    )
  convert.add_parser(stages)
  grade.add_parser(stages)
  plan.add_parser(stages, common)
  status.add_parser(stages)
  sweep.add_parser(stages, common)
  return parser


if __name__ == '__main__':
  sys.exit(main())
