"""Allocators against plain Python, and what all of them promise."""

import numpy as np
import pytest

from tests.search import reference
from ttc.search.allocate import Beam, Dvts, parents, ParticleFilter, Rebase

ALLOCATORS = [
  Beam(1),
  Beam(2),
  Beam(4),
  Beam(8),
  Beam('sqrt'),
  Dvts(2),
  Dvts(8),
  Rebase(),
  Rebase(0.01),
  ParticleFilter(),
]

HALF = lambda: 0.5


def worlds(rows, count=60):
  rng = np.random.default_rng(rows)
  for _ in range(count):
    value = rng.random(rows).astype(np.float32)
    if rng.random() < 0.4:
      value = np.round(value, 1)  # ties
    if rng.random() < 0.5:
      value[rng.random(rows) < 0.4] = -np.inf  # duplicates
    value[0] = max(value[0], 0.1)  # a first row is nobody's duplicate
    done = rng.random(rows) < rng.choice([0, 0.3, 1])
    yield value, done


@pytest.mark.parametrize('allocator', ALLOCATORS, ids=repr)
def test_promises(allocator):
  for uniform, (value, done) in zip(
    np.linspace(0, 1, 60, endpoint=False), worlds(16), strict=True
  ):
    if isinstance(allocator, Dvts):
      value[:: allocator.width] = np.maximum(value[:: allocator.width], 0.1)
    counts = allocator(lambda u=uniform: u, value, done)
    assert counts.sum() == 16
    assert counts.min() >= 0
    assert (counts[value == -np.inf] == 0).all()
    groups = [slice(None)]
    if isinstance(allocator, Dvts):
      groups = [
        slice(i, i + allocator.width) for i in range(0, 16, allocator.width)
      ]
    for group in groups:
      if (counts[group][~done[group]] > 0).any():
        assert counts[group][done[group]].max(initial=0) <= 1


@pytest.mark.parametrize('width', [1, 2, 4, 16])
def test_beam_equals_a_sort(width):
  for value, done in worlds(16):
    expected = reference.beam_counts(value.tolist(), done.tolist(), 16 // width)
    np.testing.assert_array_equal(Beam(width)(HALF, value, done), expected)


def test_dvts_never_crosses_subtrees():
  for value, done in worlds(16):
    value = np.maximum(value, 0)
    counts = Dvts(4)(HALF, value, done)
    np.testing.assert_array_equal(counts.reshape(4, 4).sum(axis=1), [4] * 4)


def test_rebase_is_proportional():
  """Quotas that are whole numbers are met exactly, others to within one."""
  value = np.log([1.0, 2.0, 4.0, 1.0]) * 0.2
  counts = Rebase(0.2)(HALF, np.tile(value, 2), np.zeros(8, bool))
  np.testing.assert_array_equal(
    counts, [0.5, 1, 2, 0.5] * 2 + np.array([0.5, 0, 0, 0.5, -0.5, 0, 0, -0.5])
  )
  for value, done in worlds(16):
    live = ~done & (value > -np.inf)
    if not live.any():
      continue
    fixed = done & (value > -np.inf)
    weight = np.where(live, np.exp(value.astype(float) / 0.2), 0)
    quota = weight / weight.sum() * (16 - fixed.sum())
    counts = Rebase(0.2)(HALF, value, done)
    assert (np.abs(counts - quota)[live] <= 1 + 1e-3).all()
    assert (counts[fixed] == 1).all()


def test_particle_filter_is_unbiased():
  value = np.array([0.2, 0.5, 0.8, 0.5])
  odds = np.array([0.25, 1, 4, 1])
  mean = np.mean(
    [
      ParticleFilter()(lambda u=uniform: u, value, np.zeros(4, bool))
      for uniform in np.linspace(0, 1, 4000, endpoint=False)
    ],
    axis=0,
  )
  np.testing.assert_allclose(mean, 4 * odds / odds.sum(), atol=2e-3)


def test_parents_repeat_each_row_in_order():
  counts = np.array([2, 0, 1, 3, 0, 0])
  np.testing.assert_array_equal(parents(counts), [0, 0, 2, 3, 3, 3])


@pytest.mark.parametrize(
  'make',
  [
    lambda: Beam(3).resolve(8),
    lambda: Beam(0).resolve(8),
    lambda: Beam('sqrt').resolve(8),
    lambda: Dvts(5).resolve(8),
    lambda: Rebase(0),
    lambda: ParticleFilter(-1),
  ],
)
def test_bad_settings(make):
  with pytest.raises(ValueError, match=r'rows|temperature|width'):
    make()
