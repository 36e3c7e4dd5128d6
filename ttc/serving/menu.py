"""The models of an endpoint: ways to answer, each at a budget.

    beam-m4-16      beam search with M=4, 16 generations
    beam-m4         the same at the largest budget of the run
    allocation-3    the fitted allocation, a mean of 3 generations a question
    policy-16       the arm of the question's bin, 16 generations

All of a menu have the same models, so that one scheduler serves them.
"""

from collections.abc import Iterator, Mapping
import contextlib
import dataclasses
import math
from typing import Protocol

from ttc.runtime.safe_text import quoted
from ttc.search.strategies import BestOfN, Strategy
from ttc.serving.errors import ApiError
from ttc.stages.arms import Armed
from ttc.stages.solver import Solver

_ALLOCATE, _REVISE = 'allocate', 'apply_revisions'  # kinds of stages


class Offered(Protocol):
  """What is needed of `answering.offers.Offer`."""

  stage: Armed
  strategy: Strategy | None  # None is what the stage has fitted
  budgets: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Listing:
  """A model as clients name it.

  Attributes:
    name: its name, with the budget.
    offer: the way to answer.
    budget: generations, or what the allocation counts budgets in.
  """

  name: str
  offer: Offered
  budget: float

  @property
  def attempts(self) -> int:
    """Attempts that every question gets; 1 where that is decided later."""
    strategy = self.offer.strategy
    return strategy.rows(self.budget) if strategy else 1


class Menu:
  """Listings by name.

  Attributes:
    offers: ways to answer, by name.
    elsewhere: names of those that have other models, and are not served.
    stage: of the first way.
    solver: whose models answer all ways.
    revision: the stage whose own models revise; None where none does.
    largest: generations that a client may spend on a question.
  """

  def __init__(self, offers: Mapping[str, Offered], largest: int | None = None):
    """Takes the offers that have the models of the first one.

    Args:
      offers: see `offers.of`; at least one.
      largest: see the class; None is what the run spent on one at most.
    """
    self.stage = next(iter(offers.values())).stage
    self.solver, models = _solver(self.stage), _models(self.stage)
    self.offers = {
      n: o for n, o in offers.items() if _models(o.stage) == models
    }
    self.elsewhere = [name for name in offers if name not in self.offers]
    stages = [offer.stage for offer in self.offers.values()]
    self.revision = next((s for s in stages if s.kind == _REVISE), None)
    spent = [o.budgets for o in self.offers.values() if o.strategy is not None]
    self.largest = largest or max(map(max, spent), default=1)

  @property
  def listings(self) -> list[Listing]:
    """Every offer at each of the budgets that the run spent, and the largest.

    The largest is listed for best-of-N alone, which every run can spend.
    """
    more = lambda o: (self.largest,) * isinstance(o.strategy, BestOfN)
    return [
      self._listing(name, budget)
      for name, offer in self.offers.items()
      for budget in dict.fromkeys((*offer.budgets, *more(offer)))
    ]

  @property
  def slots(self) -> int:
    """The most slots of a scheduler that any listing needs."""
    return max(self._slots())

  @property
  def attempts(self) -> list[int]:
    """Tokens after the prompt of the longest row, for each scheduler."""
    own = [self.solver.generation.max_tokens]
    return [*own, self.revision.attempts] if self.revision else own

  def find(self, name: str) -> Listing:
    """The listing of a name; any budget up to the largest may be in it.

    Raises:
      ApiError: there is none, or its strategy cannot spend this budget.
    """
    offer = self.offers.get(name)
    if offer is not None:
      return self._listing(name, max(offer.budgets))
    way, _, number = name.rpartition('-')
    offer, budget = self.offers.get(way), _number(number)
    if offer is None or budget is None:
      known = ', '.join(listing.name for listing in self.listings)
      raise ApiError(
        404,
        f'model={quoted(name, 60)} is none of those here: {known}. Another '
        'budget may stand behind the last dash.',
        param='model',
        code='model_not_found',
      )
    self._check(name, offer, budget)
    return self._listing(way, budget)

  def _check(self, name: str, offer: Offered, budget: float) -> None:
    """Raises ApiError for a budget that an offer cannot spend."""
    if offer.stage.kind == _ALLOCATE:
      return  # its ladder ends by itself
    told, most = '', self._most(offer)
    if budget != int(budget) or budget > most:
      told = f'its budget is {budget:g}; give a whole number from 1 to {most}, '
      told += 'the most of the run'
      told += '; ttc serve --budget=N allows more.' if self._few(offer) else '.'
    elif offer.strategy is not None:
      try:
        offer.strategy.rows(int(budget))
      except ValueError as error:
        told = str(error)
    if told:
      told = f'model={quoted(name, 60)}: {told}'
      raise ApiError(404, told, param='model', code='model_not_found')

  def _most(self, offer: Offered) -> int:
    """The largest budget of an offer.

    A search holds all its rows at once, for which the run had room. Others do
    with two.
    """
    return self.largest if self._few(offer) else max(offer.budgets)

  def _few(self, offer: Offered) -> bool:
    """Whether an offer needs few rows at once, whatever its budget."""
    return offer.strategy is not None and not offer.strategy.verified

  def _listing(self, name: str, budget: float) -> Listing:
    whole = int(budget) if budget == int(budget) else budget
    return Listing(f'{name}-{whole}', self.offers[name], whole)

  def _slots(self) -> Iterator[int]:
    for offer in self.offers.values():
      if offer.stage.kind == _REVISE:
        yield BestOfN().slots(offer.stage.samples)
        continue
      if offer.strategy is None:
        for arm in offer.stage.arms:
          yield from map(arm.strategy.slots, arm.budgets)
        continue
      for budget in {*offer.budgets, self._most(offer)}:
        with contextlib.suppress(ValueError):  # a budget that it cannot spend
          offer.strategy.rows(budget)
          yield offer.strategy.slots(budget)


def _solver(stage: Armed) -> Solver:
  """The one that a question is given to first."""
  return stage.binning if stage.kind == _REVISE else stage.solver


def _models(stage: Armed) -> tuple:
  """What must be equal for one scheduler to serve two stages."""
  solver = _solver(stage)
  names = solver.proposer, solver.verifier, solver.model_parallel
  return *names, solver.generation, solver.task


def _number(text: str) -> float | None:
  """A positive number; None for anything else."""
  try:
    number = float(text)
  except ValueError:
    return None
  return number if 0 < number < math.inf else None
