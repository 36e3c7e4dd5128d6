"""Allocators against plain Python, and what all of them promise."""

import numpy as np
import pytest

from tests.search import reference
from ttc.search.allocate import (
  Beam,
  Dvts,
  Keep,
  parents,
  ParticleFilter,
  Rebase,
)

ALLOCATORS = [
  Beam(1),
  Beam(2),
  Beam(4),
  Beam(8),
  Beam('sqrt'),
  Keep(1),
  Keep(4),
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
      value = rng.choice(value[:3], rows)  # many copies of few prefixes
    done = rng.random(rows) < rng.choice([0, 0.3, 1])
    yield value, done


@pytest.mark.parametrize('allocator', ALLOCATORS, ids=repr)
def test_promises(allocator):
  for uniform, (value, done) in zip(
    np.linspace(0, 1, 60, endpoint=False), worlds(16), strict=True
  ):
    counts = allocator(lambda u=uniform: u, value, done)
    assert counts.sum() == 16
    assert counts.min() >= 0
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
    kept = Keep(16 // width)
    np.testing.assert_array_equal(kept(HALF, value, done), expected)
    assert kept.resolve(16) == width


def test_dvts_never_crosses_subtrees():
  for value, done in worlds(16):
    counts = Dvts(4)(HALF, value, done).reshape(4, 4)
    np.testing.assert_array_equal(counts.sum(axis=1), [4] * 4)
    trees = zip(value.reshape(4, 4), done.reshape(4, 4), strict=True)
    for count, (own, ended) in zip(counts, trees, strict=True):
      alone = [1] * 4 if ended.all() else Beam(4)(HALF, own, ended)
      np.testing.assert_array_equal(count, alone)


@pytest.mark.parametrize('width', [2, 4, 8])
def test_a_beam_of_copies_keeps_nothing_worse_than_its_best_rows(width):
  rng = np.random.default_rng(width)
  for _ in range(200):
    prefixes = int(rng.integers(1, 12))
    value = rng.random(prefixes)[rng.integers(prefixes, size=64)]
    done = np.zeros(64, bool)
    counts = Beam(width)(HALF, value, done)
    assert counts.sum() == 64
    assert value[counts > 0].min() == np.sort(value)[-64 // width]


@pytest.mark.parametrize('allocator', [Beam(4), Beam('sqrt'), Rebase()])
def test_the_order_of_rows_does_not_matter(allocator):
  """A prefix has as many children in all, wherever its copies stand."""
  rng = np.random.default_rng(3)
  for _ in range(100):
    prefix = rng.integers(7, size=64)
    value, order = rng.random(7), rng.permutation(64)
    live = np.zeros(64, bool)
    children = [
      np.bincount(p, allocator(HALF, value[p], live), 7)
      for p in (prefix, prefix[order])
    ]
    np.testing.assert_array_equal(*children)


def test_rebase_is_proportional():
  """Quotas that are whole numbers are met exactly, others to within one."""
  value = np.log([1.0, 2.0, 4.0, 1.0]) * 0.2
  counts = Rebase(0.2)(HALF, np.tile(value, 2), np.zeros(8, bool))
  np.testing.assert_array_equal(
    counts, [0.5, 1, 2, 0.5] * 2 + np.array([0.5, 0, 0, 0.5, -0.5, 0, 0, -0.5])
  )
  for value, done in worlds(16):
    if done.all():
      continue
    weight = np.where(done, 0, np.exp(value.astype(float) / 0.2))
    quota = weight / weight.sum() * (16 - done.sum())
    counts = Rebase(0.2)(HALF, value, done)
    assert (np.abs(counts - quota)[~done] <= 1 + 1e-3).all()
    assert (counts[done] == 1).all()


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
    lambda: Keep(3).resolve(8),
    lambda: Keep(0),
    lambda: Rebase(0),
    lambda: ParticleFilter(-1),
  ],
)
def test_bad_settings(make):
  with pytest.raises(ValueError, match=r'rows|temperature|width'):
    make()
