"""Sizes of the programs that `ttc plan` compiles, without compiling any."""

import jax
import pytest

from tests.testing import small_config, Spelling
from ttc.estimates import workload
from ttc.examples.marks import Marks
from ttc.inference.generation import Generation
from ttc.models.chips import CHIPS
from ttc.pipeline.experiment import Experiment
from ttc.planning.topology import Topology
from ttc.search.critique import Critique
from ttc.search.forced import Forced
from ttc.search.guided import Guided
from ttc.search.strategies import BestOfN, StepSearch
from ttc.search.tempered import Tempered
from ttc.stages.arms import Arm
from ttc.stages.label import Label
from ttc.stages.sample import Sample
from ttc.stages.search import Search
from ttc.stages.solver import Solver

_PROMPT, _ATTEMPT = 128, 256
_WORDS = Spelling()


def _cache(stage):
  """Cache positions of a row in the programs of a stage."""
  here = Topology('v5e:1x1', CHIPS['v5e'], tuple(jax.devices()[:1]))
  models = workload.Shapes(
    Experiment('plans', (stage,)), {'/model': small_config(vocab_size=8)}
  )
  assumed = workload.Assumed(prompt=_PROMPT)
  return workload.of(stage, models, here, assumed).work.capacity.cache_len


def _solver():
  return Solver(
    None, Generation(max_tokens=_ATTEMPT), proposer='/model', verifier='/model'
  )


@pytest.mark.parametrize(
  ('strategy', 'attempts', 'texts'),
  [
    (BestOfN(), 1, 0),
    (StepSearch(), 1, 0),
    (Guided(), 2, 64),
    (Guided(StepSearch(), first=4, width=4, keep=3), 4, 64),
    # A mark of one token before each token.
    (Guided(marks=Marks(_WORDS, bad='b', most=512)), 3, 64),
    (Critique(_WORDS, ask='b c', again='d'), 3, 64),
    (Critique(_WORDS, ask='b c', again='d', turns=3), 5, 64),
    (Tempered(Critique(_WORDS, ask='b c', again='d'), 0.5), 3, 64),
    (Forced(_WORDS, wait='b', waits=5), 1, 64),
  ],
)
def test_rows_have_room_for_all_that_a_strategy_makes_of_them(
  strategy, attempts, texts
):
  # A cache has a multiple of 64 tokens; what comes between attempts is less.
  arms = (Arm(BestOfN(), (4,)), Arm(strategy, (8,)))
  assert (
    _cache(Search(_solver(), arms)) == _PROMPT + attempts * _ATTEMPT + texts
  )


@pytest.mark.parametrize('stage', [Label(_solver()), Sample(_solver())])
def test_others_have_room_for_one_attempt(stage):
  assert _cache(stage) == _PROMPT + _ATTEMPT
