"""The compute-optimal policy of one table, and the best single arm beside it.

Both are chosen on nine tenths of the questions and evaluated on the last, over
the same random folds (see `cross_fit`).
"""

from collections.abc import Mapping
import dataclasses

import numpy as np

from ttc.analysis import cross_fit, policy
from ttc.analysis.bootstrap import Refitted
from ttc.analysis.cross_fit import CrossFit

UNIFORM = 'uniform'  # the rule of one arm for all bins


@dataclasses.dataclass(frozen=True, eq=False)
class Optimal:
  """Held-out accuracy of policies and of the best single arm.

  Attributes:
    fits: the cross-validations, by kind of bins ('oracle' and 'predicted') and
      UNIFORM for the best single arm, over the same folds.
    best: the single arm that is best on all questions, in-sample, by budget.
    policies: policies fitted on all questions, by kind of bins: to be used,
      not to be evaluated.
    flops: executed FLOPs, [kind or UNIFORM][budget] -> [Q]; {} where those
      of any arm are unknown.
  """

  fits: Mapping[str, CrossFit]
  best: Mapping[int, policy.Uniform]
  policies: Mapping[str, policy.Policy]
  flops: Mapping[str, Mapping[int, np.ndarray]]

  @property
  def adaptive(self) -> dict[str, dict[int, np.ndarray]]:
    """Accuracy of the policies, [kind of bins][budget] -> [Q]."""
    return {kind: self.fits[kind].accuracy for kind in self.policies}

  @property
  def uniform(self) -> dict[int, np.ndarray]:
    """Accuracy of the best single arm, chosen as policies are, [Q]."""
    return self.fits[UNIFORM].accuracy

  @property
  def chosen(self) -> dict[str, dict[int, dict[int, dict[str, float]]]]:
    """Share of the fits that chose an arm, [kind][budget][bin][arm]."""
    return {kind: self.fits[kind].chosen for kind in self.policies}

  def refitted(self, rule: str) -> dict[int, Refitted]:
    """Accuracy of a kind of bins or of UNIFORM, for intervals, by budget."""
    return self.fits[rule].refitted


def fit(
  accuracy: policy.ArmAccuracy,
  bins: Mapping[str, np.ndarray],
  seed: int,
  splits: int = cross_fit.SPLITS,
  flops: policy.ArmAccuracy | None = None,
) -> Optimal | None:
  """Fits and cross-validates a policy for each kind of bins.

  An arm competes at each budget that it does not exceed, so that the best
  single arm is the best of all that cost no more. Budgets above 1 that only one
  arm has are left out.

  Args:
    accuracy: accuracy[arm][budget], float [Q].
    bins: difficulty int [Q] by kind, from 1.
    seed: seed of the random folds.
    splits: number of random splits into folds.
    flops: executed FLOPs, flops[arm][budget] float [Q]; None if unknown.

  Returns:
    The fits; None without bins, or where no budget leaves a choice.
  """
  budgets = {n for arm in accuracy.values() for n in arm}
  open_to_choice = {
    n for n in budgets if sum(n in arm for arm in accuracy.values()) > 1
  }
  if not bins or not open_to_choice:
    return None
  # Budget 1 stays even without a choice: every curve begins there.
  kept = sorted(open_to_choice | (budgets & {1}))
  accuracy = policy.affordable(accuracy, kept)
  if flops is not None:
    flops = policy.affordable(flops, kept)
  # One set of folds for all kinds of bins: all that is compared is paired.
  folds = cross_fit.random_folds(
    len(next(iter(bins.values()))), np.random.default_rng(seed), splits
  )
  fits = {
    kind: cross_fit.cross_fit(accuracy, b, folds) for kind, b in bins.items()
  }
  fits[UNIFORM] = cross_fit.cross_fit_uniform(accuracy, folds)
  return Optimal(
    fits,
    best=policy.best_uniform(accuracy),
    policies={kind: policy.fit(accuracy, b) for kind, b in bins.items()},
    flops=(
      {} if flops is None else {k: f.expected(flops) for k, f in fits.items()}
    ),
  )
