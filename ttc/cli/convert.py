"""`ttc convert`: converts checkpoints from and to Hugging Face's format.

    ttc convert --from=meta-llama/Llama-3.2-1B --to=models/llama-3.2-1b
    ttc convert --from=runs/x/seed-0/prm --to=prm --format=huggingface

A converted folder holds model.json, params/ and the tokenizer's files. Its
absolute path can replace the name of a stage: `Solver.proposer`,
`Solver.verifier`, `Train.start`. The file COMPLETE, written last, has a digest
of the weights, so that a stage notices when they are exchanged.
"""

import argparse
from collections.abc import Iterator
import contextlib
import json
import os
import pathlib
import shutil
import sys
import time

from ttc.checkpoints import faults, lookalikes
from ttc.data import hub
from ttc.exporting import model_card
from ttc.runtime import storage
from ttc.runtime.safe_text import printable

_OURS, _THEIRS = 'ttc', 'huggingface'
_DTYPES = ('float32', 'bfloat16', 'float16')
_CONFIG = 'huggingface.json'  # a copy of their config.json, in our folder
# Files that belong to a tokenizer; the first one is what ttc itself reads.
_TOKENIZER = (
  'tokenizer.json',
  'tokenizer_config.json',
  'tokenizer.model',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'merges.txt',
  'chat_template.jinja',
  'chat_template.json',
  'generation_config.json',
)
# Read by generation code of transformers; ttc's own config has none of them.
_TOKEN_IDS = ('bos_token_id', 'eos_token_id', 'pad_token_id')


def add_parser(stages) -> None:
  """Adds `convert` to the subparsers of `ttc`."""
  parser = stages.add_parser(
    'convert',
    help='convert checkpoints from or to the format of Hugging Face',
    description='Convert a Hugging Face checkpoint (safetensors) into a folder '
    'that stages can use, or a model of ttc into one that transformers reads.',
    allow_abbrev=False,
  )
  parser.add_argument(
    '--from',
    dest='source',
    required=True,
    metavar='FOLDER',
    help='folder of a checkpoint, a converted model or a stage; or OWNER/NAME '
    'of the Hugging Face hub, after `hf download OWNER/NAME`',
  )
  parser.add_argument(
    '--to', dest='target', required=True, metavar='FOLDER', help='a new folder'
  )
  parser.add_argument(
    '--format',
    choices=(_OURS, _THEIRS),
    default=_OURS,
    help='format of the new folder (default: ttc)',
  )
  parser.add_argument(
    '--dtype',
    choices=_DTYPES,
    help='type of weights and activations (default: unchanged)',
  )
  parser.add_argument(
    '--reader',
    metavar='NAME|FILE',
    help='input format of a published verifier: qwen2.5-math-prm, '
    'math-shepherd, rlhflow, trl, or a JSON file with prompt, before, after, '
    'trim, good, bad, apart',
  )
  parser.add_argument(
    '--tokenizer',
    metavar='FOLDER',
    help="where the tokenizer's files are, if not in --from",
  )


def run(options: argparse.Namespace) -> int:
  """Runs `ttc convert`; prints errors.

  Args:
    options: parsed by `add_parser`'s parser.

  Returns:
    The exit code: 0, 1 if reading or writing failed, 2 if the arguments or the
    checkpoint do not allow the conversion.
  """
  # Checkpoints pass through host memory; accelerators stay free for others.
  os.environ.setdefault('JAX_PLATFORMS', 'cpu')
  try:
    print(_run(options), flush=True)
  except ValueError as error:
    return _fail(error, 2)
  except OSError as error:
    return _fail(error, 1)
  return 0


def _fail(error: Exception, code: int) -> int:
  """Prints an error and returns the exit code; names in files are untrusted."""
  text = printable(str(error), one_line=True)
  print(f'ttc: {text}', file=sys.stderr, flush=True)
  return code


def _run(options: argparse.Namespace) -> str:
  """Converts and returns a summary to print."""
  source = hub.folder(storage.local(os.path.expanduser(options.source)))
  target = storage.local(os.path.expanduser(options.target))
  if not source.is_dir():
    raise ValueError(
      f'--from: there is no folder {source}.{hub.advice(source)}'
    )
  if target.exists():
    raise ValueError(
      f'--to: {target} exists; delete it or name another folder, it is not '
      'written over.'
    )
  tokenizer = source
  if options.tokenizer is not None:
    tokenizer = pathlib.Path(options.tokenizer).expanduser()
    if not tokenizer.is_dir():
      raise ValueError(f'--tokenizer: there is no folder {tokenizer}.')
  for name in _TOKENIZER:
    if (tokenizer / name).is_file():
      lookalikes.check_no_pointer(tokenizer / name)
  began = time.monotonic()
  convert = _import if options.format == _OURS else _export
  with _made(target) as work:
    cfg, head = convert(source, work, tokenizer, options)
  lines = [
    ('parameters', f'{cfg.num_params:,} ({cfg.param_dtype})'),
    ('head', head),
    ('seconds', f'{time.monotonic() - began:.1f}'),
    ('written to', printable(str(target))),
  ]
  if not (target / _TOKENIZER[0]).exists():
    lines.append(('tokenizer', f'none: {tokenizer} has no {_TOKENIZER[0]}'))
  return '\n'.join(f'{name:<12}{value}' for name, value in lines)


