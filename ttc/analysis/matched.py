"""A small model with test-time compute matched to a larger one (paper §7).

Both models are pretrained on the same D_pre tokens. The large one has M times
the N parameters of the small one and gives one greedy answer per question, in
total D_inf tokens. The small one spends the same total FLOPs on k answers:

  6 M N D_pre + large M N D_inf  =  6 N D_pre + k small N D_inf

where `large` and `small` are FLOPs per parameter and generated token: 2 for
sampling it, and 2 more if the model is charged for a verifier that reads it.
With R = D_inf / D_pre the matched budget is

  k = (M large + 6 (M - 1) / R) / small.

The paper compares the models at three ratios R. If the matched budget of a
ratio is larger than any measured one, the comparison is made at the largest
measured budget instead, and R is the ratio that this budget matches.
"""

from collections.abc import Mapping, Sequence
import dataclasses
from typing import Literal

import numpy as np

from ttc.analysis import flops, interpolate
from ttc.analysis.bootstrap import Refitted
from ttc.analysis.optimal import Optimal
from ttc.analysis.study import Study

Side = Literal['search', 'revisions']  # what the small model's budget is for

TOKEN_RATIOS = (0.16, 0.79, 22.0)  # R as in the paper's first version (v1)
_SAME = 1.25  # budgets within this factor are one comparison


@dataclasses.dataclass(frozen=True)
class Accounting:
  """FLOPs per parameter and generated token of the two models."""

  small: float
  large: float


ACCOUNTINGS = {
  # The verifier is not charged.
  'v1': Accounting(flops.INFERENCE, flops.INFERENCE),
  'iclr': Accounting(2 * flops.INFERENCE, 2 * flops.INFERENCE),
  # The greedy large model uses no verifier, though 'iclr' charges it for one.
  'small_only': Accounting(2 * flops.INFERENCE, flops.INFERENCE),
}
# What captions and claims call them.
ACCOUNTS = {
  'v1': 'verifier free',
  'iclr': 'verifier charged to both',
  'small_only': 'verifier charged to the small model',
}


def matched_budget(
  size_ratio: float,
  token_ratio: float,
  accounting: str = 'v1',
  large_budget: float = 1,
) -> float:
  """k, the small model's generations per question at equal FLOPs.

  Args:
    size_ratio: M, parameters of the large model over the small one's.
    token_ratio: R = D_inf / D_pre, with D_inf at one answer per question.
    accounting: a key of ACCOUNTINGS.
    large_budget: generations per question of the large model.

  Raises:
    ValueError: a ratio is not positive, or the accounting is unknown.
  """
  _positive(size_ratio=size_ratio, token_ratio=token_ratio)
  charge = _accounting(accounting)
  pretraining = flops.TRAIN * (size_ratio - 1) / token_ratio
  inference = size_ratio * charge.large * large_budget
  return (inference + pretraining) / charge.small


def token_ratio_at(
  size_ratio: float, budget: float, accounting: str = 'v1'
) -> float:
  """R at which a budget matches a greedy large model.

  Inverse of `matched_budget`.

  Args:
    size_ratio: M, parameters of the large model over the small one's.
    budget: k, generations per question of the small model.
    accounting: a key of ACCOUNTINGS.

  Raises:
    ValueError: the large model's inference alone costs at least the budget, so
      that no R matches; or the accounting is unknown.
  """
  charge = _accounting(accounting)
  surplus = budget * charge.small - size_ratio * charge.large
  if surplus <= 0:
    least = size_ratio * charge.large / charge.small
    raise ValueError(
      f'A budget of {budget} generations matches a {size_ratio}x model at no '
      f'token ratio: its inference alone costs {least}; raise the budget.'
    )
  return flops.TRAIN * (size_ratio - 1) / surplus


