"""One end token for a verifier: a text has one value, whoever reads it."""

import dataclasses

import numpy as np
import pytest

from tests import testing
from ttc.inference.generation import Generation
from ttc.inference.models import Model, Models
from ttc.search.rescoring import final_values
from ttc.search.solutions import Attempt, Solution
from ttc.search.strategies import BestOfN

CFG = testing.small_config()
END, REVISE, STEP = 1, 2, 3
IDS = np.arange(CFG.vocab_size)
PROMPT = [4, REVISE, 5]  # between attempts of a context it is read as it is


@pytest.fixture(scope='module')
def models():
  return Models(
    Model(testing.random_params(CFG), CFG),
    Model(testing.random_params(CFG, 'value', seed=1), CFG),
    step_end=(IDS == STEP) | (IDS == END) | (IDS == REVISE),
    end=(IDS == END) | (IDS == REVISE),
    generation=Generation(1.0, 1.0, max_tokens=8, max_step_tokens=8),
    mesh=testing.mesh(),
    ends={END: END, REVISE: END},
  )


def value(models, tokens):
  """After each token."""
  logits = testing.outputs(models.verifier, tokens, 'value')[: len(tokens)]
  return 1 / (1 + np.exp(-logits))


def test_attempts_are_valued_as_if_all_had_one_end(models):
  (solution,) = testing.solve(BestOfN(), 48, models, PROMPT)
  apart = 0
  for attempt in solution.attempts:
    new = attempt.tokens
    read = [*new[:-1], END] if new[-1] == REVISE else new
    values = value(models, PROMPT + read)[len(PROMPT) :]
    at = [i for i, t in enumerate(new) if t in (STEP, END, REVISE)]
    if attempt.truncated and new[-1] != STEP:
      at.append(len(new) - 1)
    np.testing.assert_allclose(attempt.values, values[at], atol=1e-4)
    if new[-1] == REVISE:
      apart += abs(value(models, PROMPT + new)[-1] - values[-1]) > 0.01
  assert apart  # it would matter


def test_rescoring_reads_one_end_too(models):
  others = dataclasses.replace(models, proposer=None)
  texts = [[6, STEP, 7, end] for end in (END, REVISE)]
  (question,) = testing.questions(models, PROMPT)
  solution = Solution(question, [Attempt(t, False, None, 0.0) for t in texts])
  ((one, other),) = final_values(testing.scheduler(others), [solution])
  assert one == pytest.approx(other, abs=1e-6)
  assert one == pytest.approx(value(models, PROMPT + texts[0])[-1], abs=1e-4)
