"""Claims about a budget that is spent as results come in, at equal accuracy."""

from collections.abc import Callable, Sequence
import dataclasses
from typing import NamedTuple

import numpy as np

from ttc.allocation import comparison
from ttc.allocation.baselines import Point
from ttc.allocation.comparison import Comparison
from ttc.analysis import bootstrap, names
from ttc.analysis.bootstrap import Measurement
from ttc.claims import compare, verdicts
from ttc.claims.verdicts import Claim

_RIVALS = {
  'factor-vs-uniform': comparison.UNIFORM,
  'factor-vs-best-of-n': names.WEIGHTED,
  'factor-vs-threshold': comparison.GREEDY_FIRST,
}
_OWN = 64  # generations of best-of-N whose own accuracy is a target too
_NEVER = ', which that never reaches'
_EQUAL = 1e-9  # accuracies that differ by rounding alone
_HALF = 50.0  # percent of a gap


class _Target(NamedTuple):
  """An accuracy to reach, of one seed.

  Attributes:
    right: its measurement.
    point: what reaches it.
  """

  right: Measurement
  point: Point


class _Needed(NamedTuple):
  """FLOPs of a curve, by draw.

  Attributes:
    least: at which it reaches the target; NaN where it never does.
    most: of its dearest point.
  """

  least: np.ndarray
  most: np.ndarray


def claims(comparisons: Sequence[Comparison | None]) -> list[Claim]:
  """Factors in executed FLOPs at the accuracy of uniform arms.

  Args:
    comparisons: one per seed; without one of them there are no claims.
  """
  if not all(comparisons):
    return []
  results = []
  for n in compare.shared([c.targets for c in comparisons], above=1):
    targets = [_Target(c.chosen[n], c.targets[n]) for c in comparisons]
    where = f'at the accuracy of the best uniform arm at N={n}'
    for key, rival in _RIVALS.items():
      if all(rival in c.curves for c in comparisons):
        id = f'allocation.{key}.n{n}'
        results.append(_factor(id, rival, where, comparisons, targets))
    if all(comparison.CLAIRVOYANT in c.curves for c in comparisons):
      results.append(_gap(n, where, comparisons, targets))
  return [*results, *_own(comparisons)]


def _own(comparisons: Sequence[Comparison]) -> list[Claim]:
  """Against best-of-N weighted at the accuracy of its own _OWN generations."""
  name = f'N={_OWN}'
  curves = [c.curves.get(names.WEIGHTED, ()) for c in comparisons]
  found = [[p for p in points if p.setting == name] for points in curves]
  if not all(found):
    return []
  id = f'allocation.factor-vs-best-of-n.own.n{_OWN}'
  where = f'at the accuracy of {names.WEIGHTED} at {name}'
  targets = [_Target(point.right, point) for point, *_ in found]
  return [_factor(id, names.WEIGHTED, where, comparisons, targets)]


def _factor(
  id: str,
  rival: str,
  where: str,
  comparisons: Sequence[Comparison],
  targets: Sequence[_Target],
) -> Claim:
  """The claim that an allocation needs fewer FLOPs than a rival.

  The factor is 0 where the allocation never reaches the accuracy. A rival that
  never does counts with its largest FLOPs: the factor is at least that, which
  can support the claim and not contradict it. Where neither does, of all
  questions or of those of a seed, there is no factor.
  """
  # What made the target reaches it, whatever a draw's other choice would have.
  theirs = rival == comparison.UNIFORM
  others = [
    [t.point] if theirs else c.curves[rival]
    for c, t in zip(comparisons, targets, strict=True)
  ]
  rows, needed = _needs(comparisons, targets, [others])

  def factor(means: np.ndarray) -> np.ndarray:
    spent, rivals = needed(means)
    there = np.isfinite(rivals.least)
    taken = np.where(there, rivals.least, rivals.most)
    # A draw where neither gets there makes no claim clearer.
    never = np.where(there | theirs | (means.ndim > 1), 0.0, np.nan)
    return np.where(np.isfinite(spent.least), taken / spent.least, never)

  spent, rivals = needed(np.mean([bootstrap.means(r) for r in rows], 0))
  bound = np.isfinite(spent.least) and np.isnan(rivals.least)
  claim = verdicts.judge(
    id,
    'Spending as results come in takes fewer executed FLOPs than '
    f'{"the most of " if bound else ""}{rival}, {where}'
    f'{_NEVER if bound else ""}.',
    rows,
    factor,
    above=1.0,
    unit='factor',
    evidence=_differ(comparisons, targets),
  )
  if claim.estimate is None:
    return dataclasses.replace(claim, why='neither ever gets there')
  if bound and not claim.holds:
    why = 'the rival never gets there: the factor is a lower bound'
    return dataclasses.replace(claim, holds=None, why=why, p=None)
  return claim


