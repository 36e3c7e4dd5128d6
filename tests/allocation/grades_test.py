"""The progress line tells how right an arm is, and its attempts beside it."""

from ttc.allocation import grades


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
    'accuracy at 4': (1, 2),
    'attempts right': (1, 3),
  }
