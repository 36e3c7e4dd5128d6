"""The compute-optimal policy: (difficulty bin, budget) -> arm (paper §3.1).

An arm is a strategy with its hyper-parameters, represented by its expected
accuracy on each question at each budget:

  accuracy[arm][budget]   float [Q]      bins   int [Q], from 1

Not every arm needs every budget. Of equally good arms the one listed first is
chosen, so list the simplest first. Evaluate a policy on questions that did not
choose it, and compare it with the best single arm evaluated in the same way:
`cross_fit` and `cross_fit_uniform` over the same folds.
"""

from collections.abc import Mapping
import dataclasses
import json
from typing import NamedTuple

import numpy as np

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
      arms = _arms(accuracy, budget)
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


@dataclasses.dataclass(frozen=True)
class CrossFit:
  """A rule evaluated on questions that it was not fitted on.

  Attributes:
    accuracy: held-out accuracy by budget, float64 [Q], mean over splits.
    sd: standard deviation over splits of the mean accuracy, by budget.
    chosen: chosen[budget][bin][arm] is the share of the fits with that choice.
    judged: judged[budget][arm], float64 [Q], is the share of the splits in
      which the rule gave a held-out question to that arm.
  """

  accuracy: Mapping[int, np.ndarray]
  sd: Mapping[int, float]
  chosen: Mapping[int, Mapping[int, Mapping[str, float]]]
  judged: Mapping[int, Mapping[str, np.ndarray]]

  def expected(self, table: ArmAccuracy) -> dict[int, np.ndarray]:
    """Mean over splits of another quantity of the chosen arms.

    Args:
      table: table[arm][budget], float [Q], e.g. FLOPs.

    Returns:
      float64 [Q] by budget.
    """
    return {
      budget: sum(share * table[arm][budget] for arm, share in arms.items())
      for budget, arms in self.judged.items()
    }


class Uniform(NamedTuple):
  """One arm for all questions, and its accuracy on each, float64 [Q]."""

  arm: str
  accuracy: np.ndarray


def fit(
  accuracy: ArmAccuracy, bins, thresholds: tuple[float, ...] = ()
) -> Policy:
  """Fits the best arm of each bin at each budget.

  A bin without questions takes the arm that is best over all questions.

  Args:
    accuracy: accuracy[arm][budget], float [Q].
    bins: difficulty bin of each question, int [Q], from 1.
    thresholds: see Policy.
  """
  bins = np.asarray(bins)
  everyone = np.ones(len(bins), bool)
  chosen = {}
  for budget in _budgets(accuracy):
    arms = _arms(accuracy, budget)
    best = _best(np.stack(list(arms.values())), bins, everyone)
    for bin, index in enumerate(best, start=1):
      chosen[bin, budget] = list(arms)[index]
  return Policy(chosen, thresholds)


def random_folds(
  bins, rng: np.random.Generator, splits: int = 20
) -> np.ndarray:
  """Random halves within each bin.

  Args:
    bins: int [Q].
    rng: draws the halves.
    splits: number of splits.

  Returns:
    bool [splits, Q], whether a question is in the first fold. Of an odd number
    of questions in a bin the second fold has one more.
  """
  bins = np.asarray(bins)
  first = np.zeros([splits, len(bins)], bool)
  for bin in np.unique(bins):
    members = np.flatnonzero(bins == bin)
    halves = np.broadcast_to(
      np.arange(len(members)) < len(members) // 2, [splits, len(members)]
    )
    first[:, members] = rng.permuted(halves, axis=1)
  return first


def cross_fit(accuracy: ArmAccuracy, bins, folds: np.ndarray) -> CrossFit:
  """Two-fold cross-validation of a policy, over many splits.

  Chooses the arms on one fold and evaluates them on the other, both ways.

  Args:
    accuracy: accuracy[arm][budget], float [Q].
    bins: int [Q], from 1; all ones fits the best uniform arm.
    folds: bool [splits, Q] of `random_folds`. Rules that are compared must
      share them.
  """
  bins = np.asarray(bins)
  accuracies, sd, chosen, judged = {}, {}, {}, {}
  for budget in _budgets(accuracy):
    arms = _arms(accuracy, budget)
    values = np.stack(list(arms.values()))  # [A, Q]
    fits = np.zeros([bins.max(), len(arms)])  # how often a bin chose an arm
    judges = np.empty(folds.shape, np.int64)  # [splits, Q] index of the arm
    for first, judge in zip(folds, judges, strict=True):
      for train in (first, ~first):
        best = _best(values, bins, train)
        fits[np.arange(len(best)), best] += 1
        # The two training folds are complementary: both passes fill `judge`.
        judge[~train] = best[bins - 1][~train]
    held_out = values[judges, np.arange(len(bins))]
    accuracies[budget] = held_out.mean(axis=0)
    sd[budget] = float(held_out.mean(axis=1).std())
    chosen[budget] = {
      bin: dict(zip(arms, (row / row.sum()).tolist(), strict=True))
      for bin, row in enumerate(fits, start=1)
    }
    judged[budget] = {
      arm: (judges == i).mean(axis=0) for i, arm in enumerate(arms)
    }
  return CrossFit(accuracies, sd, chosen, judged)


def cross_fit_uniform(accuracy: ArmAccuracy, folds: np.ndarray) -> CrossFit:
  """The best single arm at each budget, chosen and evaluated as a policy is.

  Args:
    accuracy: accuracy[arm][budget], float [Q].
    folds: bool [splits, Q] of `random_folds`.
  """
  return cross_fit(accuracy, np.ones(folds.shape[1], np.int64), folds)


def best_uniform(accuracy: ArmAccuracy) -> dict[int, Uniform]:
  """The best single arm at each budget, in-sample (paper §5.3)."""
  table = {}
  for budget in _budgets(accuracy):
    arms = _arms(accuracy, budget)
    arm = max(arms, key=lambda name: arms[name].mean())
    table[budget] = Uniform(arm, arms[arm])
  return table


def _budgets(accuracy: ArmAccuracy) -> list[int]:
  """All budgets that any arm has, ascending."""
  return sorted({budget for arm in accuracy.values() for budget in arm})


def _arms(accuracy: ArmAccuracy, budget: int) -> dict[str, np.ndarray]:
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
      f'No arm has budget {budget}; the arms have {_budgets(accuracy)}.'
    )
  return arms


def _best(values: np.ndarray, bins: np.ndarray, train: np.ndarray):
  """Index of the best arm of each bin, int [bins].

  A bin without training questions takes the arm that is best over all of them.

  Args:
    values: accuracy [A, Q]; `argmax` takes the first of equally good arms.
    bins: int [Q], from 1.
    train: bool [Q], the questions to fit on.
  """
  member = (bins[:, None] == np.arange(1, bins.max() + 1)) & train[:, None]
  # Sums rank the arms of a bin as means would, and need no division by 0.
  total = values @ member  # [A, bins]
  overall = total.sum(axis=1).argmax()
  return np.where(member.any(axis=0), total.argmax(axis=0), overall)
