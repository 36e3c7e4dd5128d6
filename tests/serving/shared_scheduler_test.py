"""One scheduler for all: failures, limits and ends concern whom they must."""

import functools

import pytest

from tests import testing
from ttc.search.allocate import Beam
from ttc.search.solutions import Attempt
from ttc.search.strategies import BestOfN, StepSearch
from ttc.serving.errors import ApiError
from ttc.serving.shared_scheduler import SharedScheduler

MODELS = testing.looking_back(max_step_tokens=4)
PROMPTS = [[3, 4], [5], [6, 7, 8], [4, 4], [9, 3]]
SEARCH = StepSearch(Beam(2))


def _tokens(rows):
  return [Attempt.of(row, MODELS).tokens for row in rows]


def _solving(prompt, *strategies, change=lambda plan: plan()):
  """Follows strategies one after the other; ends with all tokens."""
  found = []
  for strategy in strategies:
    (question,) = testing.questions(MODELS, prompt)
    plan = change(functools.partial(strategy.plan, question, 4))
    rows = yield question, plan, strategy.slots(4)
    found.append(_tokens(rows))
  return found


def _endless(plan):
  while True:
    yield from plan()


def _broken(plan):
  yield next(plan())
  raise FloatingPointError('its logits\nare not finite')


@pytest.fixture
def shared():
  scheduler = testing.scheduler(MODELS, lanes=2, slots=8)
  made = SharedScheduler([(scheduler, MODELS.mesh)], 6)
  yield made
  assert made.close(60)


@functools.cache
def _alone(index):
  (solution,) = testing.solve(SEARCH, 4, MODELS, PROMPTS[index])
  return testing.tokens(solution)


def test_plans_one_after_the_other(shared):
  begins = [
    functools.partial(_solving, prompt, BestOfN(), SEARCH) for prompt in PROMPTS
  ]
  errands = [shared.ask(begin) for begin in begins]
  for index, errand in enumerate(errands):
    _, searched = errand.answer.result(300)
    assert searched == _alone(index)
  assert shared.drain(0)


@pytest.mark.parametrize('place', range(3))
def test_a_failure_is_of_one_question(shared, place):
  begins = [functools.partial(_solving, prompt, SEARCH) for prompt in PROMPTS]
  begins[place] = functools.partial(
    _solving, PROMPTS[place], SEARCH, change=_broken
  )
  errands = [shared.ask(begin) for begin in begins]
  for index, errand in enumerate(errands):
    if index == place:
      with pytest.raises(ApiError, match='logits are not finite') as failed:
        errand.answer.result(300)
      assert failed.value.status == 500
    else:
      assert errand.answer.result(300) == [_alone(index)]


def test_plans_of_two_schedulers_in_turn():
  makes = [testing.scheduler(MODELS, lanes=2, slots=8) for _ in range(2)]
  both = SharedScheduler([(made, MODELS.mesh) for made in makes], 6)

  def begin(prompt):
    solving = _solving(prompt, SEARCH, SEARCH)
    rows, by = None, 0
    while True:
      try:
        rows = yield (*solving.send(rows), by)
      except StopIteration as stop:
        return stop.value
      by = 1

  endless = both.ask(functools.partial(_solving, [3], SEARCH, change=_endless))
  errands = [both.ask(functools.partial(begin, prompt)) for prompt in PROMPTS]
  for index, errand in enumerate(errands):
    assert errand.answer.result(300) == [_alone(index)] * 2
  both.give_up(endless)
  for made in makes:
    assert made.utilization.executed
  assert both.close(60)


def test_a_question_that_cannot_begin(shared):
  def begin():
    raise ValueError('no')
    yield

  with pytest.raises(ApiError, match='ValueError: no'):
    shared.ask(begin).answer.result(300)


def test_as_many_as_are_taken(shared):
  endless = functools.partial(_solving, [3], SEARCH, change=_endless)
  errands = [shared.ask(endless) for _ in range(6)]
  with pytest.raises(ApiError, match='6 requests wait or are at work') as full:
    shared.ask(endless)
  assert full.value.status == 429
  for errand in errands:
    shared.give_up(errand)
    shared.give_up(errand)  # a second time changes nothing
  begin = functools.partial(_solving, PROMPTS[1], SEARCH)
  assert shared.ask(begin).answer.result(300) == [_alone(1)]


def test_the_end(shared):
  endless = functools.partial(_solving, [3], SEARCH, change=_endless)
  errands = [shared.ask(endless) for _ in range(5)]
  shared.refuse()
  with pytest.raises(ApiError, match='is stopping') as refused:
    shared.ask(endless)
  assert refused.value.status == 503
  assert not shared.drain(0.1)
  assert shared.close(60)
  for errand in errands:
    with pytest.raises(ApiError, match='is stopping'):
      errand.answer.result(0)
