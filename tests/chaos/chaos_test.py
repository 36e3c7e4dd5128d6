"""Chaos in short: tossed coins, killed and resumed on one to three processes.

The same over all stages of the paper takes minutes; see chaos.py.
"""

import pytest

from tests.chaos.chaos import Chaos, ChaosError, compare, Subject

_COINS = Subject(
  'tests/cli/little.gin',
  'little',
  ('toss', 'count', 'report'),
  bindings=('ITEMS=61', 'Toss.seconds=0.01'),
  output='OUTPUT',
)


@pytest.fixture(scope='module')
def chaos(tmp_path_factory):
  return Chaos(_COINS, tmp_path_factory.mktemp('chaos'), counts=(1, 2, 3))


@pytest.mark.parametrize('seed', range(4))
def test_a_run_that_was_killed_ends_equal(chaos, seed):
  peace = chaos.in_peace()
  assert len(peace) == 33
  compare(peace, chaos.killed(seed))


def test_some_were_killed(chaos):
  assert sum(chaos.struck.values()) > 0


def test_what_differs_is_named():
  with pytest.raises(ChaosError, match=r'what differs: a, c'):
    compare({'a': '1', 'b': '2'}, {'a': '3', 'b': '2', 'c': '4'})
