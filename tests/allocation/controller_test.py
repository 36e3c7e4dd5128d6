"""The controller: exact budgets, and decisions that depend on results alone."""

import collections
import json
import random

import numpy as np
import pytest

from tests.allocation import worlds
from ttc.allocation import controller as control
from ttc.allocation import fit, replay
from ttc.allocation.controller import Controller, Result

_BUDGETS = (1, 4, 16)
_LADDER = worlds.ladder(*_BUDGETS)
_ROUNDS = 8


@pytest.fixture(scope='module')
def fitted():
  rates = np.random.default_rng(0).beta(0.5, 1.0, 400)
  recorded = worlds.recordings(rates, _BUDGETS, noise=0.25)
  return fit.fit(recorded, [_LADDER], seed=0)


@pytest.fixture(scope='module')
def others():
  rates = np.random.default_rng(1).beta(0.5, 1.0, 120)
  return worlds.recordings(rates, _BUDGETS, seed=1, noise=0.25)


def _largest(question, action):
  del question
  # Twice what any action takes: attempts end before their limit.
  return 2 * worlds.PER_ATTEMPT * int(action.rpartition('=')[2])


def _results(others, decisions):
  return {
    d.question: Result(
      others.actions[d.action].rows[d.question],
      float(others.actions[d.action].useful[d.question]),
    )
    for d in decisions
    if d.action
  }


def _play(controller, others, upset=None):
  rounds = []
  for _ in range(_ROUNDS):
    decisions = controller.decide()
    results = list(_results(others, decisions).items())
    if upset is not None:
      upset.shuffle(results)
    controller.learn(decisions, dict(results))
    rounds.append(decisions)
  return rounds


@pytest.mark.parametrize('mean', [30, 40, 55, 80, 130, 200, 500])
def test_no_round_may_exceed_the_budget_and_everything_stops(
  fitted, others, mean
):
  budget = mean * len(others.problem)
  controller = Controller(
    fitted, budget, others.problem.tolist(), _ROUNDS, _largest
  )
  reserved = 0.0
  stopped = {}
  rungs = collections.Counter()
  for turn in range(_ROUNDS):
    decisions = controller.decide()
    for decision in decisions:
      if decision.stop == control.UNAFFORDABLE and turn < _ROUNDS - 1:
        # What it waits for does not fit any more.
        action = _LADDER[rungs[decision.question]]
        assert controller.spent + _largest(0, action) * worlds.RATE > budget
    rungs.update(d.question for d in decisions if d.action)
    reserved = controller.spent + sum(
      _largest(0, d.action) * worlds.RATE for d in decisions if d.action
    )
    assert reserved <= budget * (1 + 1e-12)
    controller.learn(decisions, _results(others, decisions))
    stopped |= {d.question: d.stop for d in decisions if d.stop}
  assert controller.spent <= budget
  assert sorted(stopped) == others.problem.tolist()


def test_decisions_do_not_depend_on_the_order_of_results(fitted, others):
  make = lambda: Controller(
    fitted, 6000.0, others.problem.tolist(), _ROUNDS, _largest
  )
  plain = _play(make(), others)
  assert _play(make(), others, random.Random(3)) == plain


def test_a_controller_that_reads_its_rounds_again_goes_on_alike(fitted, others):
  make = lambda: Controller(
    fitted, 6000.0, others.problem.tolist(), _ROUNDS, _largest
  )
  whole = _play(make(), others)
  for killed in range(1, _ROUNDS):
    again = make()
    for decisions in whole[:killed]:
      # As from files: the decision is made again, results come from JSON.
      assert again.decide() == decisions
      results = json.loads(json.dumps(_results(others, decisions)))
      again.learn(
        decisions, {int(q): Result(*result) for q, result in results.items()}
      )
    assert again.decide() == whole[killed]


def test_more_budget_is_used_and_helps(fitted, others):
  runs = [
    replay.replay(fitted, others, mean * len(others.problem), _ROUNDS)
    for mean in (35, 60, 120, 250)
  ]
  spent = [run.flops.mean() for run in runs]
  assert spent == sorted(spent)
  assert runs[-1].right.mean() > runs[0].right.mean()


def test_every_stop_has_its_reason(fitted, others):
  rich = replay.replay(fitted, others, 1e6, _ROUNDS)
  poor = replay.replay(fitted, others, 26 * len(others.problem), _ROUNDS)
  reasons = lambda run: {d.stop for r in run.rounds for d in r if d.stop}
  assert reasons(rich) <= {
    control.ACCEPTED,
    control.GIVEN_UP,
    control.EXHAUSTED,
  }
  assert control.UNAFFORDABLE in reasons(poor) or control.GIVEN_UP in reasons(
    poor
  )
  for run in (rich, poor):
    for decision in (d for r in run.rounds for d in r):
      if decision.stop == control.ACCEPTED:
        assert decision.belief >= 0.5
      if decision.stop == control.GIVEN_UP:
        assert decision.belief < 0.5


def test_one_question_alone_spends_what_it_has(fitted, others):
  """Though all that would follow, as expected, is more than it has."""
  hopeless = [
    not any(row['correct'] for row in rows)
    for rows in others.actions[_LADDER[-1]].rows
  ]
  question = int(others.problem[hopeless.index(True)])
  budget = sum(_largest(0, a) * worlds.RATE for a in _LADDER[:2])
  controller = Controller(fitted, budget, [question], _ROUNDS, _largest)
  for action in _LADDER[:2]:
    [decision] = decisions = controller.decide()
    assert decision.action == action
    controller.learn(decisions, _results(others, decisions))


def test_a_budget_too_small_for_the_first_rung_is_refused(fitted, others):
  with pytest.raises(ValueError, match='alone may take'):
    Controller(fitted, 13.0 * 120, others.problem.tolist(), 4, _largest)
