"""The command line of `ttc solve`."""

import argparse

_EXAMPLE = """
for example, on the quickstart's run:
  ttc solve --run=runs/quickstart --strategy=beam-m4 --budget=16 --show \\
    --question='13: 7 2 1 17: 5 4 3 12: 6 2 1'

Strategies are those of the experiment's search stages as figures name them, in
small letters (best-of-n, greedy, beam-m4, lookahead-k1-m4), and allocation,
which shares the budget of all questions out among them as its belief says. A
name that is none of them lists all.
"""


def add_parser(stages, parent: argparse.ArgumentParser, gin: str) -> None:
  """Adds `solve` to the subparsers of `ttc`.

  Args:
    stages: the subparsers.
    parent: a parser with the options of commands that read gin files.
    gin: help on these.
  """
  parser = stages.add_parser(
    'solve',
    help='answer questions with the models of a run',
    description='Answer questions with a strategy and the models of a run.',
    epilog=gin + _EXAMPLE,
    parents=[parent],
    formatter_class=argparse.RawDescriptionHelpFormatter,
    allow_abbrev=False,
  )
  parser.add_argument(
    '--run',
    metavar='FOLDER',
    help='of a run; its recorded configuration is taken without gin files',
  )
  asking = parser.add_mutually_exclusive_group()
  asking.add_argument(
    '--question', metavar='TEXT', help='the question (standard input)'
  )
  asking.add_argument(
    '--questions', metavar='PATH', help='JSON lines, a question each'
  )
  for name, kind, default, text in (
    ('field', str, 'question', 'where a line has its question (question)'),
    ('strategy', str, 'best-of-n', 'how to search (best-of-n)'),
    ('budget', float, None, 'generations per question (the most of the run)'),
    ('seed', int, None, 'of the models and samples (the first of the run)'),
    ('only', str, '', 'take models and strategies of this stage alone'),
  ):
    metavar = 'NAME' if kind is str else 'N'
    parser.add_argument(
      f'--{name}', type=kind, default=default, metavar=metavar, help=text
    )
  parser.add_argument(
    '--show', action='store_true', help='print all attempts, step by step'
  )
  parser.add_argument(
    '--json', action='store_true', help='print a JSON object per question'
  )
