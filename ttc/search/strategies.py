"""Ways to spend a budget of N generations on a question (PAPER 3)."""

import dataclasses
from typing import ClassVar, Protocol

import jax
import jax.numpy as jnp

from ttc.data.prompts import Prompts
from ttc.search import frontier as rows_of
from ttc.search.allocate import Beam, Dvts, ParticleFilter, Rebase
from ttc.search.cost import Cost
from ttc.search.frontier import Frontier, Models
from ttc.search.rollouts import continuations
from ttc.search.solutions import collect, Solutions


class Strategy(Protocol):
  """Frozen and hashable; its repr is its name in the records."""

  verified: ClassVar[bool]  # whether it asks a verifier while it searches

  def rows(self, budget: int) -> int:
    """Rows a question (W) for a budget; ValueError where it does not fit."""

  def __call__(self, models: Models, prompts: Prompts, *, budget: int,
               key: jax.Array) -> Solutions:
    """Spends the budget on each of P problems."""


@dataclasses.dataclass(frozen=True)
class BestOfN:
  """N independent attempts; how one is chosen among them comes later."""

  verified: ClassVar[bool] = False

  def rows(self, budget: int) -> int:
    return _at_least_one(self, budget)

  def __call__(self, models, prompts, *, budget, key):
    return continuations(models, prompts, num=self.rows(budget), key=key)


@dataclasses.dataclass(frozen=True)
class Greedy:
  """The most likely attempt: what a model without test-time compute answers."""

  verified: ClassVar[bool] = False

  def rows(self, budget: int) -> int:
    if budget != 1:
      raise ValueError(
          f'Greedy() always gives the same attempt; its budget is 1, not '
          f'{budget}.')
    return 1

  def __call__(self, models, prompts, *, budget, key):
    greedy = dataclasses.replace(models.generation, temperature=0.0, top_p=1.0)
    models = dataclasses.replace(models, generation=greedy)
    return continuations(models, prompts, num=self.rows(budget), key=key)


@dataclasses.dataclass(frozen=True)
class StepSearch:
  """Rounds of: grow each row by a step, value it, share the rows out anew.

  Attributes:
    allocator: who gets how many children.
    lookahead: a row is valued at the end of a greedy rollout of up to k more
      steps, which is then forgotten. It costs the budget: N = W * (k + 1).
    rounds: after so many, rows run to their end without further choice.
    distinct: only the first of several identical prefixes may be chosen. With
      few possible steps a beam otherwise fills with copies of one prefix.
  """

  verified: ClassVar[bool] = True
  allocator: Beam | Dvts | Rebase | ParticleFilter = Beam()
  lookahead: int = 0
  rounds: int = 40
  distinct: bool = True

  def __post_init__(self):
    if self.lookahead < 0 or self.rounds < 1:
      raise ValueError(
          f'{self!r}: lookahead must be at least 0 and rounds at least 1.')

  def rows(self, budget: int) -> int:
    price = self.lookahead + 1
    if budget % price:
      raise ValueError(
          f'A budget of {budget} is not a multiple of lookahead + 1 = {price} '
          f'in {self!r}; use {budget // price * price or price}.')
    rows = _at_least_one(self, budget // price)
    self.allocator.resolve(rows)
    return rows

  def __call__(self, models, prompts, *, budget, key):
    if models.verifier is None:
      raise ValueError(f'{self!r} needs a verifier; give the stage one.')
    step = models.generation.max_step_tokens
    problems = len(prompts.length)
    key, round_key = jax.random.split(key)
    frontier, cost = rows_of.begin(models, prompts, self.rows(budget), key)
    frontier, cost = rows_of.expand(
        models, frontier, cost, steps=1, max_new=step)
    frontier, cost = rows_of.read(models, frontier, cost, max_new=step)
    ids = jnp.asarray(prompts.problem_id, jnp.uint32)
    for round_ in range(self.rounds):
      if bool(frontier.proposer.done.all()):
        break
      value, frontier, cost = self._value(models, frontier, cost)
      frontier = rows_of.allocate(
          frontier, value, _round_keys(round_key, ids, round_),
          allocator=self.allocator, distinct=self.distinct, problems=problems)
      frontier, cost = rows_of.expand(
          models, frontier, cost, steps=1, max_new=step)
      frontier, cost = rows_of.read(models, frontier, cost, max_new=step)
    while not bool(frontier.proposer.done.all()):
      frontier, cost = rows_of.expand(
          models, frontier, cost, steps=0, max_new=step)
      frontier, cost = rows_of.read(models, frontier, cost, max_new=step)
    return collect(models, prompts, frontier, cost)

  def _value(self, models: Models, frontier: Frontier, cost: Cost
             ) -> tuple[jax.Array, Frontier, Cost]:
    """Values of the rows as they stand, or at the end of a greedy rollout."""
    if not self.lookahead:
      return frontier.value, frontier, cost
    reach = self.lookahead * models.generation.max_step_tokens
    return rows_of.look_ahead(
        models, frontier, cost, steps=self.lookahead,
        max_new=min(reach, models.generation.max_tokens))


@jax.jit
def _round_keys(key, ids, round_):
  """One key a problem [P], for what an allocator draws in a round."""
  key = jax.random.fold_in(key, round_)
  return jax.vmap(lambda i: jax.random.fold_in(key, i))(ids)


def _at_least_one(strategy, rows):
  if rows < 1:
    raise ValueError(f'{strategy!r}: a budget must be at least 1.')
  return rows
