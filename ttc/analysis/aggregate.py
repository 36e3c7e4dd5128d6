"""From verifier values to one selected solution (paper §5.1, §6.1).

First the values of a solution's steps become one score, then a vote over the
solutions of a question selects a row. Every selector has the signature
`(answer, score, rng) -> index`, whichever of the three it needs, so that
curves and strategies take any of them:

  answer  int [..., W]: equal ids are equal answers, -1 is unparsable and never
          wins if the question has a parsable answer.
  score   float [..., W], at least 0, or None where the selector votes without.
  rng     a np.random.Generator, or None where nothing is random.
  index   int [...]: the selected row, in 0..W-1.

Over chains of revisions the arrays are [..., C, T] and the index is into the
C * T attempts, `chain * T + turn`.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Literal

import numpy as np

Reduction = Literal['last', 'min', 'prod']
Selector = Callable[
  [np.ndarray, np.ndarray | None, np.random.Generator | None], np.ndarray
]

UNPARSABLE = -1


def answer_ids(answers: Sequence[Hashable | None]) -> np.ndarray:
  """Numbers answers by first appearance; None becomes UNPARSABLE. int [W]."""
  ids: dict[Hashable, int] = {}
  return np.array(
    [UNPARSABLE if a is None else ids.setdefault(a, len(ids)) for a in answers],
    np.int64,
  )


def step_score(values, how: Reduction = 'last', num_steps=None) -> np.ndarray:
  """One score a solution out of the verifier's values of its steps.

  Args:
    values: [..., S], in [0, 1].
    how: the last step's value (the paper's choice), the least, or the product.
    num_steps: [...], how many of the S cells are in use; None is all. Cells
      beyond it may hold anything.

  Returns:
    float64 [...]; 0 for a solution without a step, which is thus never
    preferred.
  """
  values = np.asarray(values, np.float64)
  size = values.shape[-1]
  count = np.broadcast_to(
    np.asarray(size if num_steps is None else num_steps), values.shape[:-1]
  )
  used = np.arange(size) < count[..., None]
  if not ((values >= 0) & (values <= 1) | ~used).all():
    raise ValueError(
      f'A step value is {values[used & ~((values >= 0) & (values <= 1))][0]},'
      ' outside [0, 1]; give sigmoids of the value logits, without NaN.'
    )
  if not size:
    return np.zeros(values.shape[:-1])
  match how:
    case 'last':
      last = np.maximum(count - 1, 0)[..., None]
      score = np.take_along_axis(values, last, axis=-1)[..., 0]
    case 'min':
      score = np.where(used, values, np.inf).min(axis=-1)
    case 'prod':
      score = np.where(used, values, 1.0).prod(axis=-1)
    case _:
      raise ValueError(
        f'step_score knows no {how!r}; choose last, min or prod.'
      )
  return np.where(count > 0, score, 0.0)


def best(answer, score, rng=None) -> np.ndarray:
  """The highest scored row; the first of equals."""
  del rng
  answer, score = _checked(answer, score)
  parsable = answer != UNPARSABLE
  eligible = parsable | ~parsable.any(axis=-1, keepdims=True)
  return np.where(eligible, score, -1.0).argmax(axis=-1)


def weighted(answer, score, rng=None) -> np.ndarray:
  """Best-of-N weighted: the answer with the largest sum of scores.

  Of its rows the highest scored is selected. Between answers with equal sums
  the highest scored row decides, and then the first.
  """
  del rng
  answer, score = _checked(answer, score)
  return np.where(_winners(answer, score), score, -1.0).argmax(axis=-1)


def majority(answer, score, rng: np.random.Generator) -> np.ndarray:
  """A row of the most frequent answer; a tie is broken at random."""
  del score
  answer = np.asarray(answer)
  winners = _winners(answer, np.ones(answer.shape))
  # Tied answers have equally many rows, so uniform over the rows is uniform
  # over the answers.
  return np.where(winners, rng.random(answer.shape), -1.0).argmax(axis=-1)


def hierarchical(answer, score, rng=None) -> np.ndarray:
  """The paper's vote over chains: [..., C, T] -> index in C * T.

  Each chain sends the highest scored row of its weighted winner; those compete
  in a second weighted vote, each with its own score.
  """
  del rng
  answer, score = _checked(answer, score)
  sent = weighted(answer, score)  # [..., C]
  chain = weighted(_pick(answer, sent), _pick(score, sent))
  return chain * answer.shape[-1] + _pick(sent, chain)


def flat_majority(answer, score, rng: np.random.Generator) -> np.ndarray:
  """Majority over all attempts of all chains: [..., C, T] -> index in C * T."""
  answer = np.asarray(answer)
  return majority(answer.reshape(*answer.shape[:-2], -1), score, rng)


def _winners(answer: np.ndarray, weight: np.ndarray) -> np.ndarray:
  """Which rows hold an answer of the largest total weight. bool [..., W]."""
  total = np.where(answer == UNPARSABLE, -1.0, _totals(answer, weight))
  return total == total.max(axis=-1, keepdims=True)


def _totals(answer: np.ndarray, weight: np.ndarray) -> np.ndarray:
  """For each row the total weight of all rows with its answer. [..., W]."""
  width = answer.shape[-1]
  ids = answer.reshape(-1, width)
  if ids.max(initial=UNPARSABLE) >= width:
    ids = _dense(ids)
  # One bin for each (question, id), the unparsable ones in the first.
  bins = np.arange(len(ids))[:, None] * (width + 1) + ids + 1
  totals = np.bincount(bins.ravel(), weight.ravel())
  return totals[bins].reshape(answer.shape)


def _dense(ids: np.ndarray) -> np.ndarray:
  """Renumbers each row's ids as 0, 1, … in increasing order. [B, W]."""
  order = ids.argsort(axis=-1)
  ranked = np.take_along_axis(ids, order, axis=-1)
  rank = np.zeros_like(ids)
  rank[:, 1:] = np.cumsum(ranked[:, 1:] != ranked[:, :-1], axis=-1)
  dense = np.empty_like(ids)
  np.put_along_axis(dense, order, rank, axis=-1)
  return dense


def _pick(x: np.ndarray, index: np.ndarray) -> np.ndarray:
  """x[..., index], one index for each leading position."""
  return np.take_along_axis(x, index[..., None], axis=-1)[..., 0]


def _checked(answer, score) -> tuple[np.ndarray, np.ndarray]:
  answer, score = np.asarray(answer), np.asarray(score, np.float64)
  if answer.shape != score.shape:
    raise ValueError(
      f'answer has shape {answer.shape} and score {score.shape}; give one '
      'score for each answer.'
    )
  if not (score >= 0).all():
    raise ValueError(
      f'A score is {score[~(score >= 0)][0]}; votes are weighted by scores '
      'that are at least 0, without NaN.'
    )
  return answer, score
