"""Fits an allocation on recorded actions of fitting questions.

Every ladder that can be made from the candidates by leaving out rungs is tried
at every price. How good each is, is measured on questions that fitted neither
its belief nor its rules.
"""

from collections.abc import Sequence
import dataclasses
import itertools
from typing import NamedTuple

import numpy as np

from ttc.allocation.allocation import ActionSummary, Allocation
from ttc.allocation.cascade import Cascade, Climb
from ttc.allocation.recorded import Recordings

_FOLDS = 5
# Prices as accuracy per mean FLOPs of climbing the whole ladder: at the least
# nearly everything is climbed, at the highest nothing beyond the first rung.
_PRICES = np.geomspace(30.0, 1e-3, 28)
FEWEST = 20  # questions; a rule has nine numbers

Ladder = tuple[str, ...]


class _State(NamedTuple):
  """All questions once some actions are done."""

  support: np.ndarray  # [Q, 5]
  promise: np.ndarray  # [Q, 3]
  right: np.ndarray  # of the chosen answer [Q]


class _States:
  """The states of the questions by actions done, each made once."""

  def __init__(self, recordings: Recordings):
    self._recordings = recordings
    self._made: dict[Ladder, _State] = {}

  def after(self, names: Ladder) -> _State:
    """The state after these actions, in this order."""
    if names not in self._made:
      evidence = self._recordings.evidence(names)
      right = self._recordings.right(names)
      self._made[names] = _State(
        np.stack([e.support for e in evidence]),
        np.stack([e.promise for e in evidence]),
        np.array(
          [r[e.choice] for e, r in zip(evidence, right, strict=True)], float
        ),
      )
    return self._made[names]


def fit(
  recordings: Recordings, ladders: Sequence[Ladder], seed: int
) -> Allocation:
  """Fits cascades.

  Args:
    recordings: of every action of the ladders.
    ladders: candidates, each from the cheapest action to the dearest.
    seed: of the folds.

  Raises:
    ValueError: an action was not recorded, or there are too few questions.
  """
  unknown = sorted(
    {name for ladder in ladders for name in ladder} - set(recordings.actions)
  )
  if unknown:
    raise ValueError(
      f'No records of the action {unknown[0]}; the fitting questions have '
      f'{", ".join(recordings.actions)}.'
    )
  count = len(recordings.problem)
  if count < FEWEST:
    raise ValueError(
      f'{count} questions are too few to fit an allocation on; give {FEWEST} '
      'or more.'
    )
  states, shorter = _States(recordings), _shortened(ladders)
  fold = np.random.default_rng(seed).permutation(np.arange(count) % _FOLDS)
  cascades = [
    cascade
    for ladder in shorter
    for cascade in _cascades(ladder, _climb(recordings, states, ladder), fold)
  ]
  everything = Allocation(tuple(cascades), {}, count, 0.0)
  kept = {everything.choose(f).ladder for f in everything.reach(40)}
  measured = {
    name: ActionSummary(
      float(states.after((name,)).right.mean()),
      float(action.flops.mean()),
      action.rate,
    )
    for name, action in recordings.actions.items()
    if any(name in ladder for ladder in kept)
  }
  pool = recordings.best_of_n
  return dataclasses.replace(
    everything,
    cascades=tuple(c for c in cascades if c.ladder in kept),
    actions=measured,
    spent=recordings.executed,
    generation=pool and float(pool.flops.mean()) / pool.budget,
  )


def climb(recordings: Recordings, ladder: Ladder) -> Climb:
  """The questions on every rung of a ladder."""
  return _climb(recordings, _States(recordings), ladder)


def _shortened(ladders: Sequence[Ladder]) -> list[Ladder]:
  """All ladders that keep the first rung of a candidate, and any others."""
  return list(
    dict.fromkeys(
      (ladder[0], *rest)
      for ladder in ladders
      for size in range(len(ladder))
      for rest in itertools.combinations(ladder[1:], size)
    )
  )


def _climb(recordings: Recordings, states: _States, ladder: Ladder) -> Climb:
  """As `climb`, with the states that are there."""
  made = [states.after(ladder[: rung + 1]) for rung in range(len(ladder))]
  flops = [recordings.actions[name].flops for name in ladder]
  fields = zip(*made, strict=True)
  return Climb(*(np.stack(field) for field in fields), np.stack(flops))


def _cascades(ladder: Ladder, whole: Climb, fold: np.ndarray) -> list[Cascade]:
  """The cascades of a ladder, with what they do on held-out questions."""
  prices = (_PRICES / whole.flops.mean(axis=1).sum()).tolist()
  right, flops = np.zeros((2, len(prices), len(fold)))
  for f in range(_FOLDS):
    judged = fold == f
    for i, rules in enumerate(Cascade.fit(ladder, whole.at(~judged), prices)):
      outcome = rules.run(whole.at(judged))
      right[i, judged], flops[i, judged] = outcome.right, outcome.flops
  return [
    dataclasses.replace(
      cascade, accuracy=float(right[i].mean()), flops=float(flops[i].mean())
    )
    for i, cascade in enumerate(Cascade.fit(ladder, whole, prices))
  ]
