"""Data sets of examples as seqio Tasks, with T5X's feature names.

An example becomes, before packing:

    lm      doc            p p a b c        loss from `a` on
            input_tokens   p p a b
            target_tokens  p a b c
            loss_weights   0 1 1 1
    value   input_tokens   p p a b c        a value is read AT a step end
            target_values  0 0 0 y 0
            loss_weights   0 0 0 1 0
"""

import re

import seqio
import tensorflow as tf

from ttc.examples import features, packing

_CHUNK = 1024  # documents per conversion from TensorFlow to numpy


def make_task(folder: str, vocab_size: int) -> seqio.Task:
  """Returns a Task over a data set.

  It is not added to seqio's registry, whose names are global.

  Args:
    folder: a folder from `features.write`.
    vocab_size: number of tokens of the vocabulary (V).
  """
  kind = features.kind_of(folder)
  return over(
    seqio.FunctionDataSource(
      lambda split, shuffle_files, seed=None: features.read(folder, split),
      splits=('train', 'validation'),
    ),
    kind,
    re.sub(r'\W+', '_', f'ttc_{kind}_{folder}'),
    vocab_size,
  )


def over(
  source: seqio.DataSource, kind: features.Kind, name: str, vocab_size: int
) -> seqio.Task:
  """Returns a Task over any source of examples.

  Args:
    source: examples as described in `features`.
    kind: which of the two kinds they are.
    name: name of the Task.
    vocab_size: number of tokens of the vocabulary (V).
  """
  inputs = seqio.Feature(seqio.PassThroughVocabulary(vocab_size), add_eos=False)
  weights = seqio.ContinuousFeature(dtype=tf.float32)
  target = {
    'lm': {'decoder_target_tokens': inputs},
    'value': {'decoder_target_values': weights},
  }
  return seqio.Task(
    name,
    source=source,
    preprocessors=[_PREPROCESSORS[kind]],
    output_features={
      'decoder_input_tokens': inputs,
      'decoder_loss_weights': weights,
    }
    | target[kind],
  )


def documents(task: seqio.Task, split: str) -> packing.Documents:
  """Loads a split of a Task into memory, in the order of the data set.

  Shuffling, repetition and sharding are left to `packing.Batches`, whose state
  is small: a tf.data iterator would have to checkpoint its buffers.

  Args:
    task: from `make_task` or `over`.
    split: name of the split.

  Raises:
    ValueError: there is no such split, or a token is not in the vocabulary.
  """
  dataset = task.get_dataset(split=split, shuffle=False)
  names = sorted(task.output_features)
  dataset = dataset.map(lambda example: {n: example[n] for n in names})
  # Ragged chunks and one concatenation: converting single documents is slow.
  chunks = list(dataset.ragged_batch(_CHUNK))
  joined = tf.nest.map_structure(
    lambda *parts: tf.concat(parts, axis=0), *chunks, expand_composites=False
  )
  starts = joined[names[0]].row_splits.numpy()
  columns = {name: column.values.numpy() for name, column in joined.items()}
  inputs = columns['decoder_input_tokens']
  size = task.output_features['decoder_input_tokens'].vocabulary.size
  if inputs.min() < 0 or inputs.max() >= size:
    raise ValueError(
      f'Tokens of {task.name} are in [{inputs.min()}, {inputs.max()}], and '
      f'the vocabulary has {size}; use the one that made the examples.'
    )
  return packing.Documents(columns, starts)


@seqio.map_over_dataset
def _language_model(example):
  tokens = example['tokens']
  index = tf.range(1, tf.size(tokens))
  return {
    'decoder_input_tokens': tokens[:-1],
    'decoder_target_tokens': tokens[1:],
    'decoder_loss_weights': tf.cast(index >= example['loss_start'], tf.float32),
  }


@seqio.map_over_dataset
def _value(example):
  tokens = example['tokens']
  indices, shape = example['positions'][:, None], tf.shape(tokens)
  ones = tf.ones_like(example['labels'])
  return {
    'decoder_input_tokens': tokens,
    'decoder_target_values': tf.scatter_nd(indices, example['labels'], shape),
    'decoder_loss_weights': tf.scatter_nd(indices, ones, shape),
  }


_PREPROCESSORS = {'lm': _language_model, 'value': _value}
