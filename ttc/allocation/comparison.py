"""An allocation beside what it has to beat, on the test questions of one seed.

Everything is a curve of points, each with executed FLOPs and accuracy of every
question, so that comparisons are paired.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import pathlib

import numpy as np

from ttc.allocation import baselines, ledger, one_shot
from ttc.allocation.baselines import Point
from ttc.allocation.evidence import answer, Evidence
from ttc.allocation.ledger import Ledger
from ttc.allocation.one_shot import Probed
from ttc.allocation.recorded import action_name, Recordings
from ttc.analysis import names, optimal, spending
from ttc.analysis.bootstrap import Refitted
from ttc.analysis.study import Study

ALLOCATION = 'allocation'
UNIFORM = 'best uniform arm'
THRESHOLD = 'cap and threshold'
GREEDY_FIRST = 'cap and threshold, greedy first'
CONSISTENCY = 'adaptive consistency'
POLICY = 'policy by difficulty, its samples charged'
ONE_SHOT = 'one shot by a probe of the prompt'
RANDOM = 'random at equal spend'
CLAIRVOYANT = 'clairvoyant'

_GREEDY = action_name('Greedy()', 1)


@dataclasses.dataclass(frozen=True)
class Comparison:
  """Of one seed, on Q questions.

  Attributes:
    ledgers: what was spent, by budget.
    curves: points by name, the cheapest first; those that resample answers only
      where best-of-N was recorded, for fitting and here.
    targets: the best uniform arm by generations (N).
    chosen: accuracies of the targets, with the choice made again in draws.
    fitted: FLOPs executed on fitting questions.
    solve_rate: share of right answers among the test samples, float [Q]; None
      without best-of-N.
    estimates: predicted solve rates and FLOPs of predicting them, by name; {}
      without a solve rate, which they are compared with.
  """

  ledgers: Sequence[Ledger]
  curves: Mapping[str, Sequence[Point]]
  targets: Mapping[int, Point]
  chosen: Mapping[int, Refitted]
  fitted: float
  solve_rate: np.ndarray | None
  estimates: Mapping[str, tuple[np.ndarray, np.ndarray]]


def load(root: pathlib.Path, study: Study) -> Comparison | None:
  """Reads the stages below a seed's folder.

  Args:
    root: folder of the seed, with the folders pilot, search, greedy and
      allocate.
    study: of the same seed; its questions are compared.

  Returns:
    None where nothing was allocated, or no uniform arm was measured.

  Raises:
    ValueError: the records of a stage lack what is compared.
    ttc.pipeline.records.IncompleteError: a stage has not finished.
  """
  ledgers = [own.at(study.problem) for own in ledger.read(root / 'allocate')]
  targets = _uniform(study)
  if not ledgers or not targets:
    return None
  fitting = Recordings.read(root / 'pilot')
  folders = [root / name for name in ('search', 'greedy')]
  others = Recordings.read(*(f for f in folders if f.is_dir())).at(
    study.problem
  )
  curves = {
    ALLOCATION: [
      Point(f'{own.budget:g} per question', own.flops, own.correct * 1.0)
      for own in ledgers
    ],
    UNIFORM: list(targets.values()),
    names.WEIGHTED: _weighted(study),
    POLICY: _policy(study),
    RANDOM: _random(ledgers, others),
  }
  solve_rate, estimates = None, {}
  if others.best_of_n is not None and fitting.best_of_n is not None:
    solve_rate = _solve_rate(others)
    estimates = _samples_estimates(study, ledgers, others)
    curves |= _resampling(fitting, others)
    probe = _probe(root, fitting, others)
    if probe is not None:
      probed, rate = probe
      curves[ONE_SHOT] = one_shot.points(others, probed, rate)
      estimates['probe of the prompt'] = rate, probed.flops
  return Comparison(
    ledgers,
    {name: points for name, points in curves.items() if points},
    targets,
    study.search_optimal.refitted(optimal.UNIFORM),
    fitting.executed,
    solve_rate,
    estimates,
  )


def flops_at(accuracy, flops, wanted) -> np.ndarray:
  """FLOPs at which curves reach an accuracy, by monotone interpolation.

  Args:
    accuracy: of the points, float [..., n].
    flops: of the points, rising, float [..., n].
    wanted: the accuracy to reach, float [...].

  Returns:
    float64 [...], linear in the logarithm of FLOPs between points; those of the
    first point where it is enough; NaN where no point reaches the accuracy.
  """
  top = np.maximum.accumulate(np.asarray(accuracy, np.float64), axis=-1)
  wanted = np.asarray(wanted, np.float64)[..., None]
  right = np.minimum((top < wanted).sum(-1, keepdims=True), top.shape[-1] - 1)
  left = np.maximum(right - 1, 0)
  at = lambda x, place: np.take_along_axis(x, place, axis=-1)
  low, high = at(top, left), at(top, right)
  between = (right > 0) & (high > low)
  share = np.where(
    between, (wanted - low) / np.where(between, high - low, 1), 1
  )
  logs = np.log(np.asarray(flops, np.float64))
  found = np.exp(at(logs, left) + share * (at(logs, right) - at(logs, left)))
  return np.where(top[..., -1:] < wanted, np.nan, found)[..., 0]


def _uniform(study: Study) -> dict[int, Point]:
  """The best uniform arm by budget, chosen on other questions."""
  fits = study.search_optimal
  if fits is None or optimal.UNIFORM not in fits.flops:
    return {}
  return {
    n: Point(f'N={n}', fits.flops[optimal.UNIFORM][n], accuracy)
    for n, accuracy in sorted(fits.uniform.items())
  }


def _resampling(
  fitting: Recordings, others: Recordings
) -> dict[str, list[Point]]:
  """The rules that draw from best-of-N as they go; both have it."""
  curves = {
    THRESHOLD: baselines.threshold(fitting, others, None),
    CONSISTENCY: baselines.consistency(fitting, others),
    CLAIRVOYANT: baselines.clairvoyant(others),
  }
  if _GREEDY in fitting.actions and _GREEDY in others.actions:
    curves[GREEDY_FIRST] = baselines.threshold(fitting, others, _GREEDY)
  return curves


def _weighted(study: Study) -> list[Point]:
  curve = study.base_arms.get(names.WEIGHTED, {})
  return [
    Point(f'N={n}', point.flops, point.question)
    for n, point in sorted(curve.items())
    if point.flops is not None
  ]


def _policy(study: Study) -> list[Point]:
  """The paper's policy, by predicted bins, with the samples that bin."""
  fits = study.search_optimal
  if 'predicted' not in fits.flops or study.difficulty is None:
    return []
  binned = spending.whole(study.difficulty.at(study.problem))
  if binned is None:
    return []
  return [
    Point(f'N={n}', fits.flops['predicted'][n] + binned[:, 1], accuracy)
    for n, accuracy in sorted(fits.adaptive['predicted'].items())
  ]


