"""Allocators: how W rows are divided among a question's prefixes (paper §5.2).

All step searches in `strategies` are one loop and differ in their allocator
alone. After every step the allocator decides how many children each row gets:

      value   .9  .2  .7  .4        Beam(width=2), W = 4
      counts   2   0   2   0
      parent   0   0   2   2

Every allocator is a frozen dataclass with two methods.

  __call__(draw, value, done) -> counts, int [W], which sum to W
    draw    returns a random number in [0, 1), the same one at every call
    value   [W] the verifier's values
    done    [W] bool, rows that have ended
  resolve(rows) -> the number of children of a kept row, or W where that number
    is not fixed; ValueError if the allocator does not fit W rows

Copies of a prefix are rows like others: how often it was sampled says how
probable it is. A beam that may keep it only once, or gives it no more children
than a prefix that was sampled once, has to spend its places on worse ones.

A chosen row that is done gets exactly one child, unless all chosen rows are
done: copies of it cannot differ and would only repeat its vote. Allocators call
no model, so that a search costs W rows per step with any of them.
"""

import dataclasses
import math
from typing import Literal

import numpy as np

from ttc.runtime import limits


@dataclasses.dataclass(frozen=True)
class Beam:
  """Beam search: keeps the W / M best rows, with M children each (paper §5.2).

  Attributes:
    width: children per kept row (M), or 'sqrt' for M = sqrt(W). M must divide
      W.
  """

  width: int | Literal['sqrt'] = 4

  def __post_init__(self):
    if self.width != 'sqrt':
      limits.whole(self, 'width')

  def __call__(self, draw, value, done):
    del draw
    return _beam(value, done, value.shape[0] // self.resolve(value.shape[0]))

  def resolve(self, rows: int) -> int:
    """Returns M for W rows; raises ValueError if it does not divide them."""
    width = math.isqrt(rows) if self.width == 'sqrt' else self.width
    _check_width(self, width, rows, square=self.width == 'sqrt')
    return width


@dataclasses.dataclass(frozen=True)
class Keep:
  """Beam search by what it keeps: the K best rows, with W / K children each.

  More generations then widen the beam and make it no less selective.

  Attributes:
    rows: kept rows (K), which must divide W.
  """

  rows: int = 2

  def __post_init__(self):
    limits.whole(self, 'rows')

  def __call__(self, draw, value, done):
    del draw
    return _beam(value, done, self.rows)

  def resolve(self, rows: int) -> int:
    """Returns W / K; raises ValueError if K does not divide the W rows."""
    if rows % self.rows:
      raise ValueError(
        f'{self!r} does not divide {rows} rows; choose a budget that is a '
        f'multiple of {self.rows}, or keep another number of them.'
      )
    return rows // self.rows


@dataclasses.dataclass(frozen=True)
class Dvts:
  """Diverse verifier tree search (Beeching et al. 2024).

  Runs W / M independent beam searches, each of which keeps one row and gives it
  M children. Row r belongs to subtree r // M for the whole search, and subtrees
  do not see each other: one whose rows have all ended stays as it is.

  Attributes:
    width: rows per subtree (M), which must divide W.
  """

  width: int = 4

  def __post_init__(self):
    limits.whole(self, 'width')

  def __call__(self, draw, value, done):
    del draw
    width = self.resolve(value.shape[0])
    value, done = value.reshape(-1, width), done.reshape(-1, width)
    best = value.argmax(axis=1)[:, None] == np.arange(width)  # [W / M, M]
    ended = done.all(axis=1, keepdims=True)
    return np.where(ended, 1, width * best).reshape(-1)

  def resolve(self, rows: int) -> int:
    """Returns M; raises ValueError if it does not divide the W rows."""
    _check_width(self, self.width, rows)
    return self.width


@dataclasses.dataclass(frozen=True)
class Rebase:
  """REBASE: children in proportion to softmax(value / T) (Wu et al. 2024).

  The real-valued quotas are rounded by the method of largest remainders, so
  that the counts sum to W.

  Attributes:
    temperature: T; a small one gives most children to the best rows.

  Raises:
    ValueError: the temperature is not positive and finite.
  """

  temperature: float = 0.2

  def __post_init__(self):
    limits.real(self, 'temperature', above=0)

  def __call__(self, draw, value, done):
    del draw
    reserved, open_rows, places = _places(done, np.ones_like(done))
    share = _softmax(value / self.temperature, open_rows)
    return reserved + _largest_remainder(share, places)

  def resolve(self, rows: int) -> int:
    """Returns W unchanged: any number of rows fits."""
    return rows


@dataclasses.dataclass(frozen=True)
class ParticleFilter:
  """Particle filter over prefixes (Puri et al. 2025).

  Rows are particles with the weights softmax(logit(value) / T). Resampling is
  systematic (Kitagawa 1996): one uniform number serves all W places, so that a
  count differs from its expectation by less than one.

  Attributes:
    temperature: T; a small one gives most children to the best rows.

  Raises:
    ValueError: the temperature is not positive and finite.
  """

  temperature: float = 1.0

  def __post_init__(self):
    limits.real(self, 'temperature', above=0)

  def __call__(self, draw, value, done):
    reserved, open_rows, places = _places(done, np.ones_like(done))
    # A sigmoid in float32 reaches 0 and 1, whose logits are infinite.
    probability = np.clip(value, 1e-6, 1 - 1e-6)
    logit = np.log(probability) - np.log1p(-probability)
    edges = np.cumsum(_softmax(logit / self.temperature, open_rows)) * places
    ticks = np.minimum(np.floor(edges + draw()).astype(int), places)
    ticks[-1] = places  # the sum of the shares may fall short of 1 by an ulp
    return reserved + np.diff(ticks, prepend=0)

  def resolve(self, rows: int) -> int:
    """Returns W unchanged: any number of rows fits."""
    return rows


def parents(counts: np.ndarray) -> np.ndarray:
  """Turns counts [W] into the parent of each child [W], in rising order."""
  return np.repeat(np.arange(len(counts)), counts)


def _beam(value, done, kept_rows):
  """Returns counts [W]: equal numbers of children for the best rows."""
  order = np.argsort(-value, kind='stable')  # among equal values, by index
  rank = np.argsort(order, kind='stable')  # 0 is the best
  reserved, open_rows, places = _places(done, rank < kept_rows)
  # Shares are equal, so `rank` gives what does not divide to the better rows.
  share = open_rows / open_rows.sum()
  return reserved + _largest_remainder(share, places, rank)


def _places(done, chosen):
  """Reserves one of the W places for each chosen row that is done.

  Where every chosen row is done, these rows share all places: nothing else can
  be extended, and the counts must still sum to W.

  Returns:
    reserved: int [W], the places of chosen rows that are done.
    open_rows: bool [W], the rows among which the other places are divided.
    places: number of the other places.
  """
  live = chosen & ~done
  finished = chosen & done
  reserved = finished.astype(int) if live.any() else np.zeros(len(done), int)
  open_rows = live if live.any() else finished
  return reserved, open_rows, len(done) - reserved.sum()


def _softmax(score, among):
  """Softmax [W] over the rows that `among` [W] selects, and 0 elsewhere."""
  weight = np.zeros(len(score))
  # Less the maximum, so that the exponential does not overflow.
  weight[among] = np.exp(score[among] - score[among].max())
  return weight / weight.sum()


def _largest_remainder(share, places, rank=None):
  """Rounds share * places to integers that sum to places (Hamilton's method).

  Args:
    share: [W], summing to 1.
    places: number of places.
    rank: [W], the order of precedence among equal remainders; None is by index.
  """
  exact = share * places
  # 1e-4 undoes float error where a quota is a whole number. Remainders are
  # rounded below for the same reason: equal shares must tie.
  whole = np.floor(exact + 1e-4).astype(int)
  remainder = np.where(share > 0, exact - whole, -np.inf)
  if rank is None:
    rank = np.arange(len(share))
  order = np.lexsort((rank, -np.round(remainder, 4)))
  whole[order[: places - whole.sum()]] += 1
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
