"""Step labels made again from fewer rollouts, hard, or with grades that err.

A record of the stage `label` holds the outcome of each rollout, so one run of
the rollouts serves every study of labels.
"""

from collections.abc import Mapping
import dataclasses

import numpy as np

from ttc.runtime import limits


@dataclasses.dataclass(frozen=True)
class Relabel:
  """How labels are made of outcomes.

  Attributes:
    most: rollouts of a step that count, the first ones; None for all.
    hard: whether a step's label is 1 where any of its rollouts is right and
      otherwise 0 (Math-Shepherd, arXiv 2312.08935), instead of their share.
    flipped: probability that a grade, of the sample or of a rollout, is the
      opposite of what it should be, in [0, 1).
    seed: of the flips, which depend on it, the question and the sample alone.

  Raises:
    ValueError: a field is out of its range.
  """

  most: int | None = None
  hard: bool = False
  flipped: float = 0.0
  seed: int = 0

  def __post_init__(self):
    limits.whole(self, 'most')
    limits.real(self, 'flipped', least=0, below=1)
    limits.whole(self, 'seed', least=0, most=limits.LARGEST_SEED)

  def __call__(self, record: Mapping) -> dict:
    """A line of the stage `label`, with other rollouts and labels.

    A grade that is flipped is so whatever `most` and `hard` are.

    Args:
      record: the line; see `labelling`.
    """
    outcomes = [r['correct'] for r in record['rollouts']]
    grade = record['labels'][-1] > 0.5
    if self.flipped:
      rng = np.random.default_rng(
        (self.seed, record['problem'], record['sample'])
      )
      wrong = rng.random(len(outcomes) + 1) < self.flipped
      outcomes = [bool(o ^ w) for o, w in zip(outcomes, wrong[1:], strict=True)]
      grade = bool(grade ^ wrong[0])
    of_step: list[list[bool]] = [[] for _ in record['ends'][:-1]]
    rollouts = []
    for rollout, right in zip(record['rollouts'], outcomes, strict=True):
      own = of_step[rollout['branch']]
      if self.most is None or len(own) < self.most:
        own.append(right)
        rollouts.append({**rollout, 'correct': right})
    value = any if self.hard else np.mean
    labels = [*(float(value(own)) for own in of_step), float(grade)]
    return {**record, 'rollouts': rollouts, 'labels': labels}
