"""A temperature of an arm against one of the whole run."""

import dataclasses
import math

import numpy as np
import pytest

from tests import testing
from ttc.search.greedy_seeded import GreedySeeded
from ttc.search.mcts import Mcts
from ttc.search.strategies import BestOfN, StepSearch
from ttc.search.tempered import Tempered

RNG = np.random.default_rng(7)
TABLE = RNG.normal(size=(testing.WORDS, testing.WORDS)) * 1.5
TABLE[:, testing.PAD] = -30
VALUES = RNG.normal(size=testing.WORDS)
PROMPTS = [[3, 4], [5]]
STRATEGIES = [BestOfN(), GreedySeeded(), StepSearch(lookahead=1), Mcts()]


def solve(strategy, temperature=1.0):
  models = testing.scripted_models(TABLE, VALUES, temperature=temperature)
  return testing.solve(strategy, 8, models, *PROMPTS)


@pytest.mark.parametrize('temperature', [0.0, 0.4, 2.0])
@pytest.mark.parametrize('strategy', STRATEGIES, ids=repr)
def test_equals_a_run_at_that_temperature(strategy, temperature):
  own = solve(Tempered(strategy, temperature))
  run = solve(strategy, temperature)
  assert [s.attempts for s in own] == [s.attempts for s in run]
  assert [s.cost for s in own] == [s.cost for s in run]
  assert [s.attempts for s in own] != [s.attempts for s in solve(strategy)]


def test_the_inner_temperature_holds():
  inner = Tempered(BestOfN(), 0.4)
  nested = solve(Tempered(inner, 2.0))
  assert [s.attempts for s in nested] == [s.attempts for s in solve(inner)]


def test_arms_of_several_temperatures_share_the_lanes():
  models = testing.scripted_models(TABLE, VALUES)
  arms = [Tempered(BestOfN(), t) for t in (0.3, 1.0, 2.0)]
  questions = testing.questions(models, *[PROMPTS[0]] * 3)
  together = testing.run(
    testing.scheduler(models),
    models,
    [
      (q, arm.plan(q, 6), arm.slots(6))
      for q, arm in zip(questions, arms, strict=True)
    ],
  )
  for place, arm in enumerate(arms):
    alone = testing.questions(models, PROMPTS[0], first=10 + place)
    (found,) = testing.run(
      testing.scheduler(models),
      models,
      [(alone[0], arm.plan(alone[0], 6), arm.slots(6))],
    )
    assert testing.tokens(together[place]) == testing.tokens(found)


def test_asks_the_strategy_for_the_rest():
  for strategy, budget in ((BestOfN(), 8), (StepSearch(), 8)):
    arm = Tempered(strategy, 0.5)
    assert arm.verified == strategy.verified
    assert arm.rows(budget) == strategy.rows(budget)
    assert arm.slots(budget) == strategy.slots(budget)
  with pytest.raises(ValueError, match='multiple of 4'):
    Tempered(StepSearch(), 0.5).rows(6)
  assert hash(dataclasses.replace(arm)) == hash(arm)


@pytest.mark.parametrize('temperature', [-1.0, 1e-38, math.nan, math.inf, 'x'])
def test_bad_temperatures(temperature):
  with pytest.raises(ValueError, match=r'Tempered\.temperature='):
    Tempered(BestOfN(), temperature)
