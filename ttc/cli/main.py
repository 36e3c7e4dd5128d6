"""The command `ttc`: parses the command line and dispatches the subcommand.

Slow imports (jax, gin, TensorFlow) wait until the command line is parsed, so
that `ttc --help` and a mistyped option answer at once.
"""

import os
import shlex
import sys
from types import ModuleType

from ttc.cli import (
  arguments,
  compare_runs,
  convert,
  evaluate,
  export,
  grade,
  plan,
  serve,
  solve,
  status,
  sweep,
  unpack,
  verify,
)
from ttc.runtime import storage

# What takes nothing but its own options, and what takes gin bindings as well.
_PLAIN = (compare_runs, convert, export, grade, status, unpack, verify)
_OF_EXPERIMENTS = (evaluate, plan, serve, solve, sweep)


def main(argv: list[str] | None = None) -> int:
  """Runs a command line.

  Args:
    argv: arguments after the program's name; None uses sys.argv.

  Returns:
    The exit code: 0, 1 if work failed, 2 if the configuration or command line
    is wrong, 128 + signal number if stopped.
  """
  argv = sys.argv[1:] if argv is None else argv
  if argv[:1] == ['--version']:
    from ttc.distribution import version

    print(version.text())
    return 0
  if argv[:1] == ['report'] and argv[1:] and not argv[1].startswith('-'):
    argv = ['compare_runs', *argv[1:]]  # a report of runs compares them
  parser, stages = arguments.program()
  for command in (*_PLAIN, *_OF_EXPERIMENTS):
    command.add_parser(stages)
  options, rest = parser.parse_known_args(argv)
  # Must precede the import of TensorFlow, which otherwise logs a page.
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
  try:
    for command in _PLAIN:
      if options.stage == _name(command):
        code = command.run(parser.parse_args(argv))
        sys.stdout.flush()
        return code
    for command in _OF_EXPERIMENTS:
      if options.stage == _name(command):
        if told := arguments.unknown(options, rest):
          print(f'ttc: {told}', file=sys.stderr)
          return 2
        return command.run(options, rest, shlex.join(['ttc', *argv]))
  except BrokenPipeError:
    # Who reads has seen enough, such as `head`. What is left in the buffer
    # would raise again when Python ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
  except Exception as error:
    if (told := storage.unreachable(error)) is None:
      raise
    print(f'ttc: {told}', file=sys.stderr)
    return 2
  from ttc.cli import runner

  return runner.run(arguments.request(argv))


def _name(command: ModuleType) -> str:
  return command.__name__.rsplit('.', 1)[-1]


if __name__ == '__main__':
  sys.exit(main())
