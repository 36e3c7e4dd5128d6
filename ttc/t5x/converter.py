"""Documents of a seqio Task as rows of one length.

seqio's own packing casts every feature to integers and takes zeros for
padding, which loss weights and soft labels do not survive. Here a document
goes into the row that is being filled, or, where it has no room, closes it:

    documents   [a a a] [b b] [c c c]
    row         tokens      a a a b b .
                segments    1 1 1 2 2 0
                positions   0 1 2 0 1 0

Tokens of one segment see only each other (`models/memory.py`), so a packed
row trains exactly as its documents apart.
"""

import seqio
import tensorflow as tf

from ttc.data.packing import POSITIONS, SEGMENTS

_SPEC = seqio.FeatureConverter.FeatureSpec
_DTYPES = {
  'decoder_input_tokens': tf.int32,
  'decoder_target_tokens': tf.int32,
  'decoder_target_values': tf.float32,
  'decoder_loss_weights': tf.float32,
  SEGMENTS: tf.int32,
  POSITIONS: tf.int32,
}


class DocumentConverter(seqio.FeatureConverter):
  """Rows for a language model, or for a verifier, by what it is trained on."""

  PACKING_FEATURE_DTYPES = {}  # segments and positions are there without, too

  def __init__(self, target: str, **rest):
    """A converter.

    Args:
      target: 'decoder_target_tokens' or 'decoder_target_values'.
      **rest: see seqio; `pack` puts several documents into a row.
    """
    names = ('decoder_input_tokens', target, 'decoder_loss_weights')
    self.TASK_FEATURES = {name: _SPEC(dtype=_DTYPES[name]) for name in names}
    self.MODEL_FEATURES = {
      name: _SPEC(dtype=_DTYPES[name]) for name in (*names, SEGMENTS, POSITIONS)
    }
    super().__init__(**rest)

  def _convert_features(self, ds, task_feature_lengths):
    lengths = {task_feature_lengths[name] for name in self.TASK_FEATURES}
    if len(lengths) > 1:
      raise ValueError(
        f'task_feature_lengths={dict(task_feature_lengths)} differ; all '
        'features of a document are equally long, so give one length.'
      )
    ds = ds.map(
      lambda example: {name: example[name] for name in self.TASK_FEATURES}
    )
    return (_packed if self.pack else _padded)(ds, lengths.pop())

  def get_model_feature_lengths(self, task_feature_lengths):
    """One length for everything, segments and positions included."""
    length = max(task_feature_lengths.values())
    return dict.fromkeys(self.MODEL_FEATURES, length)


def _padded(ds: tf.data.Dataset, length: int) -> tf.data.Dataset:
  """One document a row."""
  empty = _empty(ds, length)
  return ds.map(lambda document: _append(empty, document, length))


def _packed(ds: tf.data.Dataset, length: int) -> tf.data.Dataset:
  """As many documents a row as follow each other and fit."""
  empty = _empty(ds, length)

  def step(state, document):
    used, _ = _end(state)
    full = used + _length(document) > length
    kept = tf.nest.map_structure(
      lambda fresh, old: tf.where(full, fresh, old), empty, state
    )
    return _append(kept, document, length), {'full': full, **state}

  # A last document that fills a row by itself closes the one before it.
  last = tf.data.Dataset.from_tensors(
    {
      name: tf.zeros([length], spec.dtype)
      for name, spec in ds.element_spec.items()
    }
  )
  ds = ds.concatenate(last).scan(empty, step)
  ds = ds.filter(lambda row: row['full'])
  return ds.map(lambda row: {k: v for k, v in row.items() if k != 'full'})


def _empty(ds, length) -> dict[str, tf.Tensor]:
  return {
    name: tf.zeros([length], _DTYPES[name])
    for name in (*ds.element_spec, SEGMENTS, POSITIONS)
  }


def _end(state) -> tuple[tf.Tensor, tf.Tensor]:
  """Tokens and documents in a row."""
  segments = state[SEGMENTS]
  return tf.math.count_nonzero(segments, dtype=tf.int32), tf.reduce_max(
    segments
  )


def _length(document) -> tf.Tensor:
  return tf.size(document['decoder_input_tokens'])


def _append(state, document, length) -> dict[str, tf.Tensor]:
  """A row, with room for it, and one document more."""
  used, count = _end(state)
  size = _length(document)
  document = document | {
    SEGMENTS: tf.fill([size], count + 1),
    POSITIONS: tf.range(size),
  }
  return {
    name: row
    + tf.ensure_shape(
      tf.pad(document[name], [[used, length - used - size]]), [length]
    )
    for name, row in state.items()
  }
