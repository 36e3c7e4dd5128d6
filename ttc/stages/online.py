"""`ttc allocate`: spends a budget over all questions, as results come in."""

from collections.abc import Mapping, Sequence
import dataclasses
import math
from typing import Any, ClassVar, Literal

from ttc.allocation import grades
from ttc.allocation.allocation import Allocation
from ttc.allocation.controller import Controller, Decision, Result
from ttc.data.problems import Problem
from ttc.models import partitioning
from ttc.pipeline import model_folders, records
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.parts import Part
from ttc.pipeline.stage import StageRun
from ttc.runtime import limits, waiting
from ttc.search.solutions import Attempt
from ttc.search.strategies import longest, Strategy
from ttc.stages import fit_allocation, loading, model_checks
from ttc.stages.action_costs import ActionCosts
from ttc.stages.arms import Arm
from ttc.stages.fit_allocation import Ladder
from ttc.stages.solver import Solver
from ttc.stages.streams import stage_key


@dataclasses.dataclass(frozen=True)
class Item:
  """A question in a round of a budget; one row of the records.

  Attributes:
    budget: mean budget per question.
    round: from 0.
    problem: the question.
  """

  budget: float
  round: int
  problem: Problem


@dataclasses.dataclass(frozen=True)
class Allocate:
  """Answers all questions within a budget, in rounds.

  In every round each question stops or takes its next action, as
  `allocation.controller` decides from all earlier rounds. A round is written
  before the next one is decided, so a run that is killed goes on bit-equal.

  Attributes:
    solver: the models that the allocation was fitted with, and the questions.
    ladders: those of the allocation.
    budgets: mean budgets per question; each is spent in a run of its own.
    unit: of the budgets: executed FLOPs, or generations, each as many FLOPs as
      one of the attempts of the pilot's best-of-N.
    allocation: name of the stage that fitted, or absolute path of its folder.
    rounds: the most rounds. A ladder of J rungs takes J, and more where
      questions have to wait until others have given back what they reserved.
    size: questions per part.
    name: name of the stage.
  """

  kind: ClassVar[str] = 'allocate'
  solver: Solver
  ladders: tuple[Ladder, ...]
  budgets: tuple[float, ...]
  unit: Literal['flops', 'generations'] = 'generations'
  allocation: str = 'fit_allocation'
  rounds: int = 10
  size: int = 256
  name: str = 'allocate'

  def __post_init__(self):
    limits.several(self, 'ladders', 'budgets')
    limits.whole(self, 'rounds', 'size')
    for budget in self.budgets:
      if not isinstance(budget, int | float) or not 0 < budget < math.inf:
        raise ValueError(
          f'Allocate.budgets={self.budgets!r} has {budget!r}; give positive '
          'numbers per question.'
        )
    if len(set(self.budgets)) < len(self.budgets):
      raise ValueError(f'Allocate.budgets={self.budgets}; list each once.')
    longest = max(len(ladder.actions) for ladder in self.ladders)
    if self.rounds <= longest:
      raise ValueError(
        f'Allocate.rounds={self.rounds}; a ladder of {longest} actions takes '
        f'{longest + 1} or more, the last of which only stops.'
      )

  @property
  def actions(self) -> dict[str, tuple[Strategy, int]]:
    """Strategy and generations of all actions, by name."""
    return {n: a for ladder in self.ladders for n, a in ladder.actions.items()}

  @property
  def arms(self) -> tuple[Arm, ...]:
    """What is run at most: every action on every question."""
    return tuple(Arm(s, (budget,)) for s, budget in self.actions.values())

  def check(self, experiment: Experiment) -> None:
    """Raises ValueError for arms or models that this cannot run with."""
    loading.check_here(self.solver, f'{self.name}, which spends FLOPs,')
    for arm in self.arms:
      arm.check(bool(self.solver.verifier))
    self.solver.check(experiment, self)
    fitted = model_checks.check_kind(
      experiment, self, self.allocation, 'fit_allocation'
    )
    missing = [
      name
      for name in getattr(fitted, 'actions', ())
      if name not in self.actions
    ]
    if missing:
      raise ValueError(
        f'{self.allocation} may climb to {missing[0]}, which no ladder of '
        f'{self.name} has; give both the same ladders.'
      )

  def __call__(self, run: StageRun) -> None:
    """Writes a row per round, budget and question.

    A row is {"problem", "budget", "round", "seed"}; of a question that has not
    stopped earlier also "decision" (see `Decision`), with "rows" and "cost" as
    in `arms.run_arms` where an action was taken, and with "answer", "correct"
    and "attempts" (their number) where it stops.
    """
    allocation = self._read(run)
    costs, solver = self.costs(run), self.solver
    asked = [p.id for p in solver.problems if not solver.skipped(p)]
    controllers = {
      budget: Controller(
        allocation,
        self.total(allocation, budget, len(asked)),
        asked,
        self.rounds,
        costs.largest,
      )
      for budget in self.budgets
    }
    sampler = _Sampler(self, run, costs)
    parts = run.parts(
      self._items(), self.size, 'decisions', grades=grades.of_allocation
    )
    part = next(parts, None)
    for round_ in range(self.rounds):
      decided = {}
      for budget, controller in controllers.items():
        decided[budget] = controller.decide()
        own = {d.question: d for d in decided[budget]}
        while part is not None and _is_of(part, budget, round_):
          part.write(sampler.rows(part.items, controller, own))
          part = next(parts, None)
      # What others did decides the next round.
      run.wait_for_others(f'round {round_} done')
      for budget, controller in controllers.items():
        results = self._results(run, round_, budget, costs)
        if results.keys() != {d.question for d in decided[budget] if d.action}:
          raise ValueError(
            f'{run.folder}: round {round_} of {self.name} at {budget} was '
            'decided otherwise, by another version of this code; go on with '
            'that version, or remove the folder to decide anew.'
          )
        controller.learn(decided[budget], results)

  def _items(self) -> list[Item | None]:
    """All items; each budget of a round is padded to whole parts."""
    problems = self.solver.problems
    padding = [None] * (-len(problems) % self.size)
    return [
      item
      for round_ in range(self.rounds)
      for budget in self.budgets
      for item in [*(Item(budget, round_, p) for p in problems), *padding]
    ]

  def _read(self, run: StageRun) -> Allocation:
    folder = run.input(self.allocation)
    text = (folder / fit_allocation.FILE).read_text(encoding='utf-8')
    return Allocation.from_json(text)

  def costs(self, run: StageRun) -> ActionCosts:
    """What actions may take; reads the shapes of the models."""
    solver = self.solver
    shapes = model_folders.shapes(run.input, solver.proposer, solver.verifier)
    return ActionCosts(solver, self.actions, shapes)

  def total(self, allocation: Allocation, budget: float, asked: int) -> float:
    """FLOPs of a budget over all questions that are asked.

    Raises:
      ValueError: the budget is in generations and the pilot measured none.
    """
    if self.unit == 'flops':
      return budget * asked
    if allocation.generation is None:
      raise ValueError(
        f'{self.name}.unit is generations, and the pilot of {self.allocation} '
        "had no best-of-N to measure one by; add it there, or set unit='flops'."
      )
    return budget * allocation.generation * asked

  def _results(
    self, run: StageRun, round_: int, budget: float, costs: ActionCosts
  ) -> dict[int, Result]:
    """What the actions of a round gave, read from the parts of all."""
    per = -(-len(self.solver.problems) // self.size)
    count = per * len(self.budgets) * self.rounds
    first = per * (round_ * len(self.budgets) + self.budgets.index(budget))
    results = {}
    for index in range(first, first + per):
      path = run.folder / records.part_name(index, count)
      waiting.until_exists(path)
      for row in records.read_part(path):
        if 'cost' in row:
          useful = costs.useful(row['cost'])
          results[row['problem']] = Result(row['rows'], useful)
    return results


class _Sampler:
  """Takes the actions of a part; loads models when there is something to do."""

  def __init__(self, stage: Allocate, run: StageRun, costs: ActionCosts):
    self._stage, self._run, self._costs = stage, run, costs
    self._models = self._scheduler = None

  def rows(
    self,
    items: Sequence[Item],
    controller: Controller,
    decisions: Mapping[int, Decision],
  ) -> list[dict[str, Any]]:
    """The rows of a part, in the order of its items."""
    taken = {
      item.problem.id: decisions[item.problem.id].action
      for item in items
      if item.problem.id in decisions and decisions[item.problem.id].action
    }
    sampled = self._sample(items, controller, taken) if taken else {}
    return [
      self._row(item, controller, decisions.get(item.problem.id))
      | sampled.get(item.problem.id, {})
      for item in items
    ]

  def _row(self, item, controller, decision) -> dict[str, Any]:
    row = {
      'problem': item.problem.id,
      **item.problem.told,
      'budget': item.budget,
      'round': item.round,
      'seed': self._run.seed,
    }
    if reason := self._stage.solver.skipped(item.problem):
      row['skipped'] = reason
    if decision is not None:
      row['decision'] = decision.to_json()
      if decision.stop:
        answer = controller.answer(item.problem.id)
        row |= {name: answer[name] for name in ('answer', 'correct')}
        row['attempts'] = len(controller.attempts(item.problem.id))
    return row

  def _sample(
    self,
    items: Sequence[Item],
    controller: Controller,
    taken: Mapping[int, str],
  ) -> dict[int, dict[str, Any]]:
    """Attempts and cost by question."""
    self._load()
    solver, actions = self._stage.solver, self._stage.actions
    plans = []
    for name in dict.fromkeys(taken.values()):
      strategy, budget = actions[name]
      problems = [i.problem for i in items if taken.get(i.problem.id) == name]
      key = stage_key(self._run, strategy, budget)
      for question in solver.posed(problems, key):
        plan = self._costs.bound(question.id, name).hold(
          strategy.plan(question, budget), question
        )
        plans.append((question, plan, strategy.slots(budget)))
    sampled = {}
    with partitioning.use(self._models.mesh):
      for question, rows in self._scheduler.run(plans):
        new = [Attempt.of(row, self._models) for row in rows]
        earlier = controller.attempts(question.id)
        sampled[question.id] = {
          'rows': solver.judge_after(earlier, question.id, new),
          'cost': question.cost.record(),
        }
    return sampled

  def _load(self) -> None:
    if self._scheduler is not None:
      return
    solver, actions = self._stage.solver, self._stage.actions.values()
    self._models = solver.load(self._run)
    widths = solver.prompt_width, solver.generation.max_tokens
    self._scheduler = solver.scheduler(
      self._run,
      self._models,
      max(s.slots(n) for s, n in actions),
      max(longest(s, *widths) for s, _ in actions),
    )


def _is_of(part: Part, budget: float, round_: int) -> bool:
  first = part.items[0]
  return (first.budget, first.round) == (budget, round_)
