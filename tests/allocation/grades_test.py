"""The progress line tells how right an arm is, and its attempts beside it."""

import numpy as np

from ttc.allocation import grades
from ttc.analysis import aggregate


def _record(*attempts, strategy='Greedy()', budget=3, **more):
  rows = [
    {'answer': answer, 'correct': answer == 'right', 'values': [value]}
    for answer, value in attempts
  ]
  return {'strategy': strategy, 'budget': budget, 'rows': rows, **more}


def test_an_arm_answers_by_its_weighted_vote():
  rows = [
    _record(('right', 0.9), ('wrong', 0.3), ('wrong', 0.3)),
    _record(('right', 0.2), ('wrong', 0.9), (None, 1.0)),
    _record(skipped='its prompt is long'),
  ]
  assert grades.of_arm(rows) == {
    'accuracy of Greedy N=3': (1, 2),
    'attempts right': (2, 6),
  }


def test_an_allocation_answers_where_questions_stop():
  rows = [
    _record(('wrong', 0.1), ('right', 0.9), budget=4.0, correct=True),
    _record(('wrong', 0.1), budget=4.0),
    _record(budget=4.0, correct=False),
  ]
  assert grades.of_allocation(rows) == {
    'accuracy of 4 per question': (1, 2),
    'attempts right': (1, 3),
  }


def test_a_policy_answers_at_each_of_its_budgets():
  rows = [
    _record(('wrong', 0.9), ('wrong', 0.9), bin=2),
    _record(('right', 0.9), ('wrong', 0.1), policy=4),
    _record(('wrong', 0.9), policy=16),
    _record(skipped='its prompt is long', policy=4),
  ]
  assert grades.of_policy(rows) == {
    'accuracy of the policy N=4': (1, 1),
    'accuracy of the policy N=16': (0, 1),
    'attempts right': (1, 3),
  }


def test_chains_answer_by_the_vote_of_the_paper():
  rng = np.random.default_rng(0)
  for _ in range(200):
    answer = rng.integers(-1, 4, (3, 4))
    score = rng.random((3, 4))
    rows = [
      {
        'answer': None if answer[c, t] < 0 else str(answer[c, t]),
        'correct': bool(answer[c, t] == 0),
        'values': [0.5, score[c, t]],
        'chain': c,
      }
      for c in range(3)
      for t in range(4)
    ]
    place = aggregate.hierarchical(answer, score)
    told = grades.of_chains([{'budget': 12, 'rows': rows}])
    assert told['accuracy of N=12'] == (rows[place]['correct'], 1)
    assert told['attempts right'] == ((answer == 0).sum(), 12)
