"""How an allocation fares when scores of the verifier are wrong.

  python -m benchmarks.noise runs/full/seed-0 [runs/full/seed-1 ...]

Reads a finished run. A share of all final scores s, of fitting and of test
questions, becomes 1 - s; then the allocation is fitted anew and replayed, and
the uniform arms vote anew. Searches themselves went by the true scores.
"""

import argparse
from collections.abc import Sequence
import dataclasses
import pathlib

import numpy as np

from ttc.allocation import comparison, fit, replay
from ttc.allocation.allocation import Allocation
from ttc.allocation.evidence import answer
from ttc.allocation.recorded import Recordings

_SHARES = (0.0, 0.1, 0.2)
_TARGETS = (4, 16, 64)
_ROUNDS = 12
_BUDGETS = 16


def flipped(recordings: Recordings, share: float, seed: int) -> Recordings:
  """The recordings with a share of all final scores turned round."""
  rng = np.random.default_rng(seed)

  def turn(row):
    if not row['values'] or rng.random() >= share:
      return row
    return {**row, 'values': [*row['values'][:-1], 1 - row['values'][-1]]}

  actions = {
    name: dataclasses.replace(
      action, rows=[[turn(row) for row in rows] for rows in action.rows]
    )
    for name, action in recordings.actions.items()
  }
  return Recordings(recordings.problem, actions)


def accuracies(recordings: Recordings) -> dict[str, float]:
  """Accuracy of the weighted vote of each action alone."""
  return {
    name: float(np.mean([answer(rows)['correct'] for rows in action.rows]))
    for name, action in recordings.actions.items()
  }


def factors(root: pathlib.Path, share: float) -> list[float | None]:
  """Factor in FLOPs at the accuracy of the best uniform arm, by target."""
  file = root / 'fit_allocation' / 'allocation.json'
  made = Allocation.from_json(file.read_text(encoding='utf-8'))
  ladders = list(dict.fromkeys(c.ladder for c in made.cascades))
  fitting = flipped(Recordings.read(root / 'pilot'), share, 0)
  tests = Recordings.read(root / 'search', root / 'greedy')
  others = flipped(tests, share, 1)
  fitted = fit.fit(fitting, ladders, seed=0)
  runs = []
  for mean in fitted.reach(_BUDGETS):
    total = 1.1 * mean * len(others.problem)
    run = replay.replay(fitted, others, total, _ROUNDS)
    runs.append((run.flops.mean(), run.right.mean()))
  flops, right = np.array(sorted(runs)).T
  return [_factor(fitting, others, n, right, flops) for n in _TARGETS]


def _factor(fitting, others, n, right, flops) -> float | None:
  """None where no uniform arm has so many generations, or it is not reached."""
  known, judged = accuracies(fitting), accuracies(others)
  arms = [a for a in known if a in judged and fitting.actions[a].budget == n]
  if not arms:
    return None
  best = max(arms, key=known.get)
  spent = comparison.flops_at(right, flops, judged[best])
  factor = others.actions[best].flops.mean() / spent
  return None if np.isnan(factor) else float(factor)


def main(argv: Sequence[str] | None = None) -> None:
  """Prints a table of factors."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('seeds', nargs='+', type=pathlib.Path)
  options = parser.parse_args(argv)
  print('scores flipped' + ''.join(f'{f"N={n}":>10}' for n in _TARGETS))
  for share in _SHARES:
    found = [factors(root, share) for root in options.seeds]
    cells = []
    for column in zip(*found, strict=True):
      known = [f for f in column if f is not None]
      cells.append(
        f'{np.mean(known):.2f}' if len(known) == len(column) else '-'
      )
    print(f'{share:>13.0%} ' + ''.join(f'{cell:>10}' for cell in cells))


if __name__ == '__main__':
  main()
