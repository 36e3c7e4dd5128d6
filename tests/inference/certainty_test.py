"""Certainty of what was sampled, through calls, forks and rewinds."""

import numpy as np
import pytest

from tests import testing
from ttc.inference.generation import Generation
from ttc.pipeline import fingerprint
from ttc.search.allocate import Beam
from ttc.search.backtrack import Backtrack
from ttc.search.strategies import StepSearch

RNG = np.random.default_rng(4)
TABLE = RNG.normal(size=(testing.WORDS, testing.WORDS)) * 1.5
TABLE[:, testing.PAD] = -30
TABLE[:, testing.END] -= 0.5
VALUES = RNG.normal(size=testing.WORDS)
PROMPTS = [[3, 4], [5], [6, 7, 3]]
PROBABILITY = np.exp(TABLE) / np.exp(TABLE).sum(axis=1, keepdims=True)
# KL(uniform || p) after each token.
CERTAINTY = np.mean(np.log(1 / testing.WORDS / PROBABILITY), axis=1)


def _solve(strategy, **generation):
  models = testing.scripted_models(TABLE, VALUES, **generation)
  return testing.solve(strategy, 6, models, *PROMPTS)


@pytest.mark.parametrize(
  'strategy',
  [StepSearch(Beam(3), lookahead=1), Backtrack(2, 2, 1)],
  ids=repr,
)
def test_the_certainty_of_an_attempt_is_that_of_its_tokens(strategy):
  plain, asked = _solve(strategy), _solve(strategy, certainty=True)
  for prompt, one, other in zip(PROMPTS, plain, asked, strict=True):
    assert testing.tokens(one) == testing.tokens(other)
    for before, attempt in zip(one.attempts, other.attempts, strict=True):
      assert before.certainty is None
      assert before.logprob == attempt.logprob
      read = [prompt[-1], *attempt.tokens[:-1]]
      assert attempt.certainty == pytest.approx(CERTAINTY[read].sum(), rel=1e-5)


def test_a_configuration_that_does_not_ask_is_the_one_it_was():
  assert 'Generation.certainty' not in fingerprint.bindings(Generation())
  asked = fingerprint.bindings(Generation(certainty=True))
  assert asked['Generation.certainty'] is True
