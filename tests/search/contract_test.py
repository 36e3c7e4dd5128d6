"""What every strategy owes, whichever file of ttc/search it stands in.

A new strategy is found here by itself. It is run in the scripted world by the
real scheduler and by a slow interpreter of plans (reference.interpret), and
both must agree on every token, value and cost.
"""

import dataclasses
import functools
import importlib
import math
import pathlib
import re

import numpy as np
import pytest

from tests import testing
from tests.search import reference
from ttc import search
from ttc.allocation.ceiling import ceiling
from ttc.allocation.recorded import spend
from ttc.analysis import names
from ttc.cli import configuration
from ttc.examples.marks import Marks
from ttc.pipeline import fingerprint
from ttc.pipeline.model_folders import ModelShapes
from ttc.search.allocate import Dvts, Keep, ParticleFilter, Rebase
from ttc.search.backtrack import Backtrack
from ttc.search.bounded import Allowance
from ttc.search.critique import Critique
from ttc.search.forced import Forced
from ttc.search.guided import Guided
from ttc.search.mcts import Mcts
from ttc.search.sparse import Sparse
from ttc.search.strategies import longest, StepSearch
from ttc.search.tempered import Tempered

RNG = np.random.default_rng(5)
TABLE = RNG.normal(size=(testing.WORDS, testing.WORDS)) * 1.5
TABLE[:, testing.PAD] = -30
TABLE[:, testing.END] -= 0.5
VALUES = RNG.normal(size=testing.WORDS)
PROMPTS = [[3, 4], [5]]
TASK = testing.Spelling()
BUDGETS = (1, 4, 8)
_SHAPES = ModelShapes(testing.scripted_config(), testing.scripted_config())
_ASKED = {'verified', 'rows', 'slots', 'plan'}


def _strategies() -> dict[str, type]:
  """Every strategy there is, by the name that a gin file gives it."""
  found = {}
  for path in sorted(pathlib.Path(search.__path__[0]).glob('*.py')):
    module = importlib.import_module(f'ttc.search.{path.stem}')
    for name, value in vars(module).items():
      ours = getattr(value, '__module__', None) == module.__name__
      if ours and dataclasses.is_dataclass(value) and set(dir(value)) >= _ASKED:
        found[f'{path.stem}.{name}'] = value
  return found


STRATEGIES = _strategies()
# Each with its defaults, and some with other settings.
CASES = [strategy() for strategy in STRATEGIES.values()] + [
  StepSearch(Dvts(2), lookahead=1),
  StepSearch(Rebase(), rounds=2),
  StepSearch(Keep(2)),
  Tempered(StepSearch(lookahead=1), 0.5),
  Sparse(Mcts(), 3),
  Sparse(Backtrack()),
  StepSearch(ParticleFilter(0.5)),
  Mcts(width=2, rollouts=2),
  Guided(StepSearch(), first=4, width=4, keep=2),
  Guided(Mcts(), first=2, width=2, marks=Marks(TASK, good='d', bad='e')),
  Critique(TASK, ask='b', again='c d'),
  Forced(TASK, wait='b', close='c d', waits=2, most=5),
]


def _budgets(strategy) -> list[int]:
  fitting = []
  for budget in BUDGETS:
    try:
      strategy.rows(budget)
    except ValueError:
      continue
    fitting.append(budget)
  return fitting


@functools.cache
def _solutions(strategy, budget, slots=32):
  models = testing.scripted_models(TABLE, VALUES)
  return testing.solve(strategy, budget, models, *PROMPTS, slots=slots)


def test_strategies_are_found():
  assert {'strategies.BestOfN', 'mcts.Mcts', 'greedy_seeded.GreedySeeded'} <= (
    STRATEGIES.keys()
  )


@pytest.mark.parametrize('strategy', CASES, ids=repr)
def test_does_what_its_plan_says(strategy):
  for budget in _budgets(strategy):
    models = testing.scripted_models(TABLE, VALUES)
    questions = testing.questions(models, *PROMPTS)
    solutions = _solutions(strategy, budget)
    for question, solution in zip(questions, solutions, strict=True):
      rows, drawn, widest = reference.interpret(
        strategy.plan(question, budget), TABLE, VALUES, most=4
      )
      assert widest <= budget
      assert testing.tokens(solution) == [row.attempt for row in rows]
      assert solution.cost['proposer_decode'][0] == drawn
      for row, attempt in zip(rows, solution.attempts, strict=True):
        assert attempt.values[-1] == pytest.approx(row.value, abs=1e-6)