@contextlib.contextmanager
def _made(target: pathlib.Path) -> Iterator[pathlib.Path]:
  """A folder to fill, which gets its name when it is whole and on disk.

  An incomplete folder would look like a model. One that is left behind by a
  killed process has another name, and no other is removed but by its maker.

  Raises:
    ValueError: another process fills it, or was killed while it did.
  """
  work = target.with_name(f'.{target.name}.tmp')
  storage.make_folder(target.parent)
  try:
    work.mkdir()
  except FileExistsError as error:
    raise ValueError(
      f'--to: {work} exists, so another command converts into {target}, or one '
      'was killed; see that none is at work and delete it.'
    ) from error
  try:
    yield work
    with faults.writing(target):
      storage.replace_folder(work, target)
  except BaseException:  # also Ctrl-C
    shutil.rmtree(work, ignore_errors=True)
    raise


def _import(source, target, tokenizer, options):
  """Converts from Hugging Face's format; returns (config, head)."""
  import jax

  from ttc.checkpoints import huggingface, orbax
  from ttc.models import partitioning
  from ttc.pipeline import fingerprint, model_folders, records

  if (source / model_folders.FILE).exists():
    raise ValueError(
      f'--from: {source} is a model of ours already; give the folder of a '
      f'Hugging Face checkpoint, or --format={_THEIRS}.'
    )
  reader = _reader(options.reader)
  mesh = partitioning.make_mesh(devices=jax.devices()[:1])
  loaded = huggingface.load(str(source), mesh, options.dtype, reader)
  if reader is not None and loaded.head != 'value':
    raise ValueError(
      f'--reader={options.reader} has no good and bad token, and {source} is '
      'a language model without a value head; give their ids.'
    )
  orbax.save_model(str(target), loaded.cfg, loaded.head, loaded.params, reader)
  _copy_tokenizer(tokenizer, target)
  shutil.copy(source / 'config.json', target / _CONFIG)
  fields = None if reader is None else reader.to_json()
  records.mark_complete(
    target,
    {'fingerprint': fingerprint.digest([loaded.digest, fields])},
    *storage.names(target),
  )
  return loaded.cfg, loaded.head


def _export(source, target, tokenizer, options):
  """Converts to Hugging Face's format; returns (config, head)."""
  from ttc.checkpoints import huggingface, orbax
  from ttc.pipeline import model_folders

  if options.reader is not None:
    raise ValueError(
      f'--reader has no place in a checkpoint of format {_THEIRS}.'
    )
  cfg, head, params = orbax.stored_model(str(model_folders.folder(source)))
  huggingface.save(
    str(target), cfg, head, params, options.dtype, _token_ids(tokenizer)
  )
  _copy_tokenizer(tokenizer, target)
  model_card.write(source, target, cfg.num_params)
  return cfg, head


def _reader(name: str | None):
  """The `models.reader.Reader` of --reader, by name or from a JSON file."""
  from ttc.models import reader

  if name is None or name in reader.READERS:
    return reader.READERS.get(name)
  path = pathlib.Path(name).expanduser()
  if not path.is_file():
    raise ValueError(
      f'--reader={name} is neither a file nor one of '
      f'{", ".join(reader.READERS)}.'
    )
  try:
    fields = json.loads(path.read_text(encoding='utf-8'))
    return reader.Reader.from_json(fields)
  except ValueError as error:
    raise ValueError(f'--reader: {path}: {error}') from error


def _copy_tokenizer(source: pathlib.Path, target: pathlib.Path) -> None:
  for name in _TOKENIZER:
    if (source / name).is_file():
      shutil.copy(source / name, target / name)


def _token_ids(folder: pathlib.Path) -> dict:
  """The ids of special tokens in a folder's Hugging Face config, if any."""
  from ttc.checkpoints import huggingface

  for name in (_CONFIG, 'config.json'):
    if (folder / name).is_file():
      config = huggingface.read_json(folder / name)
      return {key: config[key] for key in _TOKEN_IDS if key in config}
  return {}
