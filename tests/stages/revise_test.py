"""Chains as a stage runs them: what further verifiers make of them."""

import dataclasses

import numpy as np

from tests.stages import random_models
from tests.stages.random_models import recorded, stored, TASK
from ttc.stages.revise import Revise


def test_further_verifiers_read_each_attempt_alone(tmp_path):
  solver = random_models.solver(tmp_path)
  # The same model: it differs from itself where it reads a chain.
  scored = dataclasses.replace(
    solver,
    scorers=(
      ('same', solver.verifier),
      ('other', stored(tmp_path / 'o', 'value', 1)),
    ),
  )
  one, other = (
    recorded(Revise(each, turns=3, chains=2), tmp_path / name)
    for name, each in (('alone', solver), ('scored', scored))
  )
  first, later = [], []
  for alone, read in zip(one, other, strict=True):
    for row in read['rows']:
      scores = row.pop('scores')
      assert scores['other'] != scores['same']
      place = first if row['turn'] == 1 else later
      place.append((scores['same'], row['values'][-1]))
    assert alone == read  # nothing else changes, costs neither
  assert len(first) == 6
  assert len(later) == 12
  np.testing.assert_allclose(*np.transpose(first), atol=1e-5)
  assert np.abs(np.diff(later)).min() > 1e-5


def test_a_verifier_may_read_each_attempt_alone(tmp_path):
  """Then its values are those that it has as a further verifier."""
  solver = random_models.solver(tmp_path, verify_alone=True)
  solver = dataclasses.replace(solver, scorers=(('same', solver.verifier),))
  both = []
  for record in recorded(Revise(solver, turns=3, chains=2), tmp_path):
    both += [(r['scores']['same'], r['values'][-1]) for r in record['rows']]
    # The prompt once, and the attempts: nothing of the contexts.
    read = sum(len(row['tokens']) for row in record['rows'])
    assert record['cost']['verifier_decode'][0] == read
    prompt = len(TASK.prompt_tokens(solver.by_id[record['problem']]))
    assert record['cost']['verifier_prefill'][0] == prompt
  np.testing.assert_allclose(*np.transpose(both), atol=1e-5)
