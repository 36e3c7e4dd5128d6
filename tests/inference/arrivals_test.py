"""Plans that arrive while others run, and questions that are given up."""

import itertools
import random

import pytest

from tests import testing
from ttc.models import partitioning
from ttc.search.allocate import Beam
from ttc.search.mcts import Mcts
from ttc.search.solutions import Attempt
from ttc.search.strategies import BestOfN, StepSearch

MODELS = testing.looking_back(max_step_tokens=4)
PROMPTS = [[3, 4], [5], [6, 7, 8, 9], [4, 4], [9, 3, 5], [8]]
STRATEGIES = [BestOfN(), StepSearch(Beam(2), lookahead=1), Mcts()]
BUDGET = 4


def _plans():
  """A plan of each question, by turns of the strategies."""
  return [
    (question, strategy.plan(question, BUDGET), strategy.slots(BUDGET))
    for index, question in enumerate(testing.questions(MODELS, *PROMPTS))
    for strategy in [STRATEGIES[index % len(STRATEGIES)]]
  ]


def _run(scheduler, plans):
  """Tokens of the attempts, by id of the question."""
  with partitioning.use(MODELS.mesh):
    return {
      question.id: [Attempt.of(row, MODELS).tokens for row in rows]
      for question, rows in scheduler.run(plans)
    }


@pytest.fixture(scope='module')
def alone():
  """What each question gets with nobody beside it."""
  found = {}
  for plan in _plans():
    found |= _run(testing.scheduler(MODELS), [plan])
  return found


@pytest.mark.parametrize('seed', range(4))
def test_arrivals_change_nothing(alone, seed):
  draw = random.Random(seed)
  plans = _plans()
  draw.shuffle(plans)
  arriving = [
    arrival
    for plan in plans
    for arrival in [*([None] * draw.choice((0, 0, 1, 5))), plan]
  ]
  scheduler = testing.scheduler(MODELS, lanes=2, slots=6)
  assert _run(scheduler, arriving) == alone


@pytest.mark.parametrize('seed', range(6))
def test_who_is_given_up_frees_its_rows_and_disturbs_nobody(alone, seed):
  """At any moment: before it starts, in a call, at a step end, after it."""
  draw = random.Random(seed)
  plans = _plans()
  gone = draw.sample([question for question, *_ in plans], 3)
  moments = {question: draw.randrange(12) for question in gone}
  # Such as all slots are needed for, if rows of others were still held.
  last = testing.questions(MODELS, [7, 7], first=90)[0]
  most = StepSearch(Beam(2))

  def arriving():
    waiting = list(plans)
    for moment in range(16):
      for question in gone:
        if moments[question] == moment:
          question.cancelled.set()
      yield waiting.pop(0) if waiting and draw.random() < 0.7 else None
    yield from waiting
    yield last, most.plan(last, 8), 8

  scheduler = testing.scheduler(MODELS, lanes=2, slots=8)
  found = _run(scheduler, arriving())
  assert len(found.pop(90)) == 8
  given_up = {question.id for question in gone}
  assert found.keys() >= alone.keys() - given_up
  assert found == {id: alone[id] for id in found}


def test_a_question_that_nobody_waits_for_is_not_begun():
  (plan, *_) = _plans()
  plan[0].cancelled.set()
  assert _run(testing.scheduler(MODELS), [plan]) == {}
  assert sum(plan[0].cost.record()['proposer_prefill']) == 0


def test_room_that_was_held_is_given_to_who_waits():
  first, second = testing.questions(MODELS, [3], [4])
  search = StepSearch(Beam(2))

  def endless():
    for turn in itertools.count():
      if turn == 3:
        first.cancelled.set()
      yield from search.plan(first, 8)

  plans = [(first, endless(), 8), (second, search.plan(second, 8), 8)]
  scheduler = testing.scheduler(MODELS, lanes=2, slots=8)
  found = _run(scheduler, plans)
  assert [len(attempts) for attempts in found.values()] == [8]
  assert list(found) == [second.id]
