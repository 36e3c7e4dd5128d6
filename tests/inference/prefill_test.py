"""Packing: every token is found again at its row, position and place."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests import testing
from ttc.inference import prefill
from ttc.inference.prefill import PackedPrefill
from ttc.models.cache import KVCache

SIZE, NOBODY = 64, 9


def random_rows(rng):
  left, segments, rows = SIZE, prefill.max_segments(SIZE), []
  for slot in rng.permutation(NOBODY):
    count = min(int(rng.integers(1, 40)), prefill.room(left, segments))
    if count:
      rows.append(
        (int(slot), int(rng.integers(0, 5)), rng.integers(1, 8, count).tolist())
      )
      left -= count
      segments -= prefill.num_segments(count)
  return rows


def test_every_token_stands_where_it_belongs():
  rng = np.random.default_rng(0)
  cache = KVCache.empty(testing.small_config(), NOBODY + 1, 48)
  for _ in range(30):
    rows = random_rows(rng)
    line = jax.tree.map(jnp.asarray, PackedPrefill.pack(rows, SIZE, NOBODY))
    memory = line.memory(cache, 48)
    index = np.asarray(memory.token).reshape(-1)
    at = 0
    for slot, start, tokens in rows:
      for offset, token in enumerate(tokens):
        segment = int(line.tokens[at, 1])
        place = int(memory.place[at])
        assert line.tokens[at, 0] == token
        assert memory.row[at] == memory.segment_row[segment] == slot
        assert memory.position[at] == start + offset
        assert (
          memory.segment_start[segment] + place % prefill.SEGMENT
          == start + offset
        )
        assert place // prefill.SEGMENT == segment
        assert index[place] == at
        at += 1
    assert (np.asarray(memory.row)[at:] == NOBODY).all()
    assert (np.asarray(memory.position) < 48).all()


def test_what_does_not_fit_is_refused():
  for rows in ([(0, 0, [1] * 65)], [(slot, 0, [1]) for slot in range(9)]):
    with pytest.raises(ValueError, match='do not fit'):
      PackedPrefill.pack(rows, SIZE, NOBODY)


def test_room_is_what_fits():
  for tokens in range(40):
    for segments in range(4):
      count = prefill.room(tokens, segments)
      assert count <= tokens
      assert prefill.num_segments(count) <= segments
      assert count == tokens or prefill.num_segments(count + 1) > segments


def test_what_waits_is_read_by_calls_worth_making():
  """Small calls where tokens cost, large ones where calls do."""
  sizes = 64, 512
  for backlog in range(1, 1200):
    for platform in 'cpu', 'tpu', 'gpu':
      size = prefill.best_size(backlog, sizes, platform)
      calls = -(-backlog // size)
      other = sum(sizes) - size
      assert calls * size <= -(-backlog // other) * other or calls <= -(
        -backlog // other
      )
  assert [prefill.best_size(n, sizes, 'cpu') for n in (64, 300, 500)] == [
    64,
    64,
    512,
  ]
  assert [prefill.best_size(n, sizes, 'gpu') for n in (64, 300, 500)] == [
    64,
    512,
    512,
  ]
