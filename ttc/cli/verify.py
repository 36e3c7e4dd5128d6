"""`ttc verify`: whether folders of runs still hold what was written."""

import argparse
import sys


def add_parser(stages) -> None:
  """Adds `verify` to the subparsers of `ttc`."""
  parser = stages.add_parser(
    'verify',
    help='compare finished work with the digests of what was written',
    description='Compare every part and model in folders of runs with the '
    'digests of what was written; name what is damaged and how to make it '
    'again.',
    allow_abbrev=False,
  )
  parser.add_argument('folder', nargs='+', metavar='FOLDER')


def run(options: argparse.Namespace) -> int:
  """Prints a line per stage; returns 0, 1 with damage, 2 without any stage."""
  from ttc.pipeline import verify
  from ttc.runtime import storage
  from ttc.runtime.safe_text import printable

  stages = damaged = 0
  try:
    for name in options.folder:
      for finding in verify.verify(storage.absolute(name)):
        stages += 1
        damaged += bool(finding.damage)
        state = 'DAMAGED' if finding.damage else finding.state
        line = f'{state:<11}{finding.files:>6} files  {finding.folder}'
        print(printable(line, one_line=True))
        for line in finding.damage:
          print(printable(f'  {line}'))
  except (ValueError, OSError) as error:
    told = ' '.join(str(error).splitlines())
    print(printable(f'ttc: {told}'), file=sys.stderr)
    return 2
  if not stages:
    print(f'ttc: no stage in {", ".join(options.folder)}.', file=sys.stderr)
    return 2
  print(f'{stages} stages, {damaged} damaged')
  return 1 if damaged else 0
