"""What is recommended: the best of all, judged by those that did not choose."""

import dataclasses

import numpy as np
import pytest

from tests.analysis import world
from ttc.analysis import names, spending, study
from ttc.claims import recommendation

TRUTH = world.Truth(questions=40, width=16, chains=4)


@pytest.fixture(scope='module')
def measured(tmp_path_factory):
  folder = tmp_path_factory.mktemp('runs')
  return [
    study.load(world.write(folder, TRUTH, seed), seed, subsets=5)
    for seed in (0, 1)
  ]


@pytest.fixture(scope='module')
def rows(measured):
  return recommendation.table(measured)


def plain(studies, budget):
  """Accuracy in percent by strategy, each at its largest budget, by hand."""
  found = {}
  for s in studies:
    tables = [s.base_arms, s.search_arms]
    tables += [
      {f'revisions {a}': c for a, c in s.revision_arms['verifier'].items()},
      {f'control, {a}': c for a, c in s.selections(s.control).items()},
    ]
    for table in tables:
      for arm, curve in table.items():
        for n, point in curve.items():
          if n <= budget:
            name = arm if n == budget else names.at(arm, n)
            found.setdefault((arm, n, name), {})[s.seed] = point.question.mean()
  return {k: 100 * np.mean(list(v.values())) for k, v in found.items()}


def test_the_best_of_all_is_taken_and_the_best_other_is_the_alternative(
  measured, rows
):
  assert [r['budget'] for r in rows] == [1, 2, 4, 8, 16]
  for row in rows:
    by_hand = plain(measured, row['budget'])
    top = max(by_hand, key=by_hand.get)
    assert by_hand[top] == pytest.approx(
      next(v for k, v in by_hand.items() if k[2] == row['take'])
    )
    others = {k: v for k, v in by_hand.items() if k[0] != top[0]}
    second = max(others.values())
    assert second == pytest.approx(
      next(v for k, v in by_hand.items() if k[2] == row['over']['name'])
    )
    ranked = [s['accuracy'] for s in row['strategies']]
    assert ranked == sorted(ranked, reverse=True)
    assert {s['name'].split(' at N=')[0] for s in row['strategies']} == {
      k[0] for k in by_hand
    }


def test_prices_are_those_of_the_records(measured, rows):
  top = rows[-1]
  prices = {s['name']: s['flops'] for s in top['strategies']}
  beams = [
    next(p for p in s.search if (p.strategy, p.budget) == (world.BEAM, 16))
    for s in measured
  ]
  assert prices[names.BEAM] == pytest.approx(
    np.mean([spending.whole(p)[:, 1].mean() for p in beams])
  )
  control = [
    spending.answers(s.control, 4, scored=False)[:, 1].mean() for s in measured
  ]
  assert prices['control, majority at N=4'] == pytest.approx(np.mean(control))
  samples = [spending.whole(s.difficulty)[:, 1].mean() for s in measured]
  assert top['policy']['difficulty_flops'] == pytest.approx(np.mean(samples))


def test_the_accuracy_is_that_of_choosing(rows):
  """A choice is no better on others than the best looks on its own."""
  for row in rows:
    best = max(s['accuracy'] for s in row['strategies'])
    low, high = row['interval']
    assert low <= row['accuracy'] <= high
    assert row['accuracy'] <= best + 1e-9
    for other in (row['over'], row['policy']):
      if other is not None:
        low, high = other['interval']
        assert low <= other['ahead'] <= high


def test_arms_that_are_equal_are_not_told_apart(measured):
  """Of many equal arms one looks best by luck, which is no finding."""
  (one, _) = measured
  rng = np.random.default_rng(0)
  apart, gained = 0, []
  for _ in range(12):
    pools = [_like(one.search[1], f'Other{i}()', rng) for i in range(6)]
    alone = dataclasses.replace(
      one, search=tuple(pools), revise=None, control=None
    )
    (row,) = recommendation.table([alone])
    apart += row['over']['holds'] is not None
    gained.append(row['strategies'][0]['accuracy'] - row['accuracy'])
  assert apart <= 1
  assert np.mean(gained) > 1  # points of luck that the choice does not have


def _like(pool, strategy, rng):
  """A pool whose answers are right half of the time."""
  correct = rng.random((len(pool.problem), 1)) < 0.5
  return dataclasses.replace(
    pool,
    strategy=strategy,
    budget=4,
    correct=correct,
    answer=1 - correct.astype(int),
    truncated=~correct,
    values=None,
    scores={},
  )


def test_without_costs_prices_are_unknown(measured):
  bare = lambda p: dataclasses.replace(p, cost={}, spent={})
  free = [
    dataclasses.replace(s, search=tuple(map(bare, s.search))) for s in measured
  ]
  row = recommendation.table(free)[-1]
  assert row['take'].startswith(('beam', 'best-of-N', 'majority'))
  assert row['flops'] is None
  assert row['policy']['flops'] is None


def test_nothing_to_choose_is_no_recommendation(measured):
  alone = [
    dataclasses.replace(s, search=(), revise=None, control=None)
    for s in measured
  ]
  assert recommendation.table(alone) == []
