"""Selection of one answer by verifier scores or votes (paper §5.1, §6.1).

`step_score` reduces the values of a solution's steps to one score. A selector
then chooses one of the W answers to a question. All selectors have the
signature `(answer, score, rng) -> index`, whichever of the three they use, so
that they are interchangeable:

  answer  int [..., W]: equal ids are equal answers. -1 is unparsable, and is
          selected only if the question has no parsable answer.
  score   float [..., W], at least 0, or None if the selector uses none.
  rng     a np.random.Generator, or None if nothing is random.
  index   int [...]: the selected answer, in 0..W-1.

For chains of revisions the arrays are [..., C, T] and the index is into the
C * T attempts, `chain * T + turn`.

Selectors that use scores raise ValueError if the shapes of answer and score
differ, or if a score is below 0 or NaN.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Literal

import numpy as np

Reduction = Literal['last', 'min', 'prod', 'mean']
Selector = Callable[
  [np.ndarray, np.ndarray | None, np.random.Generator | None], np.ndarray
]

UNPARSABLE = -1


def answer_ids(answers: Sequence[Hashable | None]) -> np.ndarray:
  """Numbers answers by first appearance.

  Args:
    answers: the W answers to a question; None is unparsable.

  Returns:
    int64 [W], equal for equal answers, UNPARSABLE for None.
  """
  ids: dict[Hashable, int] = {}
  return np.array(
    [UNPARSABLE if a is None else ids.setdefault(a, len(ids)) for a in answers],
    np.int64,
  )


def step_score(values, how: Reduction = 'last', num_steps=None) -> np.ndarray:
  """Reduces the verifier's values of a solution's steps to one score.

  Args:
    values: values of the steps, float [..., S] in [0, 1].
    how: 'last' takes the last step's value (the paper's choice), 'min' the
      least, 'prod' the product of all, 'mean' their mean.
    num_steps: number of steps of each solution, int [...]; None is S. Values
      beyond it are ignored.

  Returns:
    float64 [...]; 0 for a solution without a step, which is thus never
    preferred.

  Raises:
    ValueError: a step's value is outside [0, 1], or `how` is unknown.
  """
  values = np.asarray(values, np.float64)
  size = values.shape[-1]
  count = np.broadcast_to(
    np.asarray(size if num_steps is None else num_steps), values.shape[:-1]
  )
  used = np.arange(size) < count[..., None]
  # Written so that NaN fails the test as well.
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
    case 'mean':
      score = np.where(used, values, 0.0).sum(axis=-1) / np.maximum(count, 1)
    case _:
      raise ValueError(
        f'Unknown reduction {how!r}; choose one of last, min, prod and mean.'
      )
  return np.where(count > 0, score, 0.0)


def best(answer, score, rng=None) -> np.ndarray:
  """The answer with the highest score; the first of equals."""
  del rng
  answer, score = _checked(answer, score)
  parsable = answer != UNPARSABLE
  eligible = parsable | ~parsable.any(axis=-1, keepdims=True)
  return np.where(eligible, score, -1.0).argmax(axis=-1)


def weighted(answer, score, rng=None) -> np.ndarray:
  """Best-of-N weighted: the answer with the largest sum of scores.

  Its occurrence with the highest score is selected. Between answers with equal
  sums the highest single score decides, and then the order.
  """
  del rng
  answer, score = _checked(answer, score)
  return np.where(_winners(answer, score), score, -1.0).argmax(axis=-1)


def pessimistic(answer, score, rng=None, doubt: float = 0.1) -> np.ndarray:
  """The answer with the largest mean score after a doubt of rare answers.

  The Pessimistic Verification of Shi and Jin 2025 (arXiv 2504.10337): the mean
  score of an answer that n of W attempts give, less doubt * ln(W) / (n + 1). An
  answer that a search made up once and liked counts less than one that it found
  often. Without doubt the largest mean wins, with much of it the majority.

  Its occurrence with the highest score is selected; ties as in `weighted`.

  Args:
    answer, score, rng: see the module.
    doubt: what is taken off, at least 0.
  """
  del rng
  answer, score = _checked(answer, score)
  count = _totals(answer, np.ones(answer.shape))
  taken = doubt * np.log(answer.shape[-1]) / (count + 1)
  winners = _leading(answer, _totals(answer, score) / count - taken)
  return np.where(winners, score, -1.0).argmax(axis=-1)


def majority(answer, score, rng: np.random.Generator) -> np.ndarray:
  """A random occurrence of the most frequent answer; ties are random too."""
  del score
  answer = np.asarray(answer)
  winners = _winners(answer, np.ones(answer.shape))
  # Tied answers occur equally often, so uniform over occurrences is uniform
  # over answers.
  return np.where(winners, rng.random(answer.shape), -1.0).argmax(axis=-1)


def hierarchical(answer, score, rng=None) -> np.ndarray:
  """The paper's vote over chains (paper §6.1): [..., C, T] -> index in C * T.

  A weighted vote within each chain selects one attempt per chain. A second
  weighted vote, with the scores of those attempts, selects among them.
  """
  del rng
  answer, score = _checked(answer, score)
  turn = weighted(answer, score)  # [..., C]
  chain = weighted(_pick(answer, turn), _pick(score, turn))
  return chain * answer.shape[-1] + _pick(turn, chain)


def flat_majority(answer, score, rng: np.random.Generator) -> np.ndarray:
  """Majority over all attempts of all chains: [..., C, T] -> index in C * T."""
  answer = np.asarray(answer)
  return majority(answer.reshape(*answer.shape[:-2], -1), score, rng)


def _winners(answer: np.ndarray, weight: np.ndarray) -> np.ndarray:
  """Which entries hold an answer of the largest total weight, bool [..., W]."""
  return _leading(answer, _totals(answer, weight))


def _leading(answer: np.ndarray, worth: np.ndarray) -> np.ndarray:
  """Which entries hold an answer of the largest worth, bool [..., W]."""
  # Unparsable answers win only if all are.
  worth = np.where(answer == UNPARSABLE, -np.inf, worth)
  return worth == worth.max(axis=-1, keepdims=True)


def _totals(answer: np.ndarray, weight: np.ndarray) -> np.ndarray:
  """For each entry the total weight of its answer, float64 [..., W]."""
  width = answer.shape[-1]
  ids = answer.reshape(-1, width)
  # Subsets of a pool keep the pool's ids, which can exceed their width.
  if ids.max(initial=UNPARSABLE) >= width:
    ids = _dense(ids)
  # One bin per question and id; bin 0 of a question is for unparsable answers.
  bins = np.arange(len(ids))[:, None] * (width + 1) + ids + 1
  totals = np.bincount(bins.ravel(), weight.ravel())
  return totals[bins].reshape(answer.shape)


def _dense(ids: np.ndarray) -> np.ndarray:
  """Renumbers the ids of each question from 0 in increasing order, [B, W]."""
  order = ids.argsort(axis=-1)
  ranked = np.take_along_axis(ids, order, axis=-1)
  rank = np.zeros_like(ids)
  rank[:, 1:] = np.cumsum(ranked[:, 1:] != ranked[:, :-1], axis=-1)
  dense = np.empty_like(ids)
  np.put_along_axis(dense, order, rank, axis=-1)
  return dense


def _pick(x: np.ndarray, index: np.ndarray) -> np.ndarray:
  """Selects along the last axis: x [..., N], index [...] -> [...]."""
  return np.take_along_axis(x, index[..., None], axis=-1)[..., 0]


def _checked(answer, score) -> tuple[np.ndarray, np.ndarray]:
  """Both as arrays; raises ValueError unless they fit the module docstring."""
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
