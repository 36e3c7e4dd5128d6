"""`ttc plan`: memory, cost and time of a run on a TPU slice, without one.

    ttc plan --gin_file=gin/experiments/math_qwen2_5_1_5b.gin \\
      --gin.SMALL="'/models/small'" --gin.LARGE="'/models/large'" \\
      --topology=v5e:2x4 --stage=prm --price=1.2

Compiles the device programs of the stages for the slice, with libtpu but no
TPU, and compares their memory, FLOPs, bytes and collectives with the limits of
its chips. Models and questions need not exist: shapes come from the
configuration.
"""

import argparse
import json
import os
import sys

from ttc.cli import arguments

_CANNOT_START, _DOES_NOT_FIT = 2, 1
_EXAMPLE = """
for example:
  ttc plan --topology=v5e:4x4 --price=1.2 --stage=prm \\
    --gin_file=gin/experiments/math_qwen2_5_1_5b.gin \\
    --gin.SMALL="'/models/small'" --gin.LARGE="'/models/large'" \\
    --gin.FINETUNE_FILE="'train.jsonl'" --gin.TEST_FILE="'test.jsonl'"

Models and files need not exist; the compiler comes with
`pip install 'test-time-compute[plan]'`.
"""


def add_parser(stages) -> None:
  """Adds `plan` to the subparsers of `ttc`."""
  parser = stages.add_parser(
    'plan',
    help='estimate what a run needs of a TPU slice, without one',
    description='Compile the programs of stages for a TPU slice, without one,\n'
    'and print their memory, cost and time.',
    epilog=arguments.GIN_HELP + _EXAMPLE,
    parents=[arguments.configuration()],
    formatter_class=argparse.RawDescriptionHelpFormatter,
    allow_abbrev=False,
  )
  add = parser.add_argument
  add(
    '--topology',
    required=True,
    metavar='NAME',
    help='generation and shape of the slice, such as v5e:4x4',
  )
  add(
    '--stage',
    '--only',
    dest='names',
    action='append',
    default=[],
    metavar='NAME',
    help='plan only the stage with this name; may be repeated (all stages)',
  )
  add(
    '--price',
    type=float,
    metavar='USD',
    help='USD per chip-hour (no costs are shown)',
  )
  add('--json', action='store_true', help='print one JSON object for machines')
  add(
    '--shape',
    action='append',
    default=[],
    metavar='PATH=SCOPE',
    help='model PATH has the TransformerConfig of gin scope SCOPE, such as '
    "small; may be repeated (the solvers' shapes, or what is there)",
  )
  for name, text in (
    ('questions', 'per split, if neither task nor binding gives it (500)'),
    ('prompt', 'tokens of the longest prompt, likewise (256)'),
    ('tokens', 'mean tokens per attempt (the maximum)'),
    ('steps', 'mean steps per attempt, for labels (10)'),
  ):
    add(f'--{name}', type=int, metavar='N', help=text)


def run(options: argparse.Namespace, rest: list[str], typed: str) -> int:
  """Prints a plan.

  Args:
    options: parsed by `add_parser`'s parser.
    rest: arguments that it does not know: gin bindings.
    typed: the whole command line; a plan does not record it.

  Returns:
    The exit code: 0, 1 if a stage does not fit, 2 if no plan can be made.
  """
  del typed
  if not options.gin_file:
    _report('ttc: name the experiment to plan with --gin_file=PATH')
    return _CANNOT_START
  bindings = tuple(argument.removeprefix('--gin.') for argument in rest)
  # Before jax looks for devices: the chips are only described, not present.
  os.environ['JAX_PLATFORMS'] = 'cpu'
  os.environ.setdefault('TPU_SKIP_MDS_QUERY', '1')
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
  from ttc.bindings import sources
  from ttc.cli import configuration
  from ttc.estimates import plans as estimates
  from ttc.planning import summary

  sources.search_in(options.gin_search_paths)
  try:
    plans, topology = estimates.plans(
      options, bindings, configuration.load, _report
    )
  except ValueError as error:
    if options.debug:
      raise
    _report(f'ttc: {error}')
    return _CANNOT_START
  if options.json:
    facts = summary.facts(plans, topology, options.price)
    print(json.dumps(facts, indent=1))
  else:
    print(summary.table(plans, topology, options.price))
  return 0 if all(plan.fits for plan in plans.values()) else _DOES_NOT_FIT


def _report(text: str) -> None:
  print(text, file=sys.stderr, flush=True)
