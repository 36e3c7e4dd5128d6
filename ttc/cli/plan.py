"""`ttc plan`: what a run needs of a TPU slice, before anybody pays for one.

    ttc plan --gin_file=gin/experiments/math_qwen2_5_1_5b.gin \\
      --gin.SMALL="'/models/small'" --gin.LARGE="'/models/large'" \\
      --topology=v5e:2x4 --stage=prm --price=1.2

Compiles the device programs of the stages for the slice, with libtpu and no
TPU, and holds memory, FLOPs, bytes and collectives against its chips. Models
and questions need not exist: shapes come from the configuration.
"""

import argparse
import json
import os
import sys

_CANNOT_START, _DOES_NOT_FIT = 2, 1


def add_parser(stages, common: argparse.ArgumentParser) -> None:
  """Adds `plan` to the subparsers of `ttc`."""
  parser = stages.add_parser(
    'plan',
    help='tell what a run needs of a TPU slice, without one',
    description='Compile the programs of stages for a TPU slice, without one, '
    'and tell memory, costs and time.',
    parents=[common],
    allow_abbrev=False,
  )
  add = parser.add_argument
  add('--topology', required=True, metavar='NAME', help='e.g. v5e:4x4')
  add(
    '--stage',
    dest='names',
    action='append',
    default=[],
    metavar='NAME',
    help='plan only the stage of this name; may be repeated',
  )
  add('--price', type=float, metavar='USD', help='of a chip and hour')
  add('--json', action='store_true', help='print one JSON object for machines')
  add(
    '--shape',
    action='append',
    default=[],
    metavar='PATH=SCOPE',
    help='the model of a path is the TransformerConfig of a gin scope',
  )
  for name, text in (
    ('questions', 'of a split, where neither task nor binding says (500)'),
    ('prompt', 'tokens of the longest prompt, likewise (256)'),
    ('tokens', 'of an attempt on average (the most it may have)'),
    ('steps', 'of an attempt on average, for labels (10)'),
  ):
    add(f'--{name}', type=int, metavar='N', help=text)


def run(options: argparse.Namespace, rest: list[str]) -> int:
  """Prints a plan; 0, 1 where a stage does not fit, 2 where none can be made.

  Args:
    options: of the parser.
    rest: arguments that it does not know: bindings of gin.
  """
  strange = [x for x in rest if not x.startswith('--gin.') or '=' not in x]
  if strange or not options.gin_file:
    _tell(
      f'ttc: unknown argument {strange[0]!r}; see ttc plan --help'
      if strange
      else 'ttc: say what to plan with --gin_file=PATH'
    )
    return _CANNOT_START
  bindings = tuple(x.removeprefix('--gin.') for x in rest)
  # Before anything asks for devices: the chips are described, not there.
  os.environ['JAX_PLATFORMS'] = 'cpu'
  os.environ.setdefault('TPU_SKIP_MDS_QUERY', '1')
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
  from ttc.cli import plan_report

  try:
    plans, topology = plan_report.plans(options, bindings, _tell)
  except ValueError as error:
    if options.debug:
      raise
    _tell(f'ttc: {error}')
    return _CANNOT_START
  if options.json:
    print(
      json.dumps(plan_report.facts(plans, topology, options.price), indent=1)
    )
  else:
    print(plan_report.table(plans, topology, options.price))
  return 0 if all(plan.fits for plan in plans.values()) else _DOES_NOT_FIT


def _tell(text: str) -> None:
  print(text, file=sys.stderr, flush=True)
