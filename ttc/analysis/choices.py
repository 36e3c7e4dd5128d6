"""Which arm each difficulty bin takes: the best of all bins, or its own.

The rule is the paper's with a brake. One arm is best over all fitting questions
(the uniform arm). A bin leaves it only for an arm that is better on the bin's
own questions by more than ERRORS standard errors of the paired difference. With
0 errors it is the paper's rule, the best arm of each bin; a bin of 40 questions
then mostly follows noise, and choosing costs more than it brings.

Questions have weights, the number of times that each counts: 1 each, or as
often as a bootstrap draws them. All draws and all folds are fitted at once:

  values   float [A, Q], accuracy of each arm      bins   int [Q], from 1
  folds    int [Q], from 0                         weights  float [D, Q]
"""

from typing import NamedTuple

import numpy as np

ERRORS = 1.0  # standard errors by which a bin's own arm has to be better


class Choices(NamedTuple):
  """The arm of each bin, fitted without one of the folds.

  Attributes:
    arm: index of the arm, int [D, F, B].
    held_out: mean accuracy over the questions of a draw, each by the arm that
      was chosen without its fold, float64 [D].
  """

  arm: np.ndarray
  held_out: np.ndarray


def choose(
  values: np.ndarray,
  bins: np.ndarray,
  folds: np.ndarray,
  weights: np.ndarray,
  errors: float = ERRORS,
) -> Choices:
  """Fits every bin without each of the folds, in every draw.

  Of equally good arms the first is taken. A bin without questions takes the
  uniform arm.

  Args:
    values, bins, folds, weights: see the module.
    errors: standard errors by which a bin's own arm has to be better.
  """
  shape = int(folds.max()) + 1, int(bins.max())
  cells = folds * shape[1] + bins - 1
  right = _by_cell(values, weights, cells, shape)  # [D, A, F, B]
  count = _by_cell(np.ones([1, len(bins)]), weights, cells, shape)
  fitted, size = _others(right), _others(count)[:, 0]  # [D, F, B]
  uniform = fitted.sum(-1).argmax(1)  # [D, F]
  arm = np.broadcast_to(uniform[:, :, None], size.shape).copy()
  for u in np.unique(uniform):
    apart = values - values[u]
    draws = (uniform == u).any(1)
    ahead = fitted[draws] - fitted[draws, u][:, None]
    squares = _others(_by_cell(apart**2, weights[draws], cells, shape))
    own = _own(ahead, squares, size[draws], errors)
    here = (uniform[draws] == u)[:, :, None] & (own >= 0)
    arm[draws] = np.where(here, own, arm[draws])
  held = np.take_along_axis(right, arm[:, None], axis=1)
  return Choices(arm, held.sum((1, 2, 3)) / weights.sum(1))


def fit(
  values: np.ndarray, bins: np.ndarray, errors: float = ERRORS
) -> np.ndarray:
  """The arm of each bin, fitted on all questions, int [B].

  Args:
    values, bins: see the module.
    errors: see `choose`.
  """
  # Without the questions of fold 0, which has none.
  folds = np.ones(len(bins), np.int64)
  return choose(values, bins, folds, np.ones([1, len(bins)]), errors).arm[0, 0]


def _own(ahead, squares, size, errors: float) -> np.ndarray:
  """The arm for which a bin leaves the uniform one, -1 for none: [D, F, B].

  Args:
    ahead, squares: sums over a bin's fitting questions of the difference to the
      uniform arm, and of its square, [D, A, F, B].
    size: number of these questions, [D, F, B].
    errors: see `choose`.
  """
  size = size[:, None]
  mean = ahead / np.maximum(size, 1)
  # A few questions that all agree have no variance of their own: one more is
  # counted, with that of the differences in all bins.
  everywhere = squares.sum(-1, keepdims=True) / np.maximum(
    size.sum(-1, keepdims=True), 1
  )
  spread = np.maximum(squares - ahead * mean, 0) + everywhere
  error = np.sqrt(spread) / np.maximum(size, 1)
  better = mean > errors * error + 1e-12
  best = np.where(better, mean, -1).argmax(1)
  return np.where(better.any(1), best, -1)


def _by_cell(x, weights, cells, shape) -> np.ndarray:
  """Weighted sums of x [A, Q] over the questions of a cell: [D, A, F, B]."""
  sums = np.zeros([len(weights), len(x), shape[0] * shape[1]])
  for cell in np.unique(cells):
    members = np.flatnonzero(cells == cell)
    sums[:, :, cell] = weights[:, members] @ x[:, members].T
  return sums.reshape(len(weights), len(x), *shape)


def _others(sums: np.ndarray) -> np.ndarray:
  """Of sums by fold [..., F, B], those of all other folds."""
  return sums.sum(-2, keepdims=True) - sums
