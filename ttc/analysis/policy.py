"""The compute-optimal policy: (difficulty bin, budget) -> arm (paper §3.1).

An arm is a strategy with its hyper-parameters, represented by its expected
accuracy on each question at each budget:

  accuracy[arm][budget]   float [Q]      bins   int [Q], from 1

Not every arm needs every budget. Of equally good arms the one listed first is
chosen, so list the simplest first. How a bin chooses is in `choices`; how good
a policy is on questions that did not choose it, in `cross_fit`.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import json
from typing import NamedTuple

import numpy as np

from ttc.analysis import choices, names

ArmAccuracy = Mapping[str, Mapping[int, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Policy:
  """The arm for each difficulty bin and budget.

  Attributes:
    arms: name of the arm by (bin, budget), for every bin at every budget.
    thresholds: least easiness of each bin but the last, as `difficulty.assign`
      takes them to bin a new question; () if unknown.

  Raises:
    ValueError: a pair of bin and budget has no arm, or there are fewer
      thresholds than needed to separate the bins.
  """

  arms: Mapping[tuple[int, int], str]
  thresholds: tuple[float, ...] = ()

  def __post_init__(self):
    if set(self.arms) != {(b, n) for b in self.bins for n in self.budgets}:
      raise ValueError(
        f'A policy over bins {self.bins} and budgets {self.budgets} needs '
        f'{len(self.bins) * len(self.budgets)} entries and has '
        f'{len(self.arms)}; give one for every pair.'
      )
    if self.thresholds and len(self.thresholds) < len(self.bins) - 1:
      raise ValueError(
        f'{len(self.thresholds)} thresholds do not part {len(self.bins)} '
        'bins; give one between each two, or none.'
      )

  @property
  def bins(self) -> list[int]:
    """The bins, ascending."""
    return sorted({bin for bin, _ in self.arms})

  @property
  def budgets(self) -> list[int]:
    """The budgets, ascending."""
    return sorted({budget for _, budget in self.arms})

  def choose(self, bin: int, budget: int) -> str:
    """The arm at the largest known budget that is not above `budget`.

    Args:
      bin: difficulty bin, from 1. Bins beyond the last fitted one, which had
        no questions, are treated as the last.
      budget: generations per question.

    Raises:
      ValueError: the bin is below 1 or the budget below all known ones.
    """
    affordable = [n for n in self.budgets if n <= budget]
    if not affordable or bin < 1:
      raise ValueError(
        f'No choice for bin {bin} and budget {budget}: bins count from 1, '
        f'and budgets start at {min(self.budgets)}.'
      )
    return self.arms[min(bin, self.bins[-1]), affordable[-1]]

  def apply(self, accuracy: ArmAccuracy, bins) -> dict[int, np.ndarray]:
    """Accuracy of each question under this policy, float64 [Q] by budget.

    On the questions that fitted the policy it is optimistically biased.

    Args:
      accuracy: accuracy[arm][budget], float [Q].
      bins: difficulty bin of each question, int [Q].
    """
    table = {}
    for budget in self.budgets:
      arms = arms_at(accuracy, budget)
      rows = [list(arms).index(self.choose(bin, budget)) for bin in bins]
      table[budget] = np.stack(list(arms.values()))[rows, np.arange(len(rows))]
    return table

  def to_json(self) -> str:
    """The policy as a JSON object, entries in order of bin and budget."""
    entries = [
      {'bin': bin, 'budget': budget, 'arm': self.arms[bin, budget]}
      for bin, budget in sorted(self.arms)
    ]
    return json.dumps(
      {'thresholds': list(self.thresholds), 'policy': entries}, indent=1
    )

  @classmethod
  def from_json(cls, text: str) -> 'Policy':
    """Inverse of `to_json`."""
    tree = json.loads(text)
    return cls(
      {(e['bin'], e['budget']): e['arm'] for e in tree['policy']},
      tuple(tree['thresholds']),
    )


class Uniform(NamedTuple):
  """One arm for all questions, and its accuracy on each, float64 [Q]."""

  arm: str
  accuracy: np.ndarray


def fit(
  accuracy: ArmAccuracy,
  bins,
  thresholds: tuple[float, ...] = (),
  errors: float = choices.ERRORS,
) -> Policy:
  """Fits the arm of each bin at each budget.

  Args:
    accuracy: accuracy[arm][budget], float [Q].
    bins: difficulty bin of each question, int [Q], from 1.
    thresholds: see Policy.
    errors: standard errors by which a bin's own arm has to be better than the
      best of all bins; with 0 each bin has its best arm, as in the paper.
  """
  bins = np.asarray(bins)
  chosen = {}
  for budget in budgets_of(accuracy):
    arms = arms_at(accuracy, budget)
    own = choices.fit(np.stack(list(arms.values())), bins, errors)
    for bin, index in enumerate(own, start=1):
      chosen[bin, budget] = list(arms)[index]
  return Policy(chosen, thresholds)


def best_uniform(accuracy: ArmAccuracy) -> dict[int, Uniform]:
  """The best single arm at each budget, in-sample (paper §5.3)."""
  table = {}
  for budget in budgets_of(accuracy):
    arms = arms_at(accuracy, budget)
    arm = max(arms, key=lambda name: arms[name].mean())
    table[budget] = Uniform(arm, arms[arm])
  return table


def affordable(
  table: ArmAccuracy, budgets: Sequence[int]
) -> dict[str, dict[int, np.ndarray]]:
  """Every arm at every budget that it does not exceed.

  At a budget of 16 an arm that does best with 4 competes with its 4, under the
  name that `names.at` gives it. Cheaper entries come first.

  Args:
    table: table[arm][budget], float [Q], accuracies or FLOPs.
    budgets: those of the result.
  """
  entries = sorted(
    ((n, arm) for arm, curve in table.items() for n in curve),
    key=lambda entry: entry[0],
  )
  found = {}
  for n, arm in entries:
    less = {top: table[arm][n] for top in budgets if top > n}
    if less:
      found[names.at(arm, n)] = less
  whole = {
    arm: {n: x for n, x in sorted(curve.items()) if n in budgets}
    for arm, curve in table.items()
  }
  return found | {arm: curve for arm, curve in whole.items() if curve}


def budgets_of(accuracy: ArmAccuracy) -> list[int]:
  """All budgets that any arm has, ascending."""
  return sorted({budget for arm in accuracy.values() for budget in arm})


def arms_at(accuracy: ArmAccuracy, budget: int) -> dict[str, np.ndarray]:
  """Accuracy float64 [Q] of the arms that have this budget, in their order.

  Raises:
    ValueError: no arm has it.
  """
  arms = {
    name: np.asarray(table[budget], np.float64)
    for name, table in accuracy.items()
    if budget in table
  }
  if not arms:
    raise ValueError(
      f'No arm has budget {budget}; the arms have {budgets_of(accuracy)}.'
    )
  return arms
