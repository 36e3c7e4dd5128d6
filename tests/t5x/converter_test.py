import functools
import random

import numpy as np
import pytest
import tensorflow as tf

from ttc.examples.packing import POSITIONS, SEGMENTS
from ttc.t5x.converter import DocumentConverter

NAMES = {'decoder_target_tokens': 'int', 'decoder_target_values': 'float'}


def _documents(target, count, longest, seed=0):
  rng = random.Random(seed)
  documents = []
  for _ in range(count):
    size = rng.randint(1, longest)
    # Zeros everywhere: a token, a weight and a label may all be zero.
    draw = lambda size=size: [rng.randrange(4) for _ in range(size)]
    documents.append(
      {
        'decoder_input_tokens': np.array(draw(), np.int32),
        target: np.array(draw(), np.int32)
        if NAMES[target] == 'int'
        else np.array(draw(), np.float32) / 4,
        'decoder_loss_weights': np.array(
          [rng.randrange(2) for _ in range(size)], np.float32
        ),
      }
    )
  return documents


def _dataset(documents):
  spec = {
    name: tf.TensorSpec([None], values.dtype)
    for name, values in documents[0].items()
  }
  return tf.data.Dataset.from_generator(
    lambda: iter(documents), output_signature=spec
  )


def _rows(documents, target, length, pack):
  converter = DocumentConverter(target, pack=pack)
  lengths = dict.fromkeys(converter.TASK_FEATURES, length)
  return list(converter(_dataset(documents), lengths).as_numpy_iterator())


def _apart(rows, names):
  """The documents in packed rows, in order, by their segments."""
  return [
    {name: row[name][row[SEGMENTS] == segment] for name in names}
    for row in rows
    for segment in range(1, row[SEGMENTS].max() + 1)
  ]


@pytest.mark.parametrize('target', NAMES)
@pytest.mark.parametrize('pack', [True, False])
def test_every_document_arrives_whole_and_in_order(target, pack):
  documents = _documents(target, count=60, longest=12)
  rows = _rows(documents, target, 12, pack)
  found = _apart(rows, documents[0])
  assert len(found) == len(documents)
  for one, other in zip(documents, found, strict=True):
    for name, values in one.items():
      np.testing.assert_array_equal(values, other[name])
      assert values.dtype == other[name].dtype
  assert pack == (len(rows) < len(documents))


def test_a_row_is_closed_only_by_a_document_without_room():
  target = 'decoder_target_values'
  documents = _documents(target, count=80, longest=9, seed=1)
  rows = _rows(documents, target, 16, pack=True)
  used = [int((row[SEGMENTS] > 0).sum()) for row in rows]
  sizes = [len(d[target]) for d in documents]
  expected, room = [], 0
  for size in sizes:
    if size > room:
      expected.append(0)
      room = 16
    expected[-1] += size
    room -= size
  assert used == expected


def test_places_count_in_each_document_and_padding_is_empty():
  target = 'decoder_target_tokens'
  for row in _rows(_documents(target, 30, 7), target, 20, pack=True):
    assert len(row[target]) == 20
    empty = row[SEGMENTS] == 0
    for name in row:
      assert not row[name][empty].any()
    for segment in range(1, row[SEGMENTS].max() + 1):
      positions = row[POSITIONS][row[SEGMENTS] == segment]
      np.testing.assert_array_equal(positions, np.arange(len(positions)))
    assert (np.diff(row[SEGMENTS][~empty]) >= 0).all()


def test_a_document_longer_than_a_row_is_refused():
  target = 'decoder_target_tokens'
  documents = _documents(target, 5, 8)
  documents[3] = {
    name: np.resize(values, 9) for name, values in documents[3].items()
  }
  with pytest.raises(tf.errors.InvalidArgumentError, match='length'):
    _rows(documents, target, 8, pack=True)


def test_different_lengths_are_refused():
  converter = DocumentConverter('decoder_target_tokens', pack=True)
  dataset = _dataset(_documents('decoder_target_tokens', 2, 4))
  lengths = dict.fromkeys(converter.TASK_FEATURES, 8)
  with pytest.raises(ValueError, match='give one length'):
    converter(dataset, lengths | {'decoder_target_tokens': 9})


def test_it_is_what_seqio_takes():
  partial = functools.partial(DocumentConverter, 'decoder_target_tokens')
  dataset = _dataset(_documents('decoder_target_tokens', 9, 6)).repeat()
  made = partial(pack=True, use_custom_packing_ops=False)(
    dataset, dict.fromkeys(partial(pack=True).TASK_FEATURES, 10)
  )
  first = next(made.batch(3).as_numpy_iterator())
  assert {v.shape for v in first.values()} == {(3, 10)}
