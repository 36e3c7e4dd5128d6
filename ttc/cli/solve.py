"""`ttc solve`: answers questions with the models of a run."""

from ttc.answering import options
from ttc.cli import arguments


def add_parser(stages) -> None:
  """Adds `solve` to the subparsers of `ttc`."""
  options.add_solve(stages, arguments.configuration(), arguments.GIN_HELP)


def run(parsed, rest: list[str], typed: str) -> int:
  """Prints answers; see `answering.command.run`."""
  from ttc.answering import command
  from ttc.bindings import sources
  from ttc.cli import configuration

  del typed
  sources.search_in(parsed.gin_search_paths)
  return command.run(parsed, rest, configuration.load)
