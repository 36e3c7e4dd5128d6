"""`ttc compare_runs`: finished runs on one page; also `ttc report A B`."""

import sys


def add_parser(stages) -> None:
  """Adds `compare_runs` to the subparsers of `ttc`."""
  text = 'compare finished runs, question by question'
  parser = stages.add_parser('compare_runs', help=text, description=text)
  parser.add_argument('runs', nargs='+', help='such as runs/quickstart')
  parser.add_argument('--output', default='compared', help='folder to write')


def run(parsed) -> int:
  """Writes the page and prints where it is."""
  from ttc.reporting import versus
  from ttc.runtime import storage

  try:
    roots = [storage.path(name) for name in parsed.runs]
    print(versus.write(storage.path(parsed.output), roots))
  except (ValueError, OSError) as error:
    print(f'ttc: {error}', file=sys.stderr)
    return 2
  return 0
