"""One-shot allocation by a probe of the prompt (Damani et al. 2025).

Before anything is sampled, each question gets as many samples as its predicted
solve rate is worth: the n-th goes where (1 - rate)^(n - 1) rate is largest.
"""

import dataclasses
import pathlib

import numpy as np

from ttc.allocation import regression
from ttc.allocation.baselines import best_of_n, by_attempt, Point
from ttc.allocation.evidence import answer
from ttc.allocation.recorded import Recordings, spend
from ttc.pipeline import model_folders, records

_RIDGE = 10.0


@dataclasses.dataclass(frozen=True)
class Probed:
  """The states of questions.

  Attributes:
    problem: ids, ascending int [Q].
    state: float [Q, D].
    flops: of reading the prompt, float [Q].
  """

  problem: np.ndarray
  state: np.ndarray
  flops: np.ndarray

  @classmethod
  def read(cls, folder: pathlib.Path) -> 'Probed | None':
    """Reads a probe stage; None without a folder."""
    if not folder.is_dir():
      return None
    models = model_folders.used(folder)
    rows = sorted(
      (r for r in records.read_rows(folder) if 'skipped' not in r),
      key=lambda r: r['problem'],
    )
    return cls(
      np.array([r['problem'] for r in rows]),
      np.array([r['state'] for r in rows]),
      np.array([spend(r['cost'], models)[1] for r in rows]),
    )

  def at(self, problem: np.ndarray) -> 'Probed':
    """Some of the questions, which must all be there."""
    place = np.searchsorted(self.problem, problem)
    return Probed(problem, self.state[place], self.flops[place])

  def predict(self, fitting: 'Probed', rate: np.ndarray) -> np.ndarray:
    """Solve rates, float [Q], by a logistic probe of other questions.

    Args:
      fitting: questions whose solve rates are known.
      rate: these rates, float [Q'].
    """
    mean, scale = fitting.state.mean(0), fitting.state.std(0) + 1e-6
    columns = lambda own: np.concatenate(
      [np.ones((len(own.state), 1)), (own.state - mean) / scale], axis=1
    )
    weights = regression.logistic(columns(fitting), rate, _RIDGE)
    return regression.sigmoid(columns(self) @ weights)


def points(others: Recordings, probed: Probed, rate: np.ndarray) -> list[Point]:
  """The allocation at several prices of a sample.

  Args:
    others: the questions to answer, with a pool of best-of-N.
    probed: what reading their prompts cost.
    rate: their predicted solve rates, float [Q].
  """
  pool = best_of_n(others)
  attempt, prompt = by_attempt(pool)
  cap = max(pool.budget // 4, 1)
  spent = []
  for price in np.geomspace(0.5, 1e-3, 12).tolist():
    count = samples(rate, price, cap)
    seen = [rows[:n] for rows, n in zip(pool.rows, count, strict=True)]
    right = [answer(rows)['correct'] for rows in seen]
    flops = probed.flops + prompt + count * attempt
    spent.append(Point(f'price {price:.2g}', flops, np.array(right, float)))
  # Prices at which nothing changes make the same point.
  return list({p.flops.mean(): p for p in spent}.values())


def samples(rate: np.ndarray, price: float, cap: int) -> np.ndarray:
  """Samples of each question whose last one is still worth its price, int [Q].

  Args:
    rate: predicted solve rates, float [Q].
    price: the least chance of a first right answer that a sample is taken for.
    cap: the most samples; the least is 1.
  """
  tries = np.arange(cap)  # wrong ones before
  worth = rate[:, None] * (1 - rate[:, None]) ** tries >= price
  return np.maximum(worth.sum(axis=1), 1)