@dataclasses.dataclass(frozen=True)
class Matched:
  """Accuracy of both models at equal FLOPs, by question.

  Attributes:
    token_ratio: R = D_inf / D_pre.
    budget: k, generations per question of the small model.
    small: accuracy under the compute-optimal policy over oracle bins, which
      need the gold answers, float [Q] per seed, the choice to be repeated.
    large: accuracy of the greedy large model, float [Q] per seed.
    bins: oracle difficulty bins, int [Q] per seed.
  """

  token_ratio: float
  budget: float
  small: tuple[Refitted, ...]
  large: tuple[np.ndarray, ...]
  bins: tuple[np.ndarray, ...]

  @property
  def label(self) -> str:
    """The paper's name for the range of R: 'R ≪ 1', 'R ≈ 1' or 'R ≫ 1'."""
    if self.token_ratio < 0.3:
      return 'R ≪ 1'
    return 'R ≫ 1' if self.token_ratio > 3 else 'R ≈ 1'


def comparisons(
  studies: Sequence[Study],
  side: Side,
  size_ratio: float,
  accounting: str = 'v1',
) -> list[Matched]:
  """Compares the models at the token ratios that the measurements allow.

  Args:
    studies: one per seed.
    side: what the small model spends its budget on.
    size_ratio: M, parameters of the large model over the small one's.
    accounting: a key of ACCOUNTINGS.

  Returns:
    At most one comparison per ratio of TOKEN_RATIOS, in ascending order of R;
    [] if a seed has no policy or no greedy answers of the large model.
  """
  if not all(compared(s, side) and s.greedy for s in studies):
    return []
  curves = [compared(s, side) for s in studies]
  top = min(max(c) for c in curves)
  matches: list[Matched] = []
  for ratio in TOKEN_RATIOS:
    budget = matched_budget(size_ratio, ratio, accounting)
    if budget > top:
      # An infinite R leaves inference alone, the least that can be matched.
      if matched_budget(size_ratio, np.inf, accounting) >= top:
        continue
      ratio, budget = token_ratio_at(size_ratio, top, accounting), top
    # Two ratios that were both moved to `top` are the same comparison.
    if matches and max(budget, matches[-1].budget) < _SAME * min(
      budget, matches[-1].budget
    ):
      continue
    small = [_at(c, budget) for c in curves]
    if any(s is None for s in small):
      continue
    matches.append(
      Matched(
        ratio,
        budget,
        tuple(small),
        tuple(s.greedy.correct[:, 0].astype(float) for s in studies),
        tuple(s.bins['oracle'] for s in studies),
      )
    )
  return matches


def compared(study: Study, side: Side) -> Mapping[int, Refitted] | None:
  """The small model's compute-optimal accuracy [Q] by budget, oracle bins.

  Revisions are selected by the verifier, or by majority without one. None
  where there is no policy.
  """
  fit = _fit(study, side)
  return None if fit is None else fit.refitted('oracle')


def _fit(study: Study, side: Side) -> Optimal | None:
  if side == 'search':
    return study.search_optimal
  fits = study.revision_optimal
  return fits.get('verifier', fits.get('majority'))


def _at(curve: Mapping[int, Refitted], budget: float) -> Refitted | None:
  """The curve between two budgets; None outside of them."""
  parts = [
    interpolate.accuracy_at({n: pick(c) for n, c in curve.items()}, budget)
    for pick in (lambda c: c.question, lambda c: c.draws)
  ]
  return None if parts[0] is None else Refitted(*parts)


def _accounting(name: str) -> Accounting:
  """The accounting of a name; raises ValueError if there is none."""
  if name not in ACCOUNTINGS:
    raise ValueError(
      f'Unknown accounting {name!r}; choose one of {", ".join(ACCOUNTINGS)}.'
    )
  return ACCOUNTINGS[name]


def _positive(**values: float) -> None:
  """Raises ValueError for a value that is not above 0, NaN included."""
  for name, value in values.items():
    if not value > 0:
      raise ValueError(f'{name} is {value}; it must be above 0.')
