"""The command line of `ttc serve`."""

import argparse

from ttc.answering.options import add_valued, parser_of_runs

_EXAMPLE = """
for example, on the quickstart's run:
  ttc serve --run=runs/quickstart
  curl http://127.0.0.1:8000/v1/chat/completions \\
    -H 'Content-Type: application/json' -d '{"model": "beam-m4-16", "messages":
    [{"role": "user", "content": "13: 7 2 1 17: 5 4 3 12: 6 2 1"}]}'

Models are the strategies of `ttc solve`, each at a budget: beam-m4-16 is beam
search with M=4 and 16 generations; any budget up to the largest of the run may
stand there. allocation-3 climbs the fitted ladder for one question, at the
price at which a budget of 3 over this question alone would be used up.
revision-policy-16 revises with two models of its own, which --only=policy, the
stage that fitted it, loads. The same question, seed and model get the answer
that `ttc solve` gives.

environment:
  TTC_API_KEY  a key that clients have to give; needed with --host
"""


def add_parser(stages, parent: argparse.ArgumentParser, gin: str) -> None:
  """Adds `serve` to the subparsers of `ttc`.

  Args:
    stages: the subparsers.
    parent: a parser with the options of commands that read gin files.
    gin: help on these.
  """
  about = (
    'answer questions over HTTP, as OpenAI does',
    'Answer questions over HTTP, as OpenAI does, with the models of a run.',
  )
  parser = parser_of_runs(stages, parent, 'serve', about, gin + _EXAMPLE)
  settings = (
    ('seed', int, None, 'of the models, and of requests without one (the '
     'first of the run)'),
    ('budget', int, None, 'largest of best-of-N that clients may ask for (the '
     'most of the run)'),
    ('only', str, '', 'take models and strategies of this stage alone'),
    ('host', str, '127.0.0.1', 'address to listen at (127.0.0.1)'),
    ('port', int, 8000, 'port; 0 is any that is free (8000)'),
    ('queue', int, 256, 'questions that wait or are at work (256)'),
    ('timeout', float, 600.0, 'seconds that a request may take (600)'),
    ('drain', float, 20.0, 'seconds that a signal leaves to what is at work '
     '(20)'),
    ('prompt_tokens', int, None, 'longest prompt to make room for; more costs '
     "FLOPs (a quarter above the run's longest)"),
    ('body', int, 1 << 20, 'bytes of the longest request (1048576)'),
  )  # fmt: skip
  add_valued(parser, settings)
