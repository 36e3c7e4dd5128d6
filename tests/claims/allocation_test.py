"""Claims about allocation, on curves whose factor is known."""

import dataclasses
import itertools

import numpy as np
import pytest

from ttc.allocation import comparison
from ttc.allocation.baselines import Point
from ttc.allocation.comparison import Comparison
from ttc.analysis import names
from ttc.claims import allocation

_QUESTIONS = 2000
_BUDGETS = (1, 2, 4, 8, 16, 32, 64)


def _curve(rng, cheaper):
  """Accuracy rises by a tenth with every doubling; FLOPs are 100 a budget."""
  # The same luck at every budget, so that more budget never hurts a question.
  luck = rng.random(_QUESTIONS)
  return [
    Point(
      f'N={n}',
      np.full(_QUESTIONS, 100.0 * n / cheaper),
      (luck < 0.2 + 0.1 * np.log2(n)).astype(float),
    )
    for n in _BUDGETS
  ]


def _comparison(seed, cheaper=2.0, best_of_n=0.5):
  rng = np.random.default_rng(seed)
  uniform = _curve(rng, 1.0)
  curves = {
    comparison.ALLOCATION: _curve(rng, cheaper),
    comparison.UNIFORM: uniform,
    comparison.GREEDY_FIRST: _curve(rng, 1.0),
    names.WEIGHTED: _curve(rng, best_of_n),
  }
  targets = {
    n: p for n, p in zip(_BUDGETS, uniform, strict=True) if n in (1, 4, 16)
  }
  # The choice of an arm is no part of what is tested here.
  chosen = {n: point.right for n, point in targets.items()}
  return Comparison([], curves, targets, chosen, 1e6, np.zeros(0), {})


def _by_id(comparisons):
  return {c.id: c for c in allocation.claims(comparisons)}


def test_a_factor_of_two_is_found_with_its_interval():
  found = _by_id([_comparison(0), _comparison(1)])
  assert set(found) == {
    f'allocation.{rival}.n{n}'
    for rival in ('factor-vs-uniform', 'factor-vs-best-of-n')
    for n in (4, 16)
  } | {
    *(f'allocation.factor-vs-threshold.n{n}' for n in (4, 16)),
    'allocation.factor-vs-best-of-n.own.n64',
  }
  for n in (4, 16):
    claim = found[f'allocation.factor-vs-uniform.n{n}']
    low, high = claim.interval
    assert low < 2.0 < high
    assert claim.holds
    assert claim.unit == 'factor'
    claim = found[f'allocation.factor-vs-best-of-n.n{n}']
    assert claim.interval[0] < 4.0 < claim.interval[1]


def test_best_of_n_is_a_target_too():
  made = [_comparison(seed) for seed in range(2)]
  for own in made:
    # One doubling behind: its 64 has the accuracy of 32.
    points = own.curves[names.WEIGHTED]
    points[1:] = [
      dataclasses.replace(now, right=before.right)
      for before, now in itertools.pairwise(points)
    ]
  claim = _by_id(made)['allocation.factor-vs-best-of-n.own.n64']
  assert claim.interval[0] < 8.0 < claim.interval[1]
  assert claim.holds


def test_an_allocation_that_never_gets_there_has_a_factor_of_zero():
  own = _comparison(0)
  own.curves[comparison.ALLOCATION][:] = own.curves[comparison.ALLOCATION][:2]
  found = _by_id([own])
  assert found['allocation.factor-vs-uniform.n16'].estimate == 0.0
  assert found['allocation.factor-vs-uniform.n16'].holds is False


def test_of_two_that_never_get_there_neither_is_cheaper():
  own = _comparison(0)
  for name in (comparison.ALLOCATION, comparison.GREEDY_FIRST):
    own.curves[name][:] = own.curves[name][:2]
  claim = _by_id([own])['allocation.factor-vs-threshold.n16']
  assert claim.verdict == 'not measurable'
  assert claim.why == 'neither ever gets there'


def test_the_share_of_a_gap_is_one_of_logarithms():
  """Two of eight, and four of eight, are a third and two thirds."""
  for cheaper, share in ((2.0, 100 / 3), (4.0, 200 / 3)):
    made = [_comparison(seed, cheaper) for seed in range(2)]
    for seed, own in enumerate(made):
      rng = np.random.default_rng(10 + seed)
      own.curves[comparison.CLAIRVOYANT] = _curve(rng, 8.0)
    claim = _by_id(made)['allocation.gap-closed.n16']
    low, high = claim.interval
    assert low < share < high
    assert claim.holds is (share > 50)


def test_a_clairvoyant_that_saves_nothing_leaves_no_gap():
  own = _comparison(0)
  own.curves[comparison.CLAIRVOYANT] = _curve(np.random.default_rng(1), 0.5)
  assert not _by_id([own])['allocation.gap-closed.n16'].is_measurable


def test_seeds_with_fewer_points_take_none_from_the_others():
  """Of a seed whose ladder ended early, or of a rule with a lower cap."""
  short, *others = [_comparison(seed) for seed in range(3)]
  whole = _by_id([short, *others])
  for curve in short.curves.values():
    curve[:] = curve[:-1]
  cut = _by_id([short, *others])
  # Best-of-N has lost its 64 there.
  assert cut.keys() == whole.keys() - {'allocation.factor-vs-best-of-n.own.n64'}
  for id, claim in cut.items():
    assert claim.seeds[1:] == whole[id].seeds[1:]


@pytest.mark.parametrize(
  ('kept', 'cheaper', 'bound', 'holds'),
  [(1, 2.0, 100 / 800, None), (4, 4.0, 800 / 400, True)],
)
def test_a_rival_that_never_gets_there_cannot_be_shown_to_be_cheaper(
  kept, cheaper, bound, holds
):
  made = [_comparison(seed, cheaper) for seed in range(2)]
  for c in made:
    rival = c.curves[comparison.GREEDY_FIRST]
    rival[:] = rival[:kept]
  claim = _by_id(made)['allocation.factor-vs-threshold.n16']
  assert claim.statement.endswith('at N=16, which that never reaches.')
  assert claim.estimate == pytest.approx(bound, rel=0.1)
  assert claim.holds is holds
  assert ('lower bound' in claim.why) == (holds is None) == (claim.p is None)


def test_a_dearer_allocation_is_said_to_be_one():
  found = _by_id([_comparison(0, cheaper=0.5), _comparison(1, cheaper=0.5)])
  assert found['allocation.factor-vs-uniform.n16'].holds is False


def test_without_an_allocation_there_are_no_claims():
  assert not allocation.claims([None])
  assert not allocation.claims([_comparison(0), None])
