import collections
import json

import numpy as np
import pytest

from ttc.examples import packing

NAME = 'decoder_input_tokens'


def _documents(lengths):
  """Document i is i * 100, i * 100 + 1, …"""
  return packing.Documents.join(
    [
      {
        NAME: np.arange(100 * i, 100 * i + n, dtype=np.int32),
        'weights': np.full(n, i + 0.5, np.float32),
      }
      for i, n in enumerate(lengths)
    ]
  )


def _lengths(count=37, seed=0):
  return np.random.default_rng(seed).integers(1, 13, count)


def _unpack(batch):
  """Documents of [..., T] arrays, each checked to be whole."""
  flat = {name: x.reshape(-1, x.shape[-1]) for name, x in batch.items()}
  found = []
  for row in range(len(flat[NAME])):
    segments = flat[packing.SEGMENTS][row]
    assert (flat[NAME][row][segments == 0] == 0).all()
    assert (flat['weights'][row][segments == 0] == 0).all()
    for segment in range(1, segments.max() + 1):
      inside = segments == segment
      tokens = flat[NAME][row][inside]
      assert np.diff(np.flatnonzero(inside)).max(initial=1) == 1
      assert (tokens == tokens[0] + np.arange(len(tokens))).all()
      assert (
        flat[packing.POSITIONS][row][inside] == np.arange(len(tokens))
      ).all()
      document = int(tokens[0]) // 100
      assert (flat['weights'][row][inside] == document + 0.5).all()
      found.append((document, len(tokens)))
  return found


def test_rows_hold_whole_documents_equally_often():
  lengths = _lengths()
  batches = packing.Batches(
    _documents(lengths), batch=4, seq_len=16, steps=3, seed=1
  )
  seen = []
  while len(seen) < 20 * len(lengths):
    batch = next(batches)
    assert batch[NAME].shape == (3, 4, 16)
    seen += _unpack(batch)
  assert all(lengths[document] == length for document, length in seen)
  counts = collections.Counter(document for document, _ in seen)
  assert len(counts) == len(lengths)
  assert max(counts.values()) - min(counts.values()) <= 2


def test_epochs_differ_and_seeds_differ():
  def first(seed, count):
    batches = packing.Batches(
      _documents(np.full(8, 4)), batch=8, seq_len=4, seed=seed
    )
    return [next(batches)[NAME][0, :, 0].tolist() for _ in range(count)]

  one, two = first(0, 2)
  assert sorted(one) == sorted(two)
  assert one != two
  assert first(0, 2) == [one, two]
  assert first(1, 1) != [one]


@pytest.mark.parametrize('window', [1, 2, 5, 11, 37, 100])
def test_the_documents_of_a_window_stay_together(window):
  count = 37
  batches = packing.Batches(
    _documents(np.full(count, 4)), batch=1, seq_len=4, seed=0, window=window
  )
  epochs = [
    [int(next(batches)[NAME][0, 0, 0]) // 100 for _ in range(count)]
    for _ in range(3)
  ]
  windows = [
    set(range(i, min(i + window, count))) for i in range(0, count, window)
  ]
  for epoch in epochs:
    assert sorted(epoch) == list(range(count))
    left, place = [*windows], 0
    while place < count:
      (own,) = [w for w in left if epoch[place] in w]
      assert set(epoch[place : place + len(own)]) == own
      left.remove(own)
      place += len(own)
  assert epochs[0] != epochs[1] != epochs[2]


def test_windows_and_their_documents_come_in_every_order():
  orders = collections.Counter()
  batches = packing.Batches(
    _documents(np.full(4, 4)), batch=1, seq_len=4, seed=1, window=2
  )
  for _ in range(800):
    orders[
      tuple(int(next(batches)[NAME][0, 0, 0]) // 100 for _ in range(4))
    ] += 1
  # Two orders of the windows and two within each; 100 expected of each of 8.
  assert len(orders) == 8
  assert min(orders.values()) > 60


@pytest.mark.parametrize(
  ('calls', 'window'), [(0, 1), (1, 1), (5, 1), (17, 1), (5, 6)]
)
def test_a_restored_place_continues_with_the_same_bytes(calls, window):
  def make():
    return packing.Batches(
      _documents(_lengths()),
      batch=4,
      seq_len=16,
      steps=2,
      seed=3,
      window=window,
    )

  batches = make()
  for _ in range(calls):
    next(batches)
  place = json.loads(json.dumps(batches.get_state()))
  again = make()
  again.set_state(place)
  for _ in range(12):
    one, other = next(batches), next(again)
    assert all((one[name] == other[name]).all() for name in one)


def test_processes_share_the_rows_of_one():
  make = lambda **kw: packing.Batches(
    _documents(_lengths()), batch=6, seq_len=16, steps=2, seed=0, **kw
  )
  whole, parts = make(), [make(shard=(i, 3)) for i in range(3)]
  for _ in range(6):
    expected, got = next(whole), [next(part) for part in parts]
    for name, values in expected.items():
      joined = np.concatenate([part[name] for part in got], axis=1)
      assert (joined == values).all()


def test_rows_are_filled():
  lengths = np.random.default_rng(0).integers(40, 101, 500)
  batches = packing.Batches(
    _documents(lengths), batch=32, seq_len=256, steps=5, seed=0
  )
  assert (next(batches)[packing.SEGMENTS] > 0).mean() > 0.85


@pytest.mark.parametrize('shards', [1, 2])
def test_once_is_once(shards):
  lengths = _lengths()
  found, shapes = [], set()
  for index in range(shards):
    for batch in packing.once(
      _documents(lengths), batch=4, seq_len=16, steps=3, shard=(index, shards)
    ):
      shapes.add(batch[NAME].shape)
      found += _unpack(batch)
  assert shapes == {(3, 4 // shards, 16)}
  assert sorted(found) == list(enumerate(lengths))


@pytest.mark.parametrize(
  ('lengths', 'batch', 'shard', 'message'),
  [
    ([3, 20, 18], 4, (0, 1), r'2 of 3 .* seq_len=16 .* 20 tokens'),
    ([3, 0, 5], 4, (0, 1), 'Document 1 of 3 has no token'),
    ([], 4, (0, 1), 'no documents'),
    ([3], 4, (0, 3), 'batch=4 does not divide over 3'),
  ],
)
def test_what_cannot_be_packed_is_refused(lengths, batch, shard, message):
  with pytest.raises(ValueError, match=message):
    packing.Batches(
      _documents(lengths), batch=batch, seq_len=16, seed=0, shard=shard
    )
