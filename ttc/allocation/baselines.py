"""What an allocation has to beat, replayed from recorded actions.

Every baseline is a curve of points (FLOPs, accuracy) per question, float [Q]
each. Their settings are those that do best on the fitting questions; the points
are of other questions. FLOPs of part of a pool are a pool's, by attempt: the
prompt once, and the mean attempt n times.
"""

from collections.abc import Sequence
import dataclasses
import math

import numpy as np

from ttc.allocation.evidence import answer, Evidence
from ttc.allocation.recorded import Recorded, Recordings

# Scores at which a cap-and-threshold rule may accept; few, so that choosing
# among them on the fitting questions costs nothing on others.
_THRESHOLDS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
_CONFIDENCE = (0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


@dataclasses.dataclass(frozen=True)
class Point:
  """One setting of a rule on Q questions.

  Attributes:
    setting: of the rule, in words.
    flops: float [Q].
    right: float [Q].
  """

  setting: str
  flops: np.ndarray
  right: np.ndarray


def threshold(
  fitting: Recordings, others: Recordings, first: str | None
) -> list[Point]:
  """Sample until a score is high enough, or a cap is reached.

  Args:
    fitting: where caps and thresholds are chosen.
    others: the questions to answer. Both have a pool of best-of-N.
    first: an action to begin with, e.g. the greedy one; None for none.
  """
  rules = [(cap, at) for cap in _caps(best_of_n(fitting)) for at in _THRESHOLDS]
  run = lambda where: [_until(where, first, *rule) for rule in rules]
  return _best(run(fitting), run(others))


def consistency(fitting: Recordings, others: Recordings) -> list[Point]:
  """Adaptive consistency (Aggarwal et al. 2023): until a majority is safe.

  No verifier is read, and none is charged for.
  """
  rules = [(cap, at) for cap in _caps(best_of_n(fitting)) for at in _CONFIDENCE]
  run = lambda where: [_until_safe(best_of_n(where), *rule) for rule in rules]
  return _best(run(fitting), run(others))


def clairvoyant(others: Recordings) -> list[Point]:
  """Knows how often each question is solved, and a right answer when it comes.

  Samples the most often solved questions first, each until it is right. []
  where none is ever solved.
  """
  pool = best_of_n(others)
  rate = np.array([np.mean([r['correct'] for r in q]) for q in pool.rows])
  attempt, prompt = by_attempt(pool)
  needed = np.where(rate > 0, prompt + attempt / np.maximum(rate, 1e-9), np.inf)
  order = np.argsort(needed, kind='stable')
  points = []
  solved = int(np.isfinite(needed).sum())
  if not solved:
    return []
  for count in np.unique(np.linspace(1, solved, 40).astype(int)):
    chosen = np.isin(np.arange(len(rate)), order[:count])
    points.append(
      Point(f'{count} questions', np.where(chosen, needed, 0.0), chosen * 1.0)
    )
  return points


def best_of_n(recordings: Recordings) -> Recorded:
  """The largest best-of-N; ValueError without one."""
  if recordings.best_of_n is None:
    raise ValueError(
      f'None of {", ".join(recordings.actions)} is best-of-N, which baselines '
      'sample from; add it to the arms.'
    )
  return recordings.best_of_n


def _caps(pool: Recorded) -> list[int]:
  """1, 2, 4, ... up to a quarter of the pool: more would reuse its answers."""
  top = max(pool.budget // 4, 1)
  return [2**e for e in range(int(math.log2(top)) + 1)]


def by_attempt(pool: Recorded) -> tuple[np.ndarray, np.ndarray]:
  """FLOPs of one attempt, and of the prompt, float [Q] each."""
  prompt = pool.prompt * pool.rate
  return (pool.flops - prompt) / pool.budget, prompt


def _until(
  recordings: Recordings, first: str | None, cap: int, accept: float
) -> Point:
  """One cap and threshold on all questions."""
  pool = best_of_n(recordings)
  attempt, prompt = by_attempt(pool)
  begin = recordings.actions[first] if first else None
  flops, right = np.zeros(len(pool.rows)), np.zeros(len(pool.rows))
  for q, rows in enumerate(pool.rows):
    before = list(begin.rows[q]) if begin else []
    flops[q] = begin.flops[q] if begin else 0.0
    score = Evidence.of([*before, *rows[:cap]]).score
    hit = np.flatnonzero(score >= accept)
    used = min(hit[0] + 1 if hit.size else len(score), len(score))
    sampled = max(used - len(before), 0)
    flops[q] += (prompt[q] + sampled * attempt[q]) if sampled else 0.0
    seen = [*before, *rows][:used]
    right[q] = answer(seen)['correct']
  return Point(f'cap {cap}, score {accept}', flops, right)


def _until_safe(pool: Recorded, cap: int, confidence: float) -> Point:
  """One cap and confidence on all questions."""
  spent = pool.proposer * pool.rate
  attempt = spent / pool.budget
  flops, right = np.zeros(len(pool.rows)), np.zeros(len(pool.rows))
  for q, rows in enumerate(pool.rows):
    ids = Evidence.of(rows[:cap]).answer
    for used in range(1, cap + 1):
      names, counts = np.unique(ids[:used], return_counts=True)
      top = np.sort(counts)[::-1]
      second = top[1] if len(top) > 1 else 0
      if lead_probability(int(top[0]), int(second)) >= confidence:
        break
    winner = names[counts.argmax()]
    right[q] = rows[int(np.flatnonzero(ids[:used] == winner)[0])]['correct']
    flops[q] = used * attempt[q]
  return Point(f'cap {cap}, confidence {confidence}', flops, right)


def lead_probability(first: int, second: int) -> float:
  """Chance that the leader is the more frequent of two answers.

  Of Beta(first + 1, second + 1) above one half: the chance that a fair coin
  shows at most `first` heads in first + second + 1 tosses.
  """
  tosses = first + second + 1
  return sum(math.comb(tosses, k) for k in range(first + 1)) / 2**tosses


def _best(fitted: Sequence[Point], judged: Sequence[Point]) -> list[Point]:
  """The judged points whose settings no cheaper one beats where fitted."""
  order = sorted(
    range(len(fitted)),
    key=lambda i: (fitted[i].flops.mean(), -fitted[i].right.mean()),
  )
  kept, top = [], -1.0
  for i in order:
    if fitted[i].right.mean() > top:
      top = fitted[i].right.mean()
      kept.append(judged[i])
  return kept
