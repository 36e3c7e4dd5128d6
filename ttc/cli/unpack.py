"""`ttc unpack`: makes a folder like a clone of what is installed."""

import pathlib
import sys

from ttc.distribution import shipped


def add_parser(stages) -> None:
  """Adds `unpack` to the subparsers of `ttc`."""
  text = 'write what is installed, with its gin files, to a folder'
  parser = stages.add_parser('unpack', help=text, description=f'{text}.')
  parser.add_argument('folder', type=pathlib.Path, metavar='FOLDER')


def run(options) -> int:
  """Returns the exit code: 0, or 2 where it cannot be written."""
  try:
    shipped.unpack(options.folder)
  except (OSError, ValueError) as error:
    print(f'ttc: {error}', file=sys.stderr)
    return 2
  print(
    f'{options.folder} is like a clone; to work with it\n'
    f'pip install --no-deps --editable {options.folder}'
  )
  return 0
