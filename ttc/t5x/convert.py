"""`python -m ttc.t5x.convert`: converts T5X checkpoints for stages of `ttc`.

T5X itself is not needed. The output folder replaces a finished training stage:
give its absolute path where a stage expects the name of one.
"""

import argparse
import pathlib
import sys

MODEL = 'model'


def main(argv: list[str] | None = None) -> int:
  """Converts a checkpoint.

  Args:
    argv: arguments of the command; None means those of the process.

  Returns:
    The exit code: 0, or 1 after the reason was printed to stderr.
  """
  parser = argparse.ArgumentParser(
    prog='python -m ttc.t5x.convert', description=__doc__.split('\n\n')[0]
  )
  parser.add_argument(
    '--base',
    required=True,
    metavar='FOLDER',
    help='the finished model that gave the config',
  )
  parser.add_argument(
    '--checkpoint',
    required=True,
    metavar='FOLDER',
    help='a checkpoint_<step>, or a MODEL_DIR for its newest',
  )
  parser.add_argument(
    '--output', required=True, metavar='FOLDER', help='gets model/'
  )
  options = parser.parse_args(argv)
  from ttc.checkpoints import orbax, t5x

  try:
    cfg, _ = orbax.load_config(options.base)
    checkpoint = pathlib.Path(options.checkpoint)
    if not (checkpoint / 'state').is_dir():  # a folder of checkpoints
      checkpoint = t5x.newest(checkpoint)
    folder = pathlib.Path(options.output).absolute() / MODEL
    head = t5x.import_model(checkpoint, cfg, folder)
  except ValueError as error:
    print(error, file=sys.stderr)
    return 1
  print(f'{folder}: a model with a {head} head, from {checkpoint}')
  return 0


if __name__ == '__main__':
  sys.exit(main())