@pytest.mark.parametrize('strategy', CASES, ids=repr)
def test_keeps_to_its_budget(strategy):
  budgets = _budgets(strategy)
  assert budgets, f'no budget of {BUDGETS} fits {strategy!r}'
  for budget in budgets:
    for solution in _solutions(strategy, budget):
      assert len(solution.attempts) == strategy.rows(budget) <= budget
      for attempt in solution.attempts:
        ended = attempt.tokens[-1] == testing.END
        assert ended or len(attempt.tokens) == solution.question.room


@pytest.mark.parametrize('strategy', CASES, ids=repr)
def test_takes_no_more_than_a_bound(strategy):
  """Also with so few slots that caches are lost; unbounded it is itself."""
  budget = max(_budgets(strategy))
  for slots in (32, strategy.slots(budget)):
    whole = [
      (testing.tokens(s), s.cost) for s in _solutions(strategy, budget, slots)
    ]
    assert _bounded(strategy, budget, slots, math.inf) == whole
    beyond = longest(strategy, 0, 12)
    reserved = ceiling(_SHAPES, budget, 2, beyond, strategy.verified)
    for share in (0.1, 0.5, 1.0):
      bounded = _bounded(strategy, budget, slots, share * reserved)
      for tokens, cost in bounded:
        assert spend(cost, _SHAPES)[0] <= share * reserved
        assert all(len(attempt) <= 12 for attempt in tokens)
    if not strategy.verified:  # what it can take is what is reserved
      assert bounded == whole


def _bounded(strategy, budget, slots, most):
  """Tokens of the attempts and cost of each question, of bounded plans."""
  models = testing.scripted_models(TABLE, VALUES)
  bound = Allowance(lambda cost: spend(cost, _SHAPES)[0] <= most, step=4)
  solutions = testing.run(
    testing.scheduler(models, slots=slots),
    models,
    [
      (q, bound.hold(strategy.plan(q, budget), q), strategy.slots(budget))
      for q in testing.questions(models, *PROMPTS)
    ],
  )
  return [(testing.tokens(s), s.cost) for s in solutions]


@pytest.mark.parametrize('strategy', CASES, ids=repr)
def test_holds_no_more_slots_than_it_says(strategy):
  """With just those there are, and no other question's, it ends."""
  budget = max(_budgets(strategy))
  whole = _solutions(strategy, budget)
  tight = _solutions(strategy, budget, strategy.slots(budget))
  assert [testing.tokens(s) for s in whole] == [
    testing.tokens(s) for s in tight
  ]


@pytest.mark.parametrize('strategy', CASES, ids=repr)
def test_has_a_name_and_an_identity(strategy):
  assert hash(strategy) == hash(dataclasses.replace(strategy))
  with pytest.raises(dataclasses.FrozenInstanceError):
    strategy.verified = not strategy.verified
  table = fingerprint.bindings(strategy)
  assert table[type(strategy).__name__] == type(strategy).__qualname__
  assert names.short(repr(strategy))
  shown = names.unique(map(repr, CASES))
  assert len(set(shown.values())) == len(set(map(repr, CASES)))


@pytest.mark.parametrize('name', STRATEGIES)
def test_is_configured_by_gin(name, tmp_path):
  module, cls = name.split('.')
  path = tmp_path / 'one.gin'
  text = pathlib.Path('gin/experiments/worksheet_quickstart.gin').resolve()
  path.write_text(
    f"""
from __gin__ import dynamic_registration
from ttc.search import {module}
from ttc.stages import arms
from ttc.stages import search as searching
include '{text}'
new/arms.Arm.strategy = @{name}()
new/arms.Arm.budgets = (1,)
search/searching.Search.arms = (@new/arms.Arm(),)
""",
    encoding='utf-8',
  )
  experiment, shown = configuration.load((str(path),), (), check=False)
  stage = next(s for s in experiment.stages if s.name == 'search')
  assert type(stage.arms[0].strategy) is STRATEGIES[name]
  assert re.search(rf'\b{cls}\b', shown)
