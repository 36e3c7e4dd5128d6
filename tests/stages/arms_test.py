"""Arms as a stage runs them: what its records say of their cost."""

import dataclasses

from tests.stages.random_models import recorded, stored, TASK
from ttc.inference.generation import Generation
from ttc.search.strategies import BestOfN, StepSearch
from ttc.stages.arms import Arm
from ttc.stages.search import Search
from ttc.stages.solver import Solver


def test_what_further_verifiers_read_is_charged_to_no_arm(tmp_path):
  solver = Solver(
    TASK,
    Generation(max_tokens=6, max_step_tokens=3),
    proposer=stored(tmp_path / 'model'),
    verifier=stored(tmp_path / 'prm', 'value'),
    questions=3,
    rows=8,
  )
  scorer = stored(tmp_path / 'orm', 'value', seed=1)
  scored = dataclasses.replace(solver, scorers=(('orm', scorer),))
  arms = (Arm(BestOfN(), (4,)), Arm(StepSearch(), (4,)))
  one, other = (
    recorded(Search(each, arms), tmp_path / name)
    for name, each in (('alone', solver), ('scored', scored))
  )
  assert len(one) == len(other) == 6
  for alone, read in zip(one, other, strict=True):
    scores = [row.pop('scores')['orm'] for row in read['rows']]
    assert all(0 <= score <= 1 for score in scores)
    assert scores != [row['values'][-1] for row in read['rows']]
    assert alone == read
