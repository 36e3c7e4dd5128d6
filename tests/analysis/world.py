"""A synthetic world whose truth is known: Bernoulli questions as records.

Question q is answered rightly with probability `skill[q]` by the base model;
search, revisions and the large model add to it what `Truth` says.
"""

import dataclasses
import pathlib

import numpy as np

from ttc import records
from ttc.analysis.chains import turns_needed

BEST_OF_N = 'BestOfN()'
GREEDY = 'Greedy()'
BEAM = ("StepSearch(allocator=Beam(width=4), lookahead=0, rounds=40, "
        "distinct=True)")
SQRT = ("StepSearch(allocator=Beam(width='sqrt'), lookahead=0, rounds=40, "
        "distinct=True)")
AHEAD = ("StepSearch(allocator=Beam(width='sqrt'), lookahead=1, rounds=40, "
         "distinct=True)")
REVISIONS = 'Revisions()'


@dataclasses.dataclass(frozen=True)
class Truth:
  """The world.

  Attributes:
    questions: Q.
    width: answers of a question in the pool of best-of-N.
    chains: budget of the pool of revisions.
    beam: what a beam adds to the skill of each row.
    turn: what each further turn of a chain adds to the skill.
    large: what the large model adds to the skill.
    text: of every row.
  """

  questions: int = 60
  width: int = 16
  chains: int = 8
  beam: float = 0.1
  turn: float = 0.03
  large: float = 0.2
  text: str = 'words'

  @property
  def skill(self) -> np.ndarray:
    return 0.7 * np.linspace(1, 0, self.questions) ** 2.5


def write(root: pathlib.Path, truth: Truth = Truth(), seed: int = 0,
          without: tuple[str, ...] = ()) -> pathlib.Path:
  """Writes the stages of a seed, except some; returns the seed's folder."""
  rng = np.random.default_rng(seed)
  folder = root / f'seed-{seed}'
  stages = {
      'difficulty': [_pool(truth, rng, BEST_OF_N, 32, 32)],
      'search': [
          _pool(truth, rng, BEST_OF_N, truth.width, truth.width,
                scores=('orm',)),
          *(_pool(truth, rng, strategy, n, n, truth.beam)
            for strategy in (BEAM, SQRT) for n in (4, 16, 64)
            if n <= truth.width),
          *(_pool(truth, rng, AHEAD, n, n // 2, truth.beam) for n in (8,)),
      ],
      'revise': [_chains(truth, rng)],
      'large_greedy': [
          _pool(truth, rng, GREEDY, 1, 1, truth.large, valued=False)],
      'large_samples': [
          _pool(truth, rng, BEST_OF_N, 4, 4, truth.large, valued=False)],
      'control_samples': [_pool(truth, rng, BEST_OF_N, 4, 4, 0.01)],
  }
  for name, pools in stages.items():
    if name not in without:
      write_stage(folder / name, [row for pool in pools for row in pool])
  return folder


def write_stage(folder: pathlib.Path, rows: list[dict], seconds: float = 2.0):
  """One finished stage in two parts."""
  folder.mkdir(parents=True)
  half = len(rows) // 2
  records.write_part(folder, 0, 2, rows[:half])
  records.write_part(folder, 1, 2, rows[half:])
  records.mark_complete(folder, {'seconds': seconds, 'fingerprint': 'x'})


def row(rng, right: bool, valued: bool, text: str, scores=()) -> dict:
  """One answer: right ones agree, wrong ones are of four kinds or none."""
  wrong = [None, 'a', 'b', 'c', 'd'][rng.integers(5)]
  noise = rng.normal(size=3) * (0.3, 0.2, 0.1)
  values = np.clip(0.5 + (0.3 if right else -0.3) * np.array([0.3, 0.6, 1])
                   + noise, 0, 1)
  answer = {'tokens': [3, 4, 1], 'text': text, 'logprob': -1.0,
            'answer': 'right' if right else wrong, 'correct': bool(right),
            'truncated': False}
  if valued:
    answer['values'] = values.tolist()
  if scores:
    answer['scores'] = {name: float(rng.random()) for name in scores}
  return answer


def record(problem: int, strategy: str, budget: int, rows: list[dict]) -> dict:
  spent = [100 * len(rows), 120 * len(rows)]
  kinds = ('proposer_prefill', 'proposer_decode', 'verifier_prefill',
           'verifier_decode')
  return {'problem': problem, 'strategy': strategy, 'budget': budget,
          'seed': 0, 'rows': rows, 'cost': dict.fromkeys(kinds, spent)}


def _pool(truth, rng, strategy, budget, width, gain=0.0, valued=True,
          scores=()) -> list[dict]:
  return [
      record(q, strategy, budget, [
          row(rng, rng.random() < min(skill + gain, 1), valued, truth.text,
              scores) for _ in range(width)])
      for q, skill in enumerate(truth.skill)]


def _chains(truth: Truth, rng) -> list[dict]:
  found = []
  for q, skill in enumerate(truth.skill):
    rows = [{**row(rng, rng.random() < min(skill + truth.turn * t, 1), True,
                   truth.text, ('no_history',)), 'chain': c, 'turn': t + 1}
            for c, turns in enumerate(turns_needed(truth.chains))
            for t in range(turns)]
    found.append(record(q, REVISIONS, truth.chains, rows))
  return found
