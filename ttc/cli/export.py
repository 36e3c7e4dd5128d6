"""`ttc export`: writes what a run did for other tools to show."""

from ttc.exporting import command


def add_parser(stages) -> None:
  """Adds `export` to the subparsers of `ttc`."""
  command.add_parser(stages)


def run(options) -> int:
  """Writes logs or metrics; see `exporting.command.run`."""
  from ttc.cli import configuration

  return command.run(options, configuration.load)
