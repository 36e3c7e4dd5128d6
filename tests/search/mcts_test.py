"""Tree search against a slow reference, in the scripted world."""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests import testing
from tests.search import reference
from tests.testing import tokens
from ttc.inference.capacity import Capacity
from ttc.inference.scheduler import Scheduler
from ttc.models import partitioning
from ttc.search.mcts import Mcts

RNG = np.random.default_rng(2)
TABLE = RNG.normal(size=(testing.WORDS, testing.WORDS)) * 1.5
TABLE[:, testing.PAD] = -30
TABLE[:, testing.END] -= 0.5
VALUES = RNG.normal(size=testing.WORDS)
PROMPTS = [[3, 4], [5], [6, 7, 3]]
# Steps of two tokens end in many ways; those of four mostly in STEP, and then
# their values are equal.
STEP_TOKENS = [2, 4]


@functools.cache
def world(most=2, devices=1, **capacity):
  models = testing.scripted_models(TABLE, VALUES, devices, max_step_tokens=most)
  return models, testing.scheduler(models, **capacity)


def solve(strategy, budget, prompts=PROMPTS, **sizes):
  models, scheduler = world(**sizes)
  return testing.run(
    scheduler,
    models,
    [
      (q, strategy.plan(q, budget), strategy.slots(budget))
      for q in testing.questions(models, *prompts)
    ],
  )


def value(row):
  return 1 / (1 + math.exp(-VALUES[row.tokens[-1]]))


@dataclasses.dataclass(eq=False)
class Node:
  """Knows its own value; counts what is below it anew each time."""

  row: reference.Row
  value: float | None = None
  closed: bool = False
  claimed: bool = False
  born: int = 0  # ordinals that its row has given away
  kids: list = dataclasses.field(default_factory=list)

  def __post_init__(self):
    key = reference.fold(self.row.key, jnp.uint32(2**32 - 1))
    self.tie = int(jax.random.key_data(key)[0])

  def all(self):
    return [self] + [n for kid in self.kids for n in kid.all()]

  def open(self):
    return any(
      not n.kids and not n.closed and not n.claimed for n in self.all()
    )

  def visits(self):
    return sum((n.value is not None) + n.claimed for n in self.all())

  def rank(self, parent, explore):
    mean = sum(n.value or 0 for n in self.all()) / self.visits()
    bonus = math.sqrt(parent.visits()) / (1 + self.visits())
    return round(mean + explore * bonus / len(parent.kids), 6), -self.tie

  def descend(self, explore):
    node = self
    while node.kids:
      node = max(
        (kid for kid in node.kids if kid.open()),
        key=lambda kid, at=node: kid.rank(at, explore),
      )
    return node

  def bear(self, count):
    """Rows with the next ordinals."""
    self.born += count
    return [
      dataclasses.replace(
        self.row,
        tokens=list(self.row.tokens),
        key=reference.fold(self.row.key, i),
      )
      for i in range(self.born - count, self.born)
    ]


def choose(strategy, root, left, budget):
  """(node, generations it brings, number of children) of one batch."""
  batch, price, width = [], max(strategy.rollouts, 1), strategy.width
  if width == 'sqrt':
    width = max(2, math.floor(budget**0.5))
  while left > 0 and len(batch) < strategy.leaves:
    if not root.open() and batch:
      break
    node = root.descend(strategy.explore) if root.open() else root
    node.claimed = True
    brings = int(node is not root and not strategy.rollouts)
    count = min(width, brings + math.ceil(left / price))
    left -= price * (count - brings)
    batch.append((node, brings, count))
  return batch


class Sampler:
  """Grows rows and counts what was drawn."""

  def __init__(self, most):
    self.most, self.spent = most, 0

  def grow(self, row, steps):
    grown = reference.grow(row, TABLE, 1.0, steps, self.most if steps else 99)
    self.spent += len(grown.tokens) - len(row.tokens)
    return grown


