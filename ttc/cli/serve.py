"""`ttc serve`: answers questions over HTTP with the models of a run."""

from ttc.cli import arguments
from ttc.serving import options


def add_parser(stages) -> None:
  """Adds `serve` to the subparsers of `ttc`."""
  options.add_parser(stages, arguments.configuration(), arguments.GIN_HELP)


def run(parsed, rest: list[str], typed: str) -> int:
  """Serves until it is stopped; see `serving.command.run`."""
  from ttc.bindings import sources
  from ttc.cli import configuration
  from ttc.serving import command

  del typed
  sources.search_in(parsed.gin_search_paths)
  return command.run(parsed, rest, configuration.load)
