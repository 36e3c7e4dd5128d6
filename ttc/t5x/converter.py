"""seqio feature converter: documents packed into rows of one length.

seqio's own packing casts every feature to integers and takes zeros for padding,
which destroys loss weights and soft labels. Here a document is appended to the
current row or, if it does not fit, completes that row and begins the next one:

    documents   [a a a] [b b] [c c c]
    row         tokens      a a a b b .
                segments    1 1 1 2 2 0
                positions   0 1 2 0 1 0

Attention stays within a segment (`models/memory.py`), so that a packed row
trains exactly as its documents do in rows of their own.
"""

import seqio
import tensorflow as tf

from ttc.examples.packing import POSITIONS, SEGMENTS

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
  """Makes rows for a language model or for a verifier, by the kind of target.

  Every feature of a row is [T]: the inputs, the targets, the loss weights,
  segment ids (from 1, 0 for padding) and positions within the segments.
  """

  # seqio adds the features listed here only if `pack` is set. Segments and
  # positions are in MODEL_FEATURES instead, because rows always have them.
  PACKING_FEATURE_DTYPES = {}

  def __init__(self, target: str, **rest):
    """Creates a converter.

    Args:
      target: 'decoder_target_tokens' or 'decoder_target_values'.
      **rest: arguments of `seqio.FeatureConverter`; `pack` puts several
        documents into a row.
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
    """Returns T for every feature, segments and positions included."""
    length = max(task_feature_lengths.values())
    return dict.fromkeys(self.MODEL_FEATURES, length)


def _padded(ds: tf.data.Dataset, length: int) -> tf.data.Dataset:
  """One document per row."""
  empty = _empty(ds, length)
  return ds.map(lambda document: _append(empty, document, length))


def _packed(ds: tf.data.Dataset, length: int) -> tf.data.Dataset:
  """Consecutive documents in a row as long as they fit.

  The scan outputs the row before each document, of which only complete ones are
  kept.
  """
  empty = _empty(ds, length)

  def step(state, document):
    used, _ = _end(state)
    full = used + _length(document) > length
    kept = tf.nest.map_structure(
      lambda fresh, old: tf.where(full, fresh, old), empty, state
    )
    return _append(kept, document, length), {'full': full, **state}

  # The scan outputs a row when the next document does not fit: a further one
  # that fills a row by itself completes the last row.
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
  """Returns the numbers of tokens and of documents in a row."""
  segments = state[SEGMENTS]
  return tf.math.count_nonzero(segments, dtype=tf.int32), tf.reduce_max(
    segments
  )


def _length(document) -> tf.Tensor:
  return tf.size(document['decoder_input_tokens'])


def _append(state, document, length) -> dict[str, tf.Tensor]:
  """Returns a row with one more document, for which it must have room."""
  used, count = _end(state)
  size = _length(document)
  document = document | {
    SEGMENTS: tf.fill([size], count + 1),
    POSITIONS: tf.range(size),
  }
  # The row is zero where the document goes, so that adding is writing.
  return {
    name: row
    + tf.ensure_shape(
      tf.pad(document[name], [[used, length - used - size]]), [length]
    )
    for name, row in state.items()
  }
