"""Training data sets on disk: TFDS folders of ArrayRecord files.

An example is a dict of one of two kinds. `lm` is for language models (paper
§4, §6.1) and has loss on the tokens from `loss_start` on. `value` is for
verifiers (paper §5.1) and has a label at each listed position, the last token
of a step.

    lm      tokens [T]  loss_start                            problem
    value   tokens [T]  positions [S]  labels [S] in [0, 1]   problem

The records are tf.train.Examples that `tfds.builder_from_directory` reads.
They are serialized here because TFDS's own writer takes 270 microseconds per
example, and this one 20.
"""

from collections.abc import Iterable, Mapping
import itertools
import pathlib
import shutil
from typing import Literal

from array_record.python.array_record_data_source import ArrayRecordDataSource
from array_record.python.array_record_module import ArrayRecordWriter
import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from ttc.runtime import storage

Kind = Literal['lm', 'value']
_SCHEMAS = {
  'lm': {
    'tokens': (1, np.int32),
    'loss_start': (0, np.int32),
    'problem': (0, np.int64),
  },
  'value': {
    'tokens': (1, np.int32),
    'positions': (1, np.int32),
    'labels': (1, np.float32),
    'problem': (0, np.int64),
  },
}

# TensorFlow would otherwise reserve the GPU memory that JAX needs.
tf.config.set_visible_devices([], 'GPU')


def write(
  folder: str, kind: Kind, splits: Mapping[str, Iterable[Mapping]]
) -> dict[str, int]:
  """Writes a data set, complete or not at all; an existing one is replaced.

  Args:
    folder: folder of the data set.
    kind: which of the two schemas the examples follow.
    splits: examples by split ('train', 'validation'); none may be empty.

  Returns:
    The number of examples by split.

  Raises:
    ValueError: an example violates the schema, or a split is empty.
  """
  folder = pathlib.Path(folder)
  # Written beside its final name and renamed at the end: a process that dies
  # leaves no data set that could be taken for a complete one.
  partial = folder.with_name(folder.name + '.partial')
  shutil.rmtree(partial, ignore_errors=True)
  partial.mkdir(parents=True)
  info = tfds.core.DatasetInfo(
    builder=tfds.core.DatasetIdentity(
      name=kind,
      version=tfds.core.Version('1.0.0'),
      data_dir=str(partial),
      module_name=__name__,
    ),
    features=tfds.features.FeaturesDict(
      {
        name: tfds.features.Sequence(dtype) if rank else dtype
        for name, (rank, dtype) in _SCHEMAS[kind].items()
      }
    ),
  )
  info.set_file_format('array_record')
  written = [
    _write_split(partial, kind, name, examples)
    for name, examples in splits.items()
  ]
  info.set_splits(tfds.core.splits.SplitDict(written))
  info.write_to_directory(partial)
  # Neither library flushes what it writes. Without that, a power cut after the
  # rename could leave empty files under the final name, taken for complete.
  storage.replace_folder(partial, folder)
  return {split.name: split.num_examples for split in written}


def kind_of(folder: str) -> Kind:
  """Returns the kind of a data set's examples."""
  return tfds.builder_from_directory(str(folder)).info.name


def read(folder: str, split: str) -> tf.data.Dataset:
  """Returns the examples of a split, in the order in which they were written.

  The whole split is parsed at once and held in memory, with about half a
  gigabyte per hundred million tokens.

  Args:
    folder: folder of the data set.
    split: name of the split.

  Raises:
    ValueError: there is no such split.
  """
  info = tfds.builder_from_directory(str(folder)).info
  if split not in info.splits:
    raise ValueError(
      f'{folder} has no split {split!r}; it has {sorted(info.splits)}.'
    )
  source = ArrayRecordDataSource(
    [str(path) for path in info.splits[split].filepaths]
  )
  records = source.__getitems__(range(len(source)))
  spec, casts = {}, {}
  for name, (rank, dtype) in _SCHEMAS[info.name].items():
    # A tf.train.Example stores integers as int64 only.
    stored = tf.float32 if dtype == np.float32 else tf.int64
    spec[name] = (
      tf.io.RaggedFeature(stored) if rank else tf.io.FixedLenFeature([], stored)
    )
    casts[name] = dtype
  parsed = tf.io.parse_example(records, spec)
  columns = {
    name: tf.cast(column, casts[name]) for name, column in parsed.items()
  }
  return tf.data.Dataset.from_tensor_slices(columns)


def _write_split(folder, kind, name, examples):
  template = tfds.core.ShardedFileTemplate(
    dataset_name=kind,
    data_dir=folder,
    split=name,
    filetype_suffix='array_record',
  )
  path = template.sharded_filepath(shard_index=0, num_shards=1)
  # One record per group, as TFDS writes them.
  writer = ArrayRecordWriter(str(path), 'group_size:1')
  count, size = 0, 0
  for example in examples:
    record = _serialize(kind, example)
    writer.write(record)
    count, size = count + 1, size + len(record)
  writer.close()
  if not count:
    raise ValueError(
      f'The split {name!r} of {folder} would be empty; give it '
      'examples, or leave it out.'
    )
  return tfds.core.SplitInfo(
    name=name, shard_lengths=[count], num_bytes=size, filename_template=template
  )


def _serialize(kind, example) -> bytes:
  _check(kind, example)
  features = {}
  for name, (rank, dtype) in _SCHEMAS[kind].items():
    value = example[name] if rank else [example[name]]
    features[name] = (
      tf.train.Feature(float_list=tf.train.FloatList(value=value))
      if dtype == np.float32
      else tf.train.Feature(int64_list=tf.train.Int64List(value=value))
    )
  return tf.train.Example(
    features=tf.train.Features(feature=features)
  ).SerializeToString()


def _check(kind, example):
  """Raises ValueError for an example without a target or with invalid ones."""
  if set(example) != set(_SCHEMAS[kind]):
    raise ValueError(
      f'An example has {sorted(example)}; {kind!r} needs '
      f'{sorted(_SCHEMAS[kind])}.'
    )
  size, where = len(example['tokens']), f'of problem {example["problem"]}'
  if kind == 'lm':
    if not 1 <= example['loss_start'] < size:
      raise ValueError(
        f'loss_start={example["loss_start"]} {where} is not in [1, {size}); '
        'the first token is never a target and one target is needed.'
      )
    return
  positions, labels = example['positions'], example['labels']
  if len(positions) != len(labels) or not len(labels):
    raise ValueError(
      f'{len(positions)} positions and {len(labels)} labels '
      f'{where}; give as many, and at least one.'
    )
  # Checks the order and both limits at once.
  bounds = [-1, *positions, size]
  if any(a >= b for a, b in itertools.pairwise(bounds)):
    raise ValueError(
      f'positions {list(positions)} {where} do not increase within [0, {size}).'
    )
  if not all(0 <= label <= 1 for label in labels):
    raise ValueError(f'labels {list(labels)} {where} are not in [0, 1].')
