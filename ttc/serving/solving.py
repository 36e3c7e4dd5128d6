"""How a question is answered: one plan, or the rungs of a ladder one by one.

What decides is what `ttc solve` decides by, in the same order: the same keys,
plans and grades, and a reply made of the same records. Who samples, and which
questions share the devices, decides nothing.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
import dataclasses
import functools
import itertools
from typing import Any, NamedTuple

import numpy as np

from ttc.allocation.allocation import Allocation
from ttc.allocation.controller import Controller, Result
from ttc.analysis.policy import Policy
from ttc.answering import apply_policy, apply_revisions, asked
from ttc.answering.apply_policy import ApplyPolicy
from ttc.answering.apply_revisions import ApplyRevisions
from ttc.answering.asked import Asked
from ttc.answering.replies import reply
from ttc.data.problems import Problem
from ttc.inference.models import Models
from ttc.inference.requests import Extend, Plan, Question, rewritten
from ttc.inference.rows import Row
from ttc.inference.verifier_text import Bridge
from ttc.pipeline.model_folders import ModelShapes
from ttc.runtime import storage
from ttc.runtime.safe_text import quoted
from ttc.search.revisions import Trail
from ttc.search.solutions import Attempt
from ttc.search.strategies import BestOfN, Strategy
from ttc.serving.answered import Answered, Assignment, Solving
from ttc.serving.errors import ApiError, bad
from ttc.serving.wishes import Ask
from ttc.stages import fit_allocation, revise
from ttc.stages.action_costs import ActionCosts
from ttc.stages.arms import Arm, Armed
from ttc.stages.online import Allocate
from ttc.stages.search import Search
from ttc.stages.solver import Solver
from ttc.stages.streams import stream_key

_Attempts = Generator[Assignment, Sequence[Row], tuple[list[Attempt], dict]]


class Team(NamedTuple):
  """Models that work together, with a scheduler of their own.

  Attributes:
    models: who samples and who scores.
    shapes: theirs.
    solver: with the absolute paths of the models.
  """

  models: Models
  shapes: ModelShapes
  solver: Solver


class Answerer:
  """Answers with the same models, whatever is asked.

  Attributes:
    teams: for their schedulers: who answers; and who revises, where a policy
      over revisions is served.
  """

  def __init__(
    self,
    teams: Sequence[Team],
    folder: Callable[[str], str],
    longest: int,
  ):
    """Samples nothing yet.

    Args:
      teams: one or two.
      folder: the absolute path of a stage that fitted, by its name.
      longest: tokens of the longest prompt that is taken.
    """
    self._ids = itertools.count()
    # Of questions at work, by id: what a verifier reads that reads no rows.
    self._texts: dict[int, str] = {}
    self._prompts: dict[int, Sequence[int]] = {}
    self.teams = [t._replace(models=self._asked(t.models)) for t in teams]
    self._longest = longest
    # Read once: they may be far away.
    self._allocation = functools.cache(
      lambda name: Allocation.from_json(_text(folder(name)))
    )
    self._folder = functools.cache(folder)
    # By kind of stage and budget.
    self._policies: dict[tuple[str, int], tuple[Policy, Mapping]] = {}

  def prepare(self, ask: Ask) -> Callable[[], Solving]:
    """What begins to answer; called again it begins anew, with the same end.

    Raises:
      ApiError: the question cannot be asked in this way.
    """
    offer, budget = ask.listing.offer, ask.listing.budget
    own = offer.stage.solver
    try:
      (problem,) = asked.posed(own.task, own.split, [ask.question])
    except ValueError as error:
      raise bad(str(error)) from error
    revises = offer.stage.kind == ApplyRevisions.kind
    solver = _asking(self.teams[revises].solver, own, problem, ask)
    self._check_length(solver, problem)
    _check_temperature(ask)
    if offer.strategy is not None:
      arms = (Arm(offer.strategy, (budget,)),)
      stage = dataclasses.replace(offer.stage, solver=solver, arms=arms)
      return lambda: self._by_strategy(ask, stage, problem)
    stage = dataclasses.replace(offer.stage, solver=solver, budgets=(budget,))
    by, fit = self._by_allocation, self._controller
    if stage.kind == ApplyPolicy.kind:
      by, fit = self._by_policy, self._actions
    elif revises:
      by, fit = self._by_revisions, self._actions
      binning = _asking(self.teams[0].solver, stage.binning, problem, ask)
      stage = dataclasses.replace(stage, binning=binning)
    try:
      fit(stage, problem)  # for its errors
    except ValueError as error:
      raise bad(f'model={ask.listing.name}: {error}', 'model') from error
    return lambda: by(ask, stage, problem)

  def _by_strategy(self, ask: Ask, stage: Search, problem: Problem) -> Solving:
    (arm,), (budget,) = stage.arms, stage.arms[0].budgets
    attempts, cost = yield from self._sampled(
      ask, stage, problem, arm.strategy, budget
    )
    rows = stage.solver.judge(problem.id, attempts)
    row = {'budget': budget, 'rows': rows, 'cost': cost}
    return self._answer(stage, problem, [row])

  def _by_allocation(
    self, ask: Ask, stage: Allocate, problem: Problem
  ) -> Solving:
    """The ladder of one question, at the price that its own budget sets."""
    controller, rows = self._controller(stage, problem), []
    costs = ActionCosts(stage.solver, stage.actions, self.teams[0].shapes)
    decision = None
    while decision is None or not decision.stop:
      (decision,) = controller.decide()
      row: dict[str, Any] = {'decision': decision.to_json()}
      results = {}
      if decision.action:
        hold = costs.bound(problem.id, decision.action).hold
        attempts, cost = yield from self._sampled(
          ask, stage, problem, *stage.actions[decision.action], hold
        )
        earlier = controller.attempts(problem.id)
        judged = stage.solver.judge_after(earlier, problem.id, attempts)
        row |= {'rows': judged, 'cost': cost}
        results[problem.id] = Result(row['rows'], costs.useful(cost))
      controller.learn([decision], results)
      if decision.stop:
        row['correct'] = controller.answer(problem.id)['correct']
      rows.append(row)
    return self._answer(stage, problem, rows)

  def _by_policy(
    self, ask: Ask, stage: ApplyPolicy, problem: Problem
  ) -> Solving:
    """Samples tell the bin, and the bin the arm."""
    policy, actions = self._actions(stage, problem)
    (budget,), judge = stage.budgets, stage.solver.judge
    attempts, cost = yield from self._sampled(
      ask, stage, problem, BestOfN(), stage.samples, stream=stage.difficulty
    )
    told = {'rows': judge(problem.id, attempts), 'cost': cost}
    apply_policy.assign_bins(policy, [told])
    strategy, spent = actions[told['bin'], budget]
    attempts, cost = yield from self._sampled(
      ask, stage, problem, strategy, spent, stream=stage.search
    )
    votes = {'rows': judge(problem.id, attempts), 'cost': cost}
    told['budget'], votes['budget'] = stage.samples, spent
    votes['arm'] = policy.choose(told['bin'], budget)
    return self._answer(stage, problem, [told, votes])

  def _by_revisions(
    self, ask: Ask, stage: ApplyRevisions, problem: Problem
  ) -> Solving:
    """Samples tell the bin, and the bin turns and chains of the other team."""
    policy, actions = self._actions(stage, problem)
    telling = dataclasses.replace(stage, solver=stage.binning)
    attempts, cost = yield from self._sampled(
      ask, telling, problem, BestOfN(), stage.samples, stream=stage.difficulty
    )
    told = {'rows': stage.binning.judge(problem.id, attempts), 'cost': cost}
    apply_policy.assign_bins(policy, [told])
    chains, trail = actions[told['bin'], stage.budgets[0]], Trail()
    key = stream_key(ask.seed, stage.revise)
    question = self._posed(stage.solver, problem, key)
    plan = chains.plan(question, self.teams[1].models, trail)
    plan = self._noted(plan, question, problem.question)
    yield Assignment(question, plan, chains.slots, by=1)
    rows = revise.judged(stage.solver, problem.id, trail)
    votes = {'rows': rows, 'cost': question.cost.record()}
    told['budget'], votes['budget'] = stage.samples, sum(chains.turns)
    votes['arm'] = apply_revisions.in_words(chains)
    return self._answer(stage, problem, [told, votes], self.teams[1].shapes)

  def _actions(
    self, stage: ApplyPolicy | ApplyRevisions, problem: Problem
  ) -> tuple[Policy, Mapping]:
    """The policy and its arms; raises ValueError for a budget below them."""
    del problem  # which has a bin later
    (budget,) = stage.budgets
    key = stage.kind, budget
    if key not in self._policies:
      folder = storage.path(self._folder(stage.policy))
      self._policies[key] = stage.actions(folder)
    return self._policies[key]

  def _controller(self, stage: Allocate, problem: Problem) -> Controller:
    """A budget over one question; raises ValueError if it buys nothing."""
    allocation = self._allocation(stage.allocation)
    (budget,) = stage.budgets
    return Controller(
      allocation,
      stage.total(allocation, budget, 1),
      [problem.id],
      stage.rounds,
      ActionCosts(stage.solver, stage.actions, self.teams[0].shapes).largest,
    )

  def _sampled(
    self,
    ask: Ask,
    stage: Armed,
    problem: Problem,
    strategy: Strategy,
    budget: int,
    hold: Callable[[Plan, Question], Plan] = lambda plan, _: plan,
    stream: str = '',
  ) -> _Attempts:
    """Attempts of a strategy, and their cost as records hold it.

    Args:
      ask: whose seed and temperature count.
      stage: of the models.
      problem: the question.
      strategy: which is followed.
      budget: of it.
      hold: changes the plan.
      stream: name of the stage whose random stream is taken; '' for `stage`.
    """
    key = stream_key(ask.seed, stream or stage.name, strategy, budget)
    question = self._posed(stage.solver, problem, key)
    plan = hold(strategy.plan(question, budget), question)
    if ask.temperature is not None:
      plan = rewritten(plan, lambda r: _at(ask.temperature, r))
    plan = self._noted(plan, question, problem.question)
    rows = yield Assignment(question, plan, strategy.slots(budget))
    attempts = [Attempt.of(row, self.teams[0].models) for row in rows]
    return attempts, question.cost.record()

  def _posed(
    self, solver: Solver, problem: Problem, key: np.ndarray
  ) -> Question:
    """The question, with an id that no other has."""
    (posed,) = solver.posed([problem], key)
    # The key is made. Anybody can make ids of two texts the same, and what the
    # verifier reads is found by them.
    return dataclasses.replace(posed, id=next(self._ids))

  def _asked(self, models: Models) -> Models:
    """The models, whose verifier reads of the questions that are at work."""
    bridge = models.bridge
    if bridge is not None:
      reads_text = isinstance(bridge, Bridge)
      bridge = bridge.about(self._texts if reads_text else self._prompts)
    return dataclasses.replace(models, bridge=bridge)

  def _noted(self, plan: Plan, question: Question, text: str) -> Plan:
    """The plan; its text is known for as long as a scheduler has it."""
    self._texts[question.id] = text
    self._prompts[question.id] = question.prompt
    try:
      return (yield from plan)
    finally:
      del self._texts[question.id], self._prompts[question.id]

  def _answer(
    self,
    stage: Armed,
    problem: Problem,
    rows: Sequence[Mapping[str, Any]],
    shapes: ModelShapes | None = None,
  ) -> Answered:
    costs = [row['cost'] for row in rows if 'cost' in row]
    sampled = [cost['proposer_decode'][0] for cost in costs]
    prompt = stage.solver.lengths[problem.id]
    made = reply(stage, problem, rows, shapes or self.teams[0].shapes)
    return Answered(made, prompt, round(sum(sampled)))

  def _check_length(self, solver: Solver, problem: Problem) -> None:
    length = solver.lengths[problem.id]
    if length > self._longest:
      raise ApiError(
        400,
        f'the question {quoted(problem.question, 60)} has a prompt of {length} '
        f'tokens, more than {self._longest}; shorten it, or start the server '
        f'with --prompt_tokens={length}.',
        code='context_length_exceeded',
      )


def _asking(solver: Solver, own: Solver, problem: Problem, ask: Ask) -> Solver:
  """A solver with absolute paths, asking as another does, and as the client."""
  most = own.generation.max_tokens
  room = min(ask.max_tokens or most, most)
  return dataclasses.replace(
    solver,
    task=Asked((problem,), own.task),
    split=own.split,
    generation=dataclasses.replace(own.generation, max_tokens=room),
  )


def _check_temperature(ask: Ask) -> None:
  """Raises ApiError for a temperature other than what a name promises."""
  offer, wanted = ask.listing.offer, ask.temperature
  own = getattr(offer.strategy, 'temperature', None)
  why = 'its strategy samples'
  if offer.strategy is None:
    own = offer.stage.solver.generation.temperature
    why = 'it was fitted'
  if None not in (own, wanted) and wanted != own:
    raise bad(
      f'temperature={wanted:g}, and {ask.listing.name} has {own:g}, at which '
      f'{why}; leave it out, or ask another model.',
      'temperature',
    )
  usual, n = offer.stage.solver.generation.temperature, ask.listing.attempts
  if wanted == 0 and n > 1 and own is None and usual != 0:
    raise bad(
      f'temperature=0, at which the {n} attempts of {ask.listing.name} would '
      f'be equal; leave it out, give {usual:g} as the run does, or ask '
      'greedy-1.',
      'temperature',
    )


def _text(folder: str) -> str:
  """What a stage wrote that fitted an allocation."""
  path = storage.path(folder) / fit_allocation.FILE
  return path.read_text(encoding='utf-8')


def _at(temperature: float, request: Extend) -> Extend:
  """A request at a temperature, unless it has one of its own."""
  if request.temperature is not None:
    return request
  return dataclasses.replace(request, temperature=temperature)
