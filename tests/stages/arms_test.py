"""Arms as a stage runs them: what its records say of their cost."""

import dataclasses

from tests.stages import random_models
from tests.stages.random_models import recorded, stored, TASK
from ttc.analysis import pools
from ttc.examples.marks import Marks
from ttc.inference.generation import Generation
from ttc.pipeline import fingerprint
from ttc.search.guided import Guided
from ttc.search.strategies import BestOfN, StepSearch
from ttc.stages.arms import Arm
from ttc.stages.search import Search
from ttc.stages.solver import Solver


def test_what_further_verifiers_read_is_charged_to_no_arm(tmp_path):
  solver = random_models.solver(tmp_path)
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


def test_a_strategy_that_stops_says_so(tmp_path):
  solver = random_models.solver(tmp_path, questions=5)
  marks = Marks(TASK, bad='?', threshold=1.0)
  values = [
    max(row['values'][-1] for row in record['rows'])
    for record in recorded(
      Search(solver, (Arm(Guided(marks=marks), (4,)),)), tmp_path / 'whole'
    )
  ]
  accept = sorted(values)[2]
  arm = Arm(Guided(marks=marks, accept=accept), (4,))
  records = recorded(Search(solver, (arm,)), tmp_path / 'stopping')
  for record in records:
    rows = [row['values'][-1] for row in record['rows']]
    stopped = len(rows) < 4
    assert record.get('stopped', False) == stopped
    if stopped:
      assert [value >= accept for value in rows] == [False] * (
        len(rows) - 1
      ) + [True]
  (pool,) = pools.read(tmp_path / 'stopping' / 'runs' / 'seed-0' / 'search')
  longest = max(len(record['rows']) for record in records)
  assert pool.width == longest


def test_searches_of_the_first_questions_are_recorded(tmp_path):
  """And nothing else of their records, nor of the others, is another."""
  solver = random_models.solver(tmp_path)
  arms = (Arm(BestOfN(), (4,)), Arm(StepSearch(), (4, 8)))
  plain, traced = (
    recorded(Search(solver, arms, traced=n), tmp_path / f'traced-{n}')
    for n in (0, 2)
  )
  first = [p.id for p in solver.problems[:2]]
  for without, record in zip(plain, traced, strict=True):
    searched = not record['strategy'].startswith('BestOfN')
    told = record.pop('trace', None)
    assert record == without
    assert (told is not None) == (searched and record['problem'] in first)
    if told:
      for row, end in zip(record['rows'], told['ends'], strict=True):
        text = []
        while end >= 0:
          text.append(told['texts'][told['text'][end]])
          end = told['parent'][end]
        assert ''.join(reversed(text)) == row['text']


def test_runs_that_were_begun_without_traces_go_on():
  search = Search(Solver(TASK, Generation()), (Arm(BestOfN(), (4,)),))
  assert 'Search.traced' not in fingerprint.bindings(search)
  none = fingerprint.bindings(dataclasses.replace(search, traced=0))
  assert none['Search.traced'] == 0
