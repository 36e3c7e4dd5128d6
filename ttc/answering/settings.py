"""What is to be judged: strategies at budgets, and the stages that run them."""

from collections.abc import Mapping, Sequence
import dataclasses
from typing import NamedTuple

from ttc.answering.offers import check_budget, Offer, written
from ttc.runtime.safe_text import quoted
from ttc.search.strategies import Greedy, Strategy
from ttc.stages.arms import Arm, Armed


class Setting(NamedTuple):
  """A strategy at a budget.

  Attributes:
    name: of the strategy, among the offers.
    offer: how it answers.
    budget: per question.
  """

  name: str
  offer: Offer
  budget: float


def several(
  offers: Mapping[str, Offer],
  strategies: Sequence[str],
  budgets: Sequence[float],
) -> list[Setting]:
  """Each strategy at each budget, in an order that is not the caller's.

  Greedy has one answer, whatever the budgets.

  Args:
    offers: by name, from `of`.
    strategies: names, however they are spelt.
    budgets: per question; () for the most of each strategy's own.

  Returns:
    By name as `offers` has them, then by budget.

  Raises:
    ValueError: there are no such strategies, of which the message names all, or
      a budget buys nothing.
  """
  for budget in budgets:
    check_budget(budget)
  wanted = {written(name): name for name in strategies}
  unknown = [name for plain, name in wanted.items() if plain not in offers]
  if unknown or not wanted:
    raise ValueError(
      f'--strategy={quoted(",".join(unknown), 200)}: none of those that can '
      f'answer, which are {", ".join(offers)}.'
    )
  found = []
  for name, offer in offers.items():
    own = sorted({_whole(n) for n in budgets}) or [max(offer.budgets)]
    if isinstance(offer.strategy, Greedy):
      own = [1]
    found += [Setting(name, offer, n) for n in own if name in wanted]
  return found


def joined(stages: Sequence[Armed]) -> list[Armed]:
  """One stage for those of a name: with the arms, or the budgets, of all.

  Args:
    stages: from `Offer.stage_asking`, of the same questions and models.
  """
  groups: dict[str, list[Armed]] = {}
  for stage in stages:
    groups.setdefault(stage.name, []).append(stage)
  return [_joined(group) for group in groups.values()]


def _joined(group: Sequence[Armed]) -> Armed:
  first = group[0]
  rows = max(stage.solver.rows for stage in group)
  changes = {'solver': dataclasses.replace(first.solver, rows=rows)}
  if first.kind == 'search':
    by_strategy: dict[Strategy, list[int]] = {}
    for stage in group:
      for arm in stage.arms:
        by_strategy.setdefault(arm.strategy, []).extend(arm.budgets)
    changes['arms'] = tuple(Arm(s, tuple(n)) for s, n in by_strategy.items())
  else:
    budgets = [budget for stage in group for budget in stage.budgets]
    changes['budgets'] = tuple(budgets)
  return dataclasses.replace(first, **changes)


def _whole(budget: float) -> float:
  return int(budget) if float(budget).is_integer() else budget
