"""The models of an endpoint: ways to answer, each at a budget.

beam-m4-16      beam search with M=4, 16 generations
beam-m4         the same at the largest budget of the run
allocation-3    the fitted allocation, a mean of 3 generations a question
"""

from collections.abc import Iterator, Mapping
import contextlib
import dataclasses
import math

from ttc.answering.offers import Offer
from ttc.runtime.safe_text import quoted
from ttc.serving.errors import ApiError
from ttc.stages.online import Allocate


@dataclasses.dataclass(frozen=True)
class Entry:
  """A model as clients name it.

  Attributes:
    name: its name, with the budget.
    offer: the way to answer.
    budget: generations, or what the allocation counts budgets in.
  """

  name: str
  offer: Offer
  budget: float

  @property
  def attempts(self) -> int:
    """Attempts that every question gets; 1 where that is decided later."""
    strategy = self.offer.strategy
    return strategy.rows(self.budget) if strategy else 1


class Catalogue:
  """Entries by name, all with the same models.

  Attributes:
    offers: ways to answer, by name.
    elsewhere: names of those that have other models, and are not served.
    largest: generations that a client may spend on a question.
  """

  def __init__(self, offers: Mapping[str, Offer]):
    """Takes the offers that have the models of the first one.

    Args:
      offers: see `offers.of`.

    Raises:
      ValueError: none of them can answer single questions.
    """
    able = {n: o for n, o in offers.items() if _is_able(o)}
    if not able:
      raise ValueError(
        f'{", ".join(offers)} cannot answer single questions; serve a stage of '
        'kind search or allocate.'
      )
    first = next(iter(able.values()))
    alike = lambda offer: _models(offer) == _models(first)
    self.offers = {name: o for name, o in able.items() if alike(o)}
    self.elsewhere = [name for name in offers if name not in self.offers]
    spent = [o.budgets for o in self.offers.values() if o.strategy is not None]
    self.largest = max(map(max, spent), default=1)

  @property
  def entries(self) -> list[Entry]:
    """Every offer at each of the budgets that the run spent."""
    return [
      self._entry(name, budget)
      for name, offer in self.offers.items()
      for budget in offer.budgets
    ]

  @property
  def slots(self) -> int:
    """The most slots of a scheduler that any entry needs."""
    return max(self._slots())

  def find(self, name: str) -> Entry:
    """The entry of a name; any budget up to the largest may be in it.

    Raises:
      ApiError: there is none, or its strategy cannot spend this budget.
    """
    offer = self.offers.get(name)
    if offer is not None:
      return self._entry(name, max(offer.budgets))
    way, _, number = name.rpartition('-')
    offer, budget = self.offers.get(way), _number(number)
    if offer is None or budget is None:
      known = ', '.join(entry.name for entry in self.entries)
      raise ApiError(
        404,
        f'model={quoted(name, 60)} is none of those here: {known}. Another '
        'budget may stand behind the last dash.',
        param='model',
        code='model_not_found',
      )
    if offer.strategy is not None:
      self._check(name, offer, budget)
    return self._entry(way, budget)

  def _check(self, name: str, offer: Offer, budget: float) -> None:
    told, most = None, self._most(offer)
    if budget != int(budget) or budget > most:
      told = f'a whole number from 1 to {most}'
      told = f'its budget is {budget:g}; give {told}, the most of the run.'
    else:
      try:
        offer.strategy.rows(int(budget))
      except ValueError as error:
        told = str(error)
    if told:
      told = f'model={quoted(name, 60)}: {told}'
      raise ApiError(404, told, param='model', code='model_not_found')

  def _most(self, offer: Offer) -> int:
    """The largest budget of a strategy.

    A search holds all its rows at once, for which the run had room. Others do
    with two.
    """
    return max(offer.budgets) if offer.strategy.verified else self.largest

  def _entry(self, name: str, budget: float) -> Entry:
    whole = int(budget) if budget == int(budget) else budget
    return Entry(f'{name}-{whole}', self.offers[name], whole)

  def _slots(self) -> Iterator[int]:
    for offer in self.offers.values():
      if offer.strategy is None:
        yield max(s.slots(n) for s, n in offer.stage.actions.values())
        continue
      for budget in range(1, self._most(offer) + 1):
        with contextlib.suppress(ValueError):  # a budget that it cannot spend
          offer.strategy.rows(budget)
          yield offer.strategy.slots(budget)


def _is_able(offer: Offer) -> bool:
  """Whether it can answer a single question."""
  return offer.strategy is not None or offer.stage.kind == Allocate.kind


def _models(offer: Offer) -> tuple:
  """What must be equal for one scheduler to serve two offers."""
  solver = offer.stage.solver
  names = solver.proposer, solver.verifier, solver.model_parallel
  return *names, solver.generation, solver.task


def _number(text: str) -> float | None:
  """A positive number; None for anything else."""
  try:
    number = float(text)
  except ValueError:
    return None
  return number if 0 < number < math.inf else None