def search(strategy, prompt, problem, budget, most):
  """New tokens of each attempt, in order, and how many were drawn in all."""
  sampler, seen, finished = Sampler(most), set(), []
  key = reference.fold(jax.random.key(0), jnp.uint32(problem))
  root = Node(reference.Row(list(prompt), key, len(prompt), 12))
  root.born = strategy.rollouts
  order, left = [root], budget
  while left:
    batch = choose(strategy, root, left, budget)
    for node, brings, count in batch:
      kids = [Node(sampler.grow(row, 1)) for row in node.bear(count)]
      for kid in kids:
        kid.closed = kid.row.done or (
          strategy.distinct and tuple(kid.row.tokens) in seen
        )
        seen.add(tuple(kid.row.tokens))
        ends = [kid.row]
        if strategy.rollouts and not kid.row.done:
          rows = kid.bear(strategy.rollouts)[:left]
          ends = [sampler.grow(row, 0) for row in rows]
        kid.value = sum(map(value, ends)) / len(ends)
        if strategy.rollouts:
          finished += ends
          left -= len(ends)
      if not strategy.rollouts:
        left -= count - brings
      order += kids
      node.claimed, node.kids = False, node.kids + kids
  if not strategy.rollouts:
    finished = [sampler.grow(n.row, 0) for n in order if not n.kids]
  return [row.tokens[row.start :] for row in finished], sampler.spent


@pytest.mark.parametrize('most', STEP_TOKENS)
@pytest.mark.parametrize(
  'strategy',
  [
    Mcts(),
    Mcts(width=4),
    Mcts(width=2, leaves=1, explore=0.2),
    Mcts(width=3, distinct=False),
    Mcts(width=2, leaves=7, explore=0.0),
    Mcts(rollouts=1, leaves=2),
    Mcts(width=2, rollouts=3, explore=0.3),
    Mcts(rollouts=2, distinct=False),
  ],
  ids=repr,
)
def test_equals_the_reference(strategy, most):
  solutions = solve(strategy, 14, most=most)
  for place, prompt in enumerate(PROMPTS):
    expected, spent = search(strategy, prompt, 10 + place, 14, most)
    assert tokens(solutions[place]) == expected
    cost = solutions[place].cost
    assert cost['proposer_decode'][0] == cost['verifier_decode'][0] == spent
    assert cost['proposer_prefill'][0] == len(prompt) - 1


@pytest.mark.parametrize(
  'strategy',
  [Mcts(), Mcts(width=4, leaves=1), Mcts(rollouts=1), Mcts(rollouts=3)],
  ids=repr,
)
@pytest.mark.parametrize('budget', [1, 2, 3, 8, 13, 31])
def test_a_budget_is_spent_exactly(strategy, budget):
  """N generations are N finished attempts, and no more tokens than those."""
  assert strategy.rows(budget) == budget
  for solution in solve(strategy, budget):
    assert len(solution.attempts) == budget
    for attempt in solution.attempts:
      assert attempt.tokens[-1] == testing.END or len(attempt.tokens) == 12
    drawn = sum(len(attempt.tokens) for attempt in solution.attempts)
    assert solution.cost['proposer_decode'][0] <= drawn


@pytest.mark.parametrize(
  ('strategy', 'budget'),
  [
    (Mcts(), 6),
    (Mcts(width=2, leaves=16), 6),
    (Mcts(rollouts=1, leaves=9), 5),
    (Mcts(width=2, rollouts=2), 10),
    (Mcts(rollouts=2), 9),
  ],
  ids=repr,
)
def test_never_more_slots_than_said(strategy, budget):
  most, (models, _) = strategy.slots(budget), world()
  assert most == 6  # in all cases: one set of programs
  held = []
  with partitioning.use(models.mesh):
    crowded = Scheduler(
      models, Capacity(8, most, 64, 32, 2), lambda load: held.append(load.rows)
    )
  found = testing.run(
    crowded,
    models,
    [
      (q, strategy.plan(q, budget), most)
      for q in testing.questions(models, *PROMPTS)
    ],
  )
  assert max(held) <= most
  assert [tokens(s) for s in found] == [
    tokens(s) for s in solve(strategy, budget)
  ]


