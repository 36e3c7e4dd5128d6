"""Policies judged on questions that did not choose them (paper §3.1).

The questions are parted at random into FOLDS folds, SPLITS times over. The arms
of a fold's questions are chosen on all other folds, nine tenths of the
questions, where the paper's two folds choose on half. Rules that are compared
share their folds.
"""

from collections.abc import Mapping
import dataclasses
import functools

import numpy as np

from ttc.analysis import bootstrap, choices, policy
from ttc.analysis.bootstrap import Refitted
from ttc.analysis.policy import ArmAccuracy

FOLDS = 10
SPLITS = 5  # more of them would lower the noise of the folds little further


def random_folds(
  questions: int,
  rng: np.random.Generator,
  splits: int = SPLITS,
  folds: int = FOLDS,
) -> np.ndarray:
  """Random folds whose sizes differ by at most one.

  Args:
    questions: Q. Fewer of them than folds have a fold each.
    rng: draws the folds.
    splits: number of splits.
    folds: number of folds.

  Returns:
    int [splits, Q], the fold of each question, from 0.
  """
  equal = np.broadcast_to(np.arange(questions) % folds, [splits, questions])
  return rng.permuted(equal, axis=1)


@dataclasses.dataclass(frozen=True, eq=False)
class CrossFit:
  """A rule evaluated on questions that it was not fitted on.

  Attributes:
    table: accuracy[arm][budget], float [Q].
    bins: difficulty bins int [Q], from 1; all ones fit the best uniform arm.
    folds: int [splits, Q] of `random_folds`.
    errors: see `choices.choose`.
  """

  table: ArmAccuracy
  bins: np.ndarray
  folds: np.ndarray
  errors: float = choices.ERRORS

  @functools.cached_property
  def accuracy(self) -> dict[int, np.ndarray]:
    """Held-out accuracy by budget, float64 [Q], mean over splits."""
    return self.expected(self.table)

  @property
  def sd(self) -> dict[int, float]:
    """Standard deviation over splits of the mean accuracy, by budget."""
    columns = np.arange(len(self.bins))
    return {
      budget: float(self._values(budget)[judges, columns].mean(1).std())
      for budget, judges in self._judges.items()
    }

  @property
  def chosen(self) -> dict[int, dict[int, dict[str, float]]]:
    """Share of the fits with a choice: chosen[budget][bin][arm]."""
    table = {}
    for budget, fits in self._fits.items():
      arms = list(policy.arms_at(self.table, budget))
      of_bin = fits.reshape(-1, fits.shape[-1]).T
      table[budget] = {
        bin: {a: float((row == i).mean()) for i, a in enumerate(arms)}
        for bin, row in enumerate(of_bin, start=1)
      }
    return table

  def expected(self, table: ArmAccuracy) -> dict[int, np.ndarray]:
    """Mean over splits of any quantity of the chosen arms.

    Args:
      table: table[arm][budget], float [Q], e.g. FLOPs.

    Returns:
      float64 [Q] by budget.
    """
    columns = np.arange(len(self.bins))
    found = {}
    for budget, judges in self._judges.items():
      values = np.stack(
        [table[arm][budget] for arm in policy.arms_at(self.table, budget)]
      )
      found[budget] = values[judges, columns].mean(0)
    return found

  def refit(self, budget: int, weights: np.ndarray) -> np.ndarray:
    """Held-out accuracy when the questions count otherwise, chosen anew.

    A question that counts twice is twice in the same fold.

    Args:
      budget: one of the table's.
      weights: how often each question counts, float [D, Q].

    Returns:
      float64 [D].
    """
    values = self._values(budget)
    return np.mean(
      [
        choices.choose(values, self.bins, f, weights, self.errors).held_out
        for f in self.folds
      ],
      0,
    )

  @functools.cached_property
  def refitted(self) -> dict[int, Refitted]:
    """Held-out accuracy by budget, with the choice repeated in each draw."""
    return {
      budget: bootstrap.refitted(right, functools.partial(self.refit, budget))
      for budget, right in self.accuracy.items()
    }

  @functools.cached_property
  def _fits(self) -> Mapping[int, np.ndarray]:
    """Index of the arm by budget, int [splits, F, B]."""
    once = np.ones([1, len(self.bins)])
    fits = {}
    for budget in policy.budgets_of(self.table):
      values = self._values(budget)
      fits[budget] = np.stack(
        [
          choices.choose(values, self.bins, f, once, self.errors).arm[0]
          for f in self.folds
        ]
      )
    return fits

  @property
  def _judges(self) -> dict[int, np.ndarray]:
    """Index of the arm that judges a question, by budget, int [splits, Q]."""
    split = np.arange(len(self.folds))[:, None]
    return {
      budget: fits[split, self.folds, self.bins - 1]
      for budget, fits in self._fits.items()
    }

  def _values(self, budget: int) -> np.ndarray:
    """Accuracy of the arms that have a budget, float64 [A, Q]."""
    return np.stack(list(policy.arms_at(self.table, budget).values()))


def cross_fit(accuracy: ArmAccuracy, bins, folds: np.ndarray) -> CrossFit:
  """Cross-validates the policy of these bins; see CrossFit."""
  return CrossFit(accuracy, np.asarray(bins), folds)


def cross_fit_uniform(accuracy: ArmAccuracy, folds: np.ndarray) -> CrossFit:
  """The best single arm at each budget, chosen and judged as a policy is."""
  return CrossFit(accuracy, np.ones(folds.shape[1], np.int64), folds)
