"""The compute-optimal policy of one table, beside what it must beat.

Policy and best uniform arm are chosen on one half of the questions and judged
on the other, over the same random halves (paper §3.1).
"""

from collections.abc import Mapping, Sequence
import dataclasses

import numpy as np

from ttc.analysis import policy

SPLITS = 20


@dataclasses.dataclass(frozen=True)
class Optimal:
  """Accuracy of each question by budget, {budget: [Q]} each.

  Attributes:
    adaptive: of the policy, by kind of bins ('oracle', 'predicted').
    uniform: of the best single arm, chosen and judged as the policy is.
    best: the single arm that is best on all questions, in-sample.
    policies: fitted on all questions, for use rather than for judgement.
    chosen: share of the fits that chose an arm: kind, budget, bin, arm.
    flops: what `adaptive` (by kind of bins) and `uniform` (by that word)
      execute; {} where that of an arm is not known.
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
  """Fits a policy for each kind of bins.

  Budgets above 1 that a single arm has are left out: there is no choice
  there.

  Args:
    accuracy: of every arm on every question.
    bins: difficulty [Q] by kind.
    seed: of the random halves.
    splits: how many of them.
    flops: of every arm on every question; None if not known.

  Returns:
    None without bins, or where no budget leaves a choice.
  """
  budgets = {n for arm in accuracy.values() for n in arm}
  open_to_choice = {
    n for n in budgets if sum(n in arm for arm in accuracy.values()) > 1
  }
  if not bins or not open_to_choice:
    return None
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
  return {n: np.mean([curve[n] for curve in curves], 0) for n in curves[0]}
