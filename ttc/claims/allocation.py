"""Claims about a budget that is spent as results come in, at equal accuracy."""

from collections.abc import Sequence
import dataclasses

import numpy as np

from ttc.allocation import comparison
from ttc.allocation.baselines import Point
from ttc.allocation.comparison import Comparison
from ttc.analysis import bootstrap, names
from ttc.claims import compare, verdicts
from ttc.claims.verdicts import Claim

_RIVALS = {
  'factor-vs-uniform': comparison.UNIFORM,
  'factor-vs-best-of-n': names.WEIGHTED,
  'factor-vs-threshold': comparison.GREEDY_FIRST,
}
_NEVER = ', which that never reaches'
_EQUAL = 1e-9  # accuracies that differ by rounding alone


def claims(comparisons: Sequence[Comparison | None]) -> list[Claim]:
  """Factors in executed FLOPs at the accuracy of the best uniform arm.

  Args:
    comparisons: one per seed; without one of them there are no claims.
  """
  if not all(comparisons):
    return []
  results = []
  for n in compare.shared([c.targets for c in comparisons], above=1):
    for key, rival in _RIVALS.items():
      if all(rival in c.curves for c in comparisons):
        results.append(_factor(key, rival, comparisons, n))
  return results


def _factor(
  key: str, rival: str, comparisons: Sequence[Comparison], n: int
) -> Claim:
  """The claim that an allocation needs fewer FLOPs than a rival.

  The factor is 0 where the allocation never reaches the accuracy. A rival that
  never does counts with its largest FLOPs: the factor is at least that, which
  can support the claim and not contradict it.
  """
  own = [c.curves[comparison.ALLOCATION] for c in comparisons]
  others = [
    [c.targets[n]] if rival == comparison.UNIFORM else c.curves[rival]
    for c in comparisons
  ]
  # Points are compared by their place, so that all seeds have as many.
  size = max(map(len, own)), max(map(len, others))
  rows = [
    [c.chosen[n], *_stack(a, size[0]), *_stack(b, size[1])]
    for c, a, b in zip(comparisons, own, others, strict=True)
  ]

  def needed(means: np.ndarray) -> tuple[float | None, float | None, float]:
    """FLOPs of the allocation, of the rival, and the largest of the rival."""
    curves = np.split(means[1:], [2 * size[0]])
    spent, rivals = (_flops(curve, means[0]) for curve in curves)
    return spent, rivals, curves[1][size[1] :].max()

  def factor(means: np.ndarray) -> float:
    spent, rivals, most = needed(means)
    if spent is None:
      return 0.0
    return (most if rivals is None else rivals) / spent

  spent, rivals, _ = needed(np.mean([bootstrap.means(r) for r in rows], 0))
  bound = spent is not None and rivals is None
  claim = verdicts.judge(
    f'allocation.{key}.n{n}',
    f'Spending as results come in takes fewer executed FLOPs than {rival}'
    f'{" may take at most" if bound else ""}, at the accuracy of the best '
    f'uniform arm at N={n}{_NEVER if bound else ""}.',
    rows,
    lambda means: np.apply_along_axis(factor, -1, means),
    above=1.0,
    unit='factor',
    evidence=[
      _differ(c.targets[n], a) for c, a in zip(comparisons, own, strict=True)
    ],
  )
  if bound and not claim.holds:
    why = 'the rival never gets there: the factor is a lower bound'
    return dataclasses.replace(claim, holds=None, why=why, p=None)
  return claim


def _stack(points: Sequence[Point], size: int) -> np.ndarray:
  """Accuracies of the points, then their FLOPs, float [2 size, Q].

  With fewer points the last one counts several times, which adds nothing.
  """
  points = [*points, *[points[-1]] * (size - len(points))]
  return np.stack([p.right for p in points] + [p.flops for p in points])


def _flops(curve: np.ndarray, wanted: float) -> float | None:
  accuracy, flops = np.split(curve, 2)
  order = np.argsort(flops, kind='stable')
  return comparison.flops_at(accuracy[order], flops[order], wanted)


def _differ(target: Point, own: Sequence[Point]) -> np.ndarray:
  """Whether allocation and target answer a question differently, [1, Q]."""
  gaps = [np.abs(point.right - target.right) > _EQUAL for point in own]
  return np.any(gaps, axis=0, keepdims=True)
