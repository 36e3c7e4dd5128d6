"""The command lines of `ttc solve` and `ttc evaluate`."""

import argparse
from collections.abc import Iterable
import functools
from typing import Any

_EXAMPLES = {int: '0,1', float: '4,16', str: 'greedy,best-of-n'}
_SOLVE = """
for example, on the quickstart's run:
  ttc solve --run=runs/quickstart --strategy=beam-m4 --budget=16 --show \\
    --question='13: 7 2 1 17: 5 4 3 12: 6 2 1'

Strategies are those of the experiment's search stages as figures name them, in
small letters (best-of-n, greedy, beam-m4, lookahead-k1-m4); allocation, which
shares the budget of all questions out among them as its belief says; and
policy, which takes the strategy that is best at the budget for questions as
difficult as samples, which are charged, say that this one is; revision-policy
does so for turns and chains of revisions. A name that is none of them lists
all.
"""
_EVALUATE = """
for example, on the quickstart's run:
  ttc evaluate --run=runs/quickstart --questions=new.jsonl --output=runs/new \\
    --strategy=greedy,best-of-n,beam-m4,allocation,policy --budget=4,16

prints accuracy with its interval for each strategy and budget, what it cost,
and the differences between strategies. Names are those of ttc solve; the budget
of allocation is the mean over questions.
"""


def parser_of_runs(
  stages,
  parent: argparse.ArgumentParser,
  name: str,
  about: tuple[str, str],
  epilog: str,
) -> argparse.ArgumentParser:
  """Adds a command that answers with the models of a run, named by --run.

  Args:
    stages: the subparsers.
    parent: a parser with the options of commands that read gin files.
    name: of the command.
    about: its help in the list of commands, and its description.
    epilog: gin's help and examples.
  """
  help, description = about
  parser = stages.add_parser(
    name,
    help=help,
    description=description,
    epilog=epilog,
    parents=[parent],
    formatter_class=argparse.RawDescriptionHelpFormatter,
    allow_abbrev=False,
  )
  parser.add_argument(
    '--run',
    metavar='FOLDER',
    help='of a run; its recorded configuration is taken without gin files',
  )
  return parser


def add_valued(
  parser: argparse.ArgumentParser,
  options: Iterable[tuple[str, type, Any, str]],
) -> None:
  """Adds options with one value: name, type, default and help of each."""
  for name, kind, default, text in options:
    metavar = 'NAME' if kind is str else 'N'
    parser.add_argument(
      f'--{name}', type=kind, default=default, metavar=metavar, help=text
    )


def add_solve(stages, parent: argparse.ArgumentParser, gin: str) -> None:
  """Adds `solve` to the subparsers of `ttc`.

  Args:
    stages: the subparsers.
    parent: a parser with the options of commands that read gin files.
    gin: help on these.
  """
  about = (
    'answer questions with the models of a run',
    'Answer questions with a strategy and the models of a run.',
  )
  parser = parser_of_runs(stages, parent, 'solve', about, gin + _SOLVE)
  asking = parser.add_mutually_exclusive_group()
  asking.add_argument(
    '--question', metavar='TEXT', help='the question (standard input)'
  )
  asking.add_argument(
    '--questions', metavar='PATH', help='JSON lines, a question each'
  )
  settings = (
    ('field', str, 'question', 'where a line has its question (question)'),
    ('strategy', str, 'best-of-n', 'how to search (best-of-n)'),
    ('budget', float, None, 'generations per question (the most of the run)'),
    ('seed', int, None, 'of the models and samples (the first of the run)'),
    ('only', str, '', 'take models and strategies of this stage alone'),
  )
  add_valued(parser, settings)
  parser.add_argument(
    '--show', action='store_true', help='print all attempts, step by step'
  )
  parser.add_argument(
    '--json', action='store_true', help='print a JSON object per question'
  )


def add_evaluate(stages, parent: argparse.ArgumentParser, gin: str) -> None:
  """Adds `evaluate` to the subparsers of `ttc`; arguments as of `add_solve`."""
  about = (
    'judge strategies on questions with reference answers',
    'Judge strategies, an allocation or a policy on questions with reference '
    'answers, with the models of a run and without training.',
  )
  parser = parser_of_runs(stages, parent, 'evaluate', about, gin + _EVALUATE)
  for name, metavar, text in (
    ('questions', 'PATH', 'JSON lines, a question each'),
    ('output', 'FOLDER', 'for records and the table; goes on with what it has'),
  ):
    parser.add_argument(f'--{name}', metavar=metavar, required=True, help=text)
  fields = (
    ('field', str, 'question', 'where a line has its question (question)'),
    ('answer', str, 'answer', 'where it has its reference answer (answer)'),
    ('only', str, '', 'take models and strategies of this stage alone'),
  )
  add_valued(parser, fields)
  for name, kind, metavar, default, text in (
    ('strategy', str, 'NAME', ('best-of-n',), 'how to search (best-of-n)'),
    (
      'budget',
      float,
      'N',
      (),
      'generations per question (the most of the run)',
    ),
    ('seed', int, 'N', (), 'of the models and samples (the first of the run)'),
  ):
    parser.add_argument(
      f'--{name}',
      type=functools.partial(_several, kind),
      default=default,
      metavar=f'{metavar},{metavar}',
      help=text,
    )
  parser.add_argument(
    '--allow_mixed',
    action='store_true',
    help='continue what other code or devices began',
  )


def _several(kind: type, words: str) -> tuple:
  """The values of a list with commas, each once."""
  try:
    values = [kind(word) for word in words.split(',')]
  except ValueError:
    values = []
  if not values or '' in values:
    raise argparse.ArgumentTypeError(
      f'{words!r} is no list such as {_EXAMPLES[kind]}'
    )
  return tuple(dict.fromkeys(values))