@pytest.mark.parametrize('strategy', [Mcts(), Mcts(rollouts=2)], ids=repr)
@pytest.mark.parametrize(
  'other',
  [
    dict(devices=4),
    dict(lanes=3, slots=9),
    dict(chunk=2, line=16),
    dict(lanes=32, slots=100, cache_len=128),
  ],
  ids=repr,
)
def test_independent_of_capacity_and_devices(strategy, other):
  for most in STEP_TOKENS:
    here = solve(strategy, 8, most=most)
    there = solve(strategy, 8, most=most, **other)
    assert [tokens(s) for s in here] == [tokens(s) for s in there]


@pytest.mark.parametrize('strategy', [Mcts(), Mcts(rollouts=1)], ids=repr)
def test_independent_of_neighbours(strategy):
  crowd = PROMPTS + [[3 + i % 5] * (1 + i % 3) for i in range(20)]
  crowded = solve(strategy, 8, prompts=crowd)
  for mine, theirs in zip(solve(strategy, 8), crowded, strict=False):
    assert tokens(mine) == tokens(theirs)


@pytest.mark.parametrize(
  'strategy',
  [Mcts(width=2), Mcts(width=2, rollouts=1), Mcts(rollouts=5)],
  ids=repr,
)
def test_a_finished_tree_grows_at_its_root(strategy):
  """Solutions are one token long here, so no leaf can be expanded."""
  table = np.full((testing.WORDS, testing.WORDS), -30.0)
  table[:, testing.END] = 0
  models = testing.scripted_models(table, VALUES)
  (solution,) = testing.solve(strategy, 9, models, [3])
  assert tokens(solution) == [[testing.END]] * 9


def test_identical_prefixes_are_expanded_once():
  """A sure model: one child of the root is expanded, then one of that."""
  table = np.full((testing.WORDS, testing.WORDS), -60.0)
  for last, follows in ((3, testing.STEP), (testing.STEP, 4), (4, testing.END)):
    table[last, follows] = 0
  models = testing.scripted_models(table, VALUES)
  spent = {}
  for distinct in (True, False):
    strategy = Mcts(width=3, leaves=1, distinct=distinct)
    (solution,) = testing.solve(strategy, 7, models, [3])
    assert tokens(solution) == [[testing.STEP, 4, testing.END]] * 7
    spent[distinct] = solution.cost['proposer_decode'][0]
  # Three first steps, one with three second ones: 3 + 3 x 2 tokens. Then two
  # more first steps to their ends, or three second ones after another first.
  assert spent == {True: 3 + 3 * 2 + 2 * 2 + 2 * 3, False: 3 + 6 * 2 + 2}


def test_it_goes_where_values_are_high():
  """Two kinds of solutions, equally likely; the verifier likes one."""
  good, bad = 5, 6
  table = np.full((testing.WORDS, testing.WORDS), -30.0)
  table[3, [good, bad]] = table[good, good] = table[bad, bad] = 0
  values = np.zeros(testing.WORDS)
  values[good], values[bad] = 2, -2
  models = testing.scripted_models(table, values, max_step_tokens=2)
  for strategy in (Mcts(distinct=False), Mcts(rollouts=1, distinct=False)):
    share = {}
    for explore in (0.0, 100.0):
      eager = dataclasses.replace(strategy, explore=explore, leaves=1)
      found = testing.solve(eager, 28, models, *[[3]] * 20)
      share[explore] = np.mean([t[0] == good for s in found for t in tokens(s)])
    assert share[0.0] > 0.75
    assert share[100.0] < 0.6


@pytest.mark.parametrize(
  ('fields', 'word'),
  [
    (dict(width=1), 'width'),
    (dict(width='root'), 'width'),
    (dict(rollouts=-1), 'rollouts'),
    (dict(leaves=0), 'leaves'),
    (dict(explore=-0.1), 'explore'),
    (dict(explore=math.inf), 'explore'),
  ],
)
def test_bad_settings(fields, word):
  with pytest.raises(ValueError, match=word):
    Mcts(**fields)


def test_a_budget_must_be_positive():
  with pytest.raises(ValueError, match='at least 1'):
    Mcts().rows(0)
