"""Cascades against the best rule, found by brute force."""

import itertools
import json

import numpy as np
import pytest

from tests.allocation import worlds
from ttc.allocation import fit
from ttc.allocation.allocation import Allocation
from ttc.allocation.cascade import Cascade, Climb

_RATES = np.array([0.0, 0.05, 0.3, 0.9])
_BUDGETS = (1, 2, 4, 8)


def _optimum(price):
  """Accuracy less price times FLOPs of the best rule, for mixed questions.

  With a perfect verifier what is known of a question is whether it is solved,
  and how many attempts have failed. So a rule is the rung at which a question
  without a right answer is given up, and there are four of them.
  """
  flops = worlds.PER_ATTEMPT * worlds.RATE
  values = []
  for last in range(len(_BUDGETS)):
    failed, value = np.ones(len(_RATES)), 0.0
    for budget in _BUDGETS[: last + 1]:
      value -= price * flops * budget * failed.mean()
      solved = failed * (1 - (1 - _RATES) ** budget)
      value += solved.mean()
      failed -= solved
    values.append(value)
  return max(values)


@pytest.fixture(scope='module')
def climbs():
  """Of 6,000 questions to fit rules on, and of 6,000 others."""
  rates, ladder = np.tile(_RATES, 1500), worlds.ladder(*_BUDGETS)
  return [
    fit.climb(worlds.recordings(rates, _BUDGETS, seed=seed), ladder)
    for seed in range(2)
  ]


@pytest.mark.parametrize('price', [1e-4, 5e-4, 2e-3, 1e-2])
def test_a_cascade_is_worth_what_the_best_rule_is(climbs, price):
  [rules] = Cascade.fit(worlds.ladder(*_BUDGETS), climbs[0], [price])
  outcome = rules.run(climbs[1])
  worth = outcome.right.mean() - price * outcome.flops.mean()
  # Three standard errors of the mean over all questions.
  spread = (outcome.right - price * outcome.flops).std()
  slack = 3 * spread / len(outcome.right) ** 0.5
  assert worth == pytest.approx(_optimum(price), abs=slack)


def test_a_hopeless_question_is_given_up_and_a_safe_one_accepted():
  rates = np.tile([0.0, 1.0], 200)
  ladder = worlds.ladder(1, 8)
  recorded = worlds.recordings(rates, (1, 8))
  climb = fit.climb(recorded, ladder)
  [rules] = Cascade.fit(ladder, climb, [1e-4])
  outcome = rules.run(climb)
  assert not outcome.rung.any()


def test_higher_prices_spend_less():
  rates = np.tile(_RATES, 200)
  ladder = worlds.ladder(*_BUDGETS)
  recorded = worlds.recordings(rates, _BUDGETS, noise=0.3)
  fitted = fit.fit(recorded, [ladder], seed=0)
  for name in {c.ladder for c in fitted.cascades}:
    own = [c for c in fitted.cascades if c.ladder == name]
    assert [c.price for c in own] == sorted(
      (c.price for c in own), reverse=True
    )
    # Rules are fitted anew at each price, so there may be a little noise.
    spent = np.array([c.flops for c in own])
    assert (np.diff(spent) > -0.02 * spent[1:]).all()


def test_rules_from_the_last_rung_backwards_beat_every_set_of_thresholds():
  """On the questions that fit them, and up to what a linear rule can say."""
  rng = np.random.default_rng(0)
  odds = np.sort(rng.normal(size=(3, 400)) * 2, axis=0)  # rise with every rung
  belief = 1 / (1 + np.exp(-odds))
  right = (rng.random(belief.shape) < belief).astype(float)
  support = np.stack([odds**0, odds, 0 * odds, 0 * odds, 0 * odds], axis=-1)
  flops = np.array([1.0, 2.0, 4.0])[:, None] + 0 * odds
  price = 0.02
  climb = Climb(support, np.ones((3, 400, 3)), right, flops)
  [rules] = Cascade.fit('abc', climb, [price])
  outcome = rules.run(climb)
  worth = outcome.right.mean() - price * outcome.flops.mean()
  grid = np.linspace(0, 1.01, 15)
  best = -np.inf
  for first, second in itertools.product(grid, grid):
    go = belief[0] < first
    further = go & (belief[1] < second)
    rung = go.astype(int) + further
    spent = 1.0 + 2.0 * go + 4.0 * further
    won = right[rung, np.arange(400)].mean()
    best = max(best, won - price * spent.mean())
  assert worth > best - 0.02


def test_an_allocation_survives_its_file():
  recorded = worlds.recordings(np.tile(_RATES, 30), _BUDGETS, noise=0.2)
  fitted = fit.fit(recorded, [worlds.ladder(*_BUDGETS)], seed=0)
  again = Allocation.from_json(fitted.to_json())
  assert again.to_json() == fitted.to_json()
  assert again.choose(200.0).ladder == fitted.choose(200.0).ladder


def test_a_single_rung_leaves_one_price_to_choose():
  recorded = worlds.recordings(np.tile(_RATES, 30), (1,))
  fitted = fit.fit(recorded, [worlds.ladder(1)], seed=0)
  for flops in fitted.reach(12):
    assert fitted.choose(flops).ladder == worlds.ladder(1)


def test_what_cannot_be_fitted_is_refused():
  recorded = worlds.recordings([0.5] * 10, (1, 2))
  with pytest.raises(ValueError, match='10 questions are too few'):
    fit.fit(recorded, [worlds.ladder(1, 2)], seed=0)
  recorded = worlds.recordings([0.5] * 60, (1, 2))
  with pytest.raises(ValueError, match=r'No records of the action .* N=4'):
    fit.fit(recorded, [worlds.ladder(1, 4)], seed=0)


def test_a_budget_below_the_cheapest_cascade_is_refused():
  recorded = worlds.recordings(np.tile(_RATES, 30), (1, 2))
  fitted = fit.fit(recorded, [worlds.ladder(1, 2)], seed=0)
  with pytest.raises(ValueError, match=r'below 12\.5.*raise it'):
    fitted.choose(12.0)


def test_an_allocation_of_another_revision_is_refused_in_one_line():
  recorded = worlds.recordings(np.tile(_RATES, 50), _BUDGETS)
  fitted = fit.fit(recorded, [worlds.ladder(*_BUDGETS)], seed=0)
  assert Allocation.from_json(fitted.to_json()).to_json() == fitted.to_json()
  tree = json.loads(fitted.to_json())
  for name in tree:
    old = json.dumps({key: x for key, x in tree.items() if key != name})
    with pytest.raises(ValueError, match=f'none that this .*{name}.*again'):
      Allocation.from_json(old)