def _solve_rate(recordings: Recordings) -> np.ndarray:
  pool = baselines.best_of_n(recordings)
  return np.array([np.mean([r['correct'] for r in q]) for q in pool.rows])


def _probe(
  root: pathlib.Path, fitting: Recordings, others: Recordings
) -> tuple[Probed, np.ndarray] | None:
  """States of the questions and their predicted solve rates, if probed."""
  seen, asked = (Probed.read(root / name) for name in ('probe_pilot', 'probe'))
  if seen is None or asked is None:
    return None
  asked = asked.at(others.problem)
  rate = _solve_rate(fitting)
  return asked, asked.predict(seen.at(fitting.problem), rate)


def _samples_estimates(
  study: Study, ledgers: Sequence[Ledger], others: Recordings
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
  """Mean scores of samples that only bin, and of those that answer too."""
  estimates = {}
  pool = study.difficulty
  if pool is not None and pool.values is not None:
    pool = pool.at(study.problem)
    spent = spending.whole(pool)
    if spent is not None:
      name = f'{pool.width} samples of their own'
      estimates[name] = pool.score().mean(1), spent[:, 1]
  first = ledgers[0].actions[0][0]
  if first in others.actions:
    score = [
      Evidence.of(rows).score.mean() for rows in others.actions[first].rows
    ]
    free = np.zeros(len(others.problem))
    estimates['first answer of the allocation'] = np.array(score), free
  return estimates


def _random(ledgers: Sequence[Ledger], others: Recordings) -> list[Point]:
  """The same actions as in each ledger, dealt to questions at random.

  [] where one of the actions is no arm of the search stage.
  """
  taken = {name for own in ledgers for a in own.actions for name in a}
  if not taken <= set(others.actions):
    return []
  return [_dealt(own, others) for own in ledgers]


def _dealt(own: Ledger, others: Recordings) -> Point:
  taken, count = np.unique(
    np.array([' + '.join(a) for a in own.actions]), return_counts=True
  )
  spellings = {' + '.join(a): a for a in own.actions}
  flops = np.zeros(len(others.problem))
  right = np.zeros(len(others.problem))
  for text, share in zip(taken, count / count.sum(), strict=True):
    actions = spellings[str(text)]
    joined = zip(*(others.actions[n].rows for n in actions), strict=True)
    seen = [[row for rows in q for row in rows] for q in joined]
    chosen = [answer(rows)['correct'] for rows in seen]
    right += share * np.array(chosen, float)
    flops += share * sum(others.actions[n].executed for n in actions)
  return Point(f'{own.budget:g} per question', flops, right)
