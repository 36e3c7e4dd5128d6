"""How a problem's W rows are shared out among its prefixes (paper §5.2).

An allocator sees one problem and returns integers: how many children each row
gets. All tree searches over steps differ in nothing else. It is called with
`draw`, which makes a random number in [0, 1), the same one at every call, and
with value [W] and done [W].

      value   .9  .2  .7  .4        Beam(width=2), W = 4
      counts   2   0   2   0
      parent   0   0   2   2

A value of -inf marks a row that may not be chosen (a duplicate). A row that is
done keeps one place if it is chosen; copies of it would only repeat its vote.
Counts always sum to W.
"""

import dataclasses
import math
from typing import Literal

import numpy as np


@dataclasses.dataclass(frozen=True)
class Beam:
  """Keeps the W / M best prefixes, M children each (paper §5.2).

  Attributes:
    width: children a kept prefix gets (M), or 'sqrt' for the root of W.
  """

  width: int | Literal['sqrt'] = 4

  def __call__(self, draw, value, done):
    del draw
    return _beam(value, done, value.shape[0] // self.resolve(value.shape[0]))

  def resolve(self, rows: int) -> int:
    """The width for W rows; ValueError if it does not divide them."""
    width = math.isqrt(rows) if self.width == 'sqrt' else self.width
    _check_width(self, width, rows, square=self.width == 'sqrt')
    return width


@dataclasses.dataclass(frozen=True)
class Dvts:
  """Diverse verifier tree search: W / M beams of one prefix each.

  Row r belongs to subtree r // M for the whole search.
  """

  width: int = 4

  def __call__(self, draw, value, done):
    del draw
    width = self.resolve(value.shape[0])
    trees = lambda x: x.reshape(-1, width)
    return np.concatenate(
      [_beam(v, d, 1) for v, d in zip(trees(value), trees(done), strict=True)]
    )

  def resolve(self, rows: int) -> int:
    """The width for W rows; ValueError if it does not divide them."""
    _check_width(self, self.width, rows)
    return self.width


@dataclasses.dataclass(frozen=True)
class Rebase:
  """Children in proportion to softmax(value / temperature) (Wu et al. 2024)."""

  temperature: float = 0.2

  def __post_init__(self):
    _check_temperature(self)

  def __call__(self, draw, value, done):
    del draw
    kept, open_rows, slots = _places(value, done, value > -np.inf)
    share = _softmax(value / self.temperature, open_rows)
    return kept + _largest_remainder(share, slots)

  def resolve(self, rows: int) -> int:
    """Any number of rows will do."""
    return rows


@dataclasses.dataclass(frozen=True)
class ParticleFilter:
  """Resamples prefixes in proportion to softmax(logit(value) / temperature).

  Systematic resampling: one uniform number for all places (Puri et al. 2025).
  """

  temperature: float = 1.0

  def __post_init__(self):
    _check_temperature(self)

  def __call__(self, draw, value, done):
    kept, open_rows, slots = _places(value, done, value > -np.inf)
    sure = np.clip(value, 1e-6, 1 - 1e-6)
    odds = np.log(sure) - np.log1p(-sure)
    edges = np.cumsum(_softmax(odds / self.temperature, open_rows)) * slots
    ticks = np.minimum(np.floor(edges + draw()).astype(int), slots)
    ticks[-1] = slots
    return kept + np.diff(ticks, prepend=0)

  def resolve(self, rows: int) -> int:
    """Any number of rows will do."""
    return rows


def parents(counts: np.ndarray) -> np.ndarray:
  """Counts [W] as the parent of each child [W], in order of the parents."""
  return np.repeat(np.arange(len(counts)), counts)


def _beam(value, done, kept_rows):
  order = np.argsort(-value, kind='stable')  # ties go to the earlier
  rank = np.argsort(order, kind='stable')  # 0 is best
  chosen = (rank < kept_rows) & (value > -np.inf)
  kept, open_rows, slots = _places(value, done, chosen)
  share = open_rows / max(open_rows.sum(), 1)
  # The better of two equal shares takes the odd place.
  return kept + _largest_remainder(share, slots, rank)


def _places(value, done, chosen):
  """Splits W places: one for each chosen row that is done, slots for others.

  Where every chosen row is done they share all places: nothing else is left
  to grow, and the counts must still sum to W.

  Returns:
    kept [W] places already given, open_rows [W] who shares the rest, slots.
  """
  live = chosen & ~done
  finished = chosen & done
  kept = finished.astype(int) if live.any() else np.zeros(len(value), int)
  open_rows = live if live.any() else finished
  return kept, open_rows, len(value) - kept.sum()


def _softmax(score, among):
  """Of the scores [W] of some rows [W]; 0 for the others, or if none is."""
  weight = np.zeros(len(score))
  if among.any():
    weight[among] = np.exp(score[among] - score[among].max())
    weight /= weight.sum()
  return weight


def _largest_remainder(share, slots, rank=None):
  """Integers near share * slots that sum to slots (Hamilton's method).

  Args:
    share: [W], summing to 1.
    slots: places to give, a scalar.
    rank: [W] who goes first among equal remainders; None is row order.
  """
  exact = share * slots
  # 1e-4 undoes float error where a quota is a whole number.
  whole = np.floor(exact + 1e-4).astype(int)
  remainder = np.where(share > 0, exact - whole, -np.inf)
  if rank is None:
    rank = np.arange(len(share))
  order = np.lexsort((rank, -np.round(remainder, 4)))
  whole[order[: slots - whole.sum()]] += 1
  return whole


def _check_width(allocator, width, rows, square=False):
  if square and width * width != rows:
    raise ValueError(
      f'{allocator!r} needs a square number of rows, not {rows}; use a '
      f'budget of {width**2} or {(width + 1) ** 2}.'
    )
  if width < 1 or rows % width:
    raise ValueError(
      f'{allocator!r} does not divide {rows} rows; choose a budget that is '
      f'a multiple of {width}, or another width.'
    )


def _check_temperature(allocator):
  if not 0 < allocator.temperature < math.inf:
    raise ValueError(f'{allocator!r}: temperature must be positive and finite.')
