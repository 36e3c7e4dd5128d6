"""`python -m ttc.t5x.convert`: what T5X trained, for the stages of `ttc`.

T5X itself is not needed. The folder that is written stands for a finished
stage: name it by its absolute path where a stage asks for a model.
"""

import argparse
import pathlib
import sys

MODEL = 'model'


def main(argv: list[str] | None = None) -> int:
  """Reads the newest or a given checkpoint; returns 0, or 1 with a reason."""
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
    found = pathlib.Path(options.checkpoint)
    if not (found / 'state').is_dir():
      found = t5x.newest(found)
    folder = pathlib.Path(options.output).absolute() / MODEL
    head = t5x.import_model(found, cfg, folder)
  except ValueError as error:
    print(error, file=sys.stderr)
    return 1
  print(f'{folder}: a model with a {head} head, from {found}')
  return 0


if __name__ == '__main__':
  sys.exit(main())
