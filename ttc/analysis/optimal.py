"""The compute-optimal policy of one table, and the best single arm beside it.

Both are chosen on nine tenths of the questions and evaluated on the last, over
the same random folds (see `cross_fit`).
"""

from collections.abc import Mapping
import dataclasses

import numpy as np

from ttc.analysis import cross_fit, policy


@dataclasses.dataclass(frozen=True)
class Optimal:
  """Held-out accuracy of policies and of the best single arm.

  Attributes:
    adaptive: accuracy of the policy, [kind of bins][budget] -> [Q]; the kinds
      are 'oracle' and 'predicted'.
    uniform: accuracy of the best single arm, [budget] -> [Q], chosen and
      evaluated as the policy is.
    best: the single arm that is best on all questions, in-sample, by budget.
    policies: policies fitted on all questions, by kind of bins: to be used,
      not to be evaluated.
    chosen: share of the fits that chose an arm, [kind][budget][bin][arm].
    flops: executed FLOPs, [kind or 'uniform'][budget] -> [Q]; {} where those
      of any arm are unknown.
  """

  adaptive: Mapping[str, Mapping[int, np.ndarray]]
  uniform: Mapping[int, np.ndarray]
  best: Mapping[int, policy.Uniform]
  policies: Mapping[str, policy.Policy]
  chosen: Mapping[str, Mapping[int, Mapping[int, Mapping[str, float]]]]
  flops: Mapping[str, Mapping[int, np.ndarray]]


def fit(
  accuracy: policy.ArmAccuracy,
  bins: Mapping[str, np.ndarray],
  seed: int,
  splits: int = cross_fit.SPLITS,
  flops: policy.ArmAccuracy | None = None,
) -> Optimal | None:
  """Fits and cross-validates a policy for each kind of bins.

  Budgets above 1 that only one arm has are left out: they leave no choice.

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
  kept = open_to_choice | (budgets & {1})
  accuracy = {
    name: {n: arm[n] for n in sorted(arm) if n in kept}
    for name, arm in accuracy.items()
  }
  # One set of folds for all kinds of bins: all that is compared is paired.
  folds = cross_fit.random_folds(
    len(next(iter(bins.values()))), np.random.default_rng(seed), splits
  )
  fits = {
    kind: cross_fit.cross_fit(accuracy, b, folds) for kind, b in bins.items()
  }
  uniform = cross_fit.cross_fit_uniform(accuracy, folds)
  spent = (
    {}
    if flops is None
    else {
      **{kind: f.expected(flops) for kind, f in fits.items()},
      'uniform': uniform.expected(flops),
    }
  )
  return Optimal(
    adaptive={kind: f.accuracy for kind, f in fits.items()},
    uniform=uniform.accuracy,
    best=policy.best_uniform(accuracy),
    policies={kind: policy.fit(accuracy, b) for kind, b in bins.items()},
    chosen={kind: f.chosen for kind, f in fits.items()},
    flops=spent,
  )