def _gap(
  n: int,
  where: str,
  comparisons: Sequence[Comparison],
  targets: Sequence[_Target],
) -> Claim:
  """The claim that most of what a clairvoyant would save is saved.

  In the logarithm of FLOPs, of what lies between the target and the
  clairvoyant. The share is 0 where the allocation never reaches the accuracy,
  and undefined where the clairvoyant does not or saves nothing.
  """
  clairvoyant = [c.curves[comparison.CLAIRVOYANT] for c in comparisons]
  uniform = [[t.point] for t in targets]
  rows, needed = _needs(comparisons, targets, [clairvoyant, uniform])

  def share(means: np.ndarray) -> np.ndarray:
    spent, best, uniform = needed(means)
    saved, all_of_it = (np.log(uniform.most / x.least) for x in (spent, best))
    closed = np.where(np.isfinite(saved), 100 * saved / all_of_it, 0.0)
    return np.where(all_of_it > 0, closed, np.nan)

  return verdicts.judge(
    f'allocation.gap-closed.n{n}',
    'Spending as results come in saves more than half, in the logarithm of '
    "executed FLOPs, of what the clairvoyant saves of the best uniform arm's, "
    f'{where}.',
    rows,
    share,
    above=_HALF,
    unit='percent',
    evidence=_differ(comparisons, targets),
  )


def _needs(
  comparisons: Sequence[Comparison],
  targets: Sequence[_Target],
  others: Sequence[Sequence[Sequence[Point]]],
) -> tuple[list[list[Measurement]], Callable[[np.ndarray], list[_Needed]]]:
  """What is measured, and what each curve needs of it to reach a target.

  Args:
    comparisons: one per seed, whose allocation is the first curve.
    targets: one per seed.
    others: further curves, points by curve and seed.

  Returns:
    Measurements of each seed, and a function of their means [..., K] to what
    each curve needs.
  """
  own = [c.curves[comparison.ALLOCATION] for c in comparisons]
  curves = [own, *others]
  # Points are compared by their place, so that all seeds have as many.
  sizes = [max(map(len, of_seeds)) for of_seeds in curves]
  rows = []
  for target, *points in zip(targets, *curves, strict=True):
    stacked = map(_stack, points, sizes)
    rows.append([target.right, *(m for own in stacked for m in own)])
  cuts = np.cumsum([2 * size for size in sizes])[:-1]

  def needed(means: np.ndarray) -> list[_Needed]:
    curves = np.split(means[..., 1:], cuts, axis=-1)
    return [_flops(curve, means[..., 0]) for curve in curves]

  return rows, needed


def _stack(points: Sequence[Point], size: int) -> np.ndarray:
  """Accuracies of the points, then their FLOPs, float [2 size, Q].

  With fewer points the last one counts several times, which adds nothing.
  """
  points = [*points, *[points[-1]] * (size - len(points))]
  return np.stack([p.right for p in points] + [p.flops for p in points])


def _flops(curve: np.ndarray, wanted: np.ndarray) -> _Needed:
  accuracy, flops = np.split(curve, 2, axis=-1)
  order = np.argsort(flops, axis=-1, kind='stable')
  accuracy, flops = (
    np.take_along_axis(x, order, axis=-1) for x in (accuracy, flops)
  )
  return _Needed(comparison.flops_at(accuracy, flops, wanted), flops[..., -1])


def _differ(
  comparisons: Sequence[Comparison], targets: Sequence[_Target]
) -> list[np.ndarray]:
  """Whether allocation and target answer a question differently, [1, Q]."""
  differs = lambda own, of: np.abs(own.right - of.point.right) > _EQUAL
  return [
    np.any(
      [differs(own, target) for own in c.curves[comparison.ALLOCATION]],
      axis=0,
      keepdims=True,
    )
    for c, target in zip(comparisons, targets, strict=True)
  ]
