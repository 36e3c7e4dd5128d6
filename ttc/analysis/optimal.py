"""The compute-optimal policy of one table, and the best single arm beside it.

Both are chosen on one half of the questions and evaluated on the other, over
the same random halves (paper §3.1).
"""

from collections.abc import Mapping, Sequence
import dataclasses

import numpy as np

from ttc.analysis import policy

SPLITS = 20  # random halves per kind of bins


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
  splits: int = SPLITS,
  flops: policy.ArmAccuracy | None = None,
) -> Optimal | None:
  """Fits and cross-validates a policy for each kind of bins.

  Budgets above 1 that only one arm has are left out: they leave no choice.

  Args:
    accuracy: accuracy[arm][budget], float [Q].
    bins: difficulty int [Q] by kind, from 1.
    seed: seed of the random halves.
    splits: number of random splits into halves.
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
  folds = {
    kind: policy.random_folds(b, np.random.default_rng([seed, i]), splits)
    for i, (kind, b) in enumerate(sorted(bins.items()))
  }
  fits = {
    kind: policy.cross_fit(accuracy, b, folds[kind]) for kind, b in bins.items()
  }
  # Each kind of bins has its own halves: one uniform fit over the halves of
  # each keeps the comparison paired, and their mean is reported.
  uniform = [policy.cross_fit_uniform(accuracy, f) for f in folds.values()]
  spent = (
    {}
    if flops is None
    else {
      **{kind: f.expected(flops) for kind, f in fits.items()},
      'uniform': _mean([u.expected(flops) for u in uniform]),
    }
  )
  return Optimal(
    adaptive={kind: f.accuracy for kind, f in fits.items()},
    uniform=_mean([u.accuracy for u in uniform]),
    best=policy.best_uniform(accuracy),
    policies={kind: policy.fit(accuracy, b) for kind, b in bins.items()},
    chosen={kind: f.chosen for kind, f in fits.items()},
    flops=spent,
  )


def _mean(curves: Sequence[Mapping[int, np.ndarray]]) -> dict[int, np.ndarray]:
  """Mean curve of curves with the same budgets."""
  return {n: np.mean([curve[n] for curve in curves], 0) for n in curves[0]}
