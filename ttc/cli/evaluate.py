"""`ttc evaluate`: judges strategies on questions with reference answers."""

from ttc.answering import options
from ttc.cli import arguments


def add_parser(stages) -> None:
  """Adds `evaluate` to the subparsers of `ttc`."""
  options.add_evaluate(stages, arguments.configuration(), arguments.GIN_HELP)


def run(parsed, rest: list[str], typed: str) -> int:
  """Prints a table; see `answering.evaluation.run`."""
  from ttc.answering import evaluation
  from ttc.bindings import sources
  from ttc.cli import configuration

  sources.search_in(parsed.gin_search_paths)
  return evaluation.run(parsed, rest, configuration.load, typed)
