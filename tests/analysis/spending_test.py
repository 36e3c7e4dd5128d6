"""FLOPs of parts of a pool, where every answer costs the same."""

import dataclasses

import numpy as np
import pytest

from tests.analysis import world
from ttc.analysis import flops, pools, spending

TRUTH = world.Truth(questions=6, width=8, chains=8)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  return world.write(tmp_path_factory.mktemp('runs'), TRUTH)


def expected(pool, count, scored):
  """FLOPs of a prompt and `count` answers, useful and executed."""
  cost = world.cost(count, scored)
  return sum(flops.exact(cost, *pool.models).values())


@pytest.mark.parametrize('scored', [True, False])
def test_a_part_costs_the_prompt_and_its_answers(folder, scored):
  pool = pools.largest(pools.read(folder / 'search'), 'BestOfN')
  for n in (1, 3, 8):
    np.testing.assert_allclose(
      spending.answers(pool, n, scored),
      np.tile(expected(pool, n, scored), [6, 1]),
    )
  np.testing.assert_allclose(
    spending.whole(pool, scored), spending.answers(pool, 8, scored)
  )


@pytest.mark.parametrize('scored', [True, False])
@pytest.mark.parametrize(
  ('sequential', 'parallel'), [(1, 1), (1, 8), (2, 4), (2, 1), (4, 2), (8, 1)]
)
def test_a_split_costs_the_turns_of_its_chains(
  folder, sequential, parallel, scored
):
  (pool,) = pools.read(folder / 'revise')
  found = spending.split(pool, sequential, parallel, scored)
  np.testing.assert_allclose(
    found, np.tile(expected(pool, sequential * parallel, scored), [6, 1])
  )


def test_later_turns_may_cost_more(folder):
  (pool,) = pools.read(folder / 'revise')
  dearer = {
    kind: spent * np.arange(9)[:, None] for kind, spent in pool.spent.items()
  }
  pool = dataclasses.replace(pool, spent=dearer)
  one, two = (spending.split(pool, turns, 1, True) for turns in (1, 2))
  np.testing.assert_allclose(two, 3 * one)


def test_without_cost_or_models_nothing_is_known(folder):
  (pool,) = pools.read(folder / 'revise')
  for change in (dict(cost={}, spent={}), dict(models=None)):
    less = dataclasses.replace(pool, **change)
    assert spending.whole(less) is None
    assert spending.answers(less, 1, True) is None
    assert spending.split(less, 1, 1, True) is None
