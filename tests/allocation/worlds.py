"""Recorded actions of questions whose solve rates are known.

Answers are numbers: 0 is right, and wrong ones are drawn from 1 to 5. A perfect
verifier scores 1 and 0; a noisy one draws scores around them.
"""

from collections.abc import Sequence

import numpy as np

from ttc.allocation.recorded import action_name, Recorded, Recordings

PER_ATTEMPT = 10.0  # useful FLOPs
RATE = 1.25  # executed per useful


def recordings(
  rates: Sequence[float],
  budgets: Sequence[int],
  seed: int = 0,
  noise: float = 0.0,
) -> Recordings:
  """Best-of-N pools of independent attempts.

  Args:
    rates: chance that an attempt at each question is right.
    budgets: attempts of each action; every action has its own.
    seed: of all draws.
    noise: standard deviation of the scores.
  """
  actions = {}
  for place, budget in enumerate(budgets):
    rng = np.random.default_rng([seed, place])
    right = rng.random((len(rates), budget)) < np.array(rates)[:, None]
    score = np.clip(right + noise * rng.normal(size=right.shape), 0.0, 1.0)
    wrong = rng.integers(1, 6, right.shape)
    rows = [
      [
        {'answer': str(0 if r else w), 'correct': bool(r), 'values': [s / 2, s]}
        for r, w, s in zip(*question, strict=True)
      ]
      for question in zip(right, wrong.tolist(), score.tolist(), strict=True)
    ]
    name = action_name('BestOfN()', budget)
    useful = np.full(len(rates), PER_ATTEMPT * budget)
    actions[name] = Recorded(
      name, budget, rows, useful, RATE * useful, useful / 2, 0 * useful
    )
  return Recordings(np.arange(len(rates)), actions)


def ladder(*budgets: int) -> tuple[str, ...]:
  """Names of the actions."""
  return tuple(action_name('BestOfN()', budget) for budget in budgets)
