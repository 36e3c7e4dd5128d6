"""A synthetic world whose truth is known: Bernoulli questions as records.

Question q is answered rightly with probability `skill[q]` by the base model;
search, revisions and the large model add to it what `Truth` says.
"""

import dataclasses
import json
import pathlib

import numpy as np

from tests import recording
from ttc.analysis.chains import turns_needed
from ttc.models.config import TransformerConfig
from ttc.pipeline import records

BEST_OF_N = 'BestOfN()'
GREEDY = 'Greedy()'
BEAM = (
  'StepSearch(allocator=Beam(width=4), lookahead=0, rounds=40, distinct=True)'
)
SQRT = (
  "StepSearch(allocator=Beam(width='sqrt'), lookahead=0, rounds=40, "
  'distinct=True)'
)
AHEAD = (
  "StepSearch(allocator=Beam(width='sqrt'), lookahead=1, rounds=40, "
  'distinct=True)'
)
REVISIONS = 'Revisions()'

# The stages that train, and what they train.
SMALL = TransformerConfig(
  vocab_size=31,
  num_layers=2,
  embed_dim=8,
  num_heads=2,
  num_kv_heads=2,
  head_dim=4,
  mlp_dim=16,
)
TRAINED = {
  'pretrain': SMALL,
  'prm': dataclasses.replace(SMALL, num_layers=3),
  'revision': SMALL,
  'revision_orm': SMALL,
  'control': SMALL,
  'large': dataclasses.replace(
    SMALL, embed_dim=32, sliding=(True, False), window=8
  ),
}
# (proposer, verifier) of each stage that samples.
SOLVERS = {
  'difficulty': ('pretrain', 'prm'),
  'search': ('pretrain', 'prm'),
  'revise': ('revision', 'revision_orm'),
  'large_greedy': ('large', ''),
  'large_samples': ('large', ''),
  'control_samples': ('control', ''),
}
# Counts of a prompt, and of each answer: tokens useful and executed, keys the
# same.
PROMPT = np.array([10, 16, 55, 256])
ANSWER = np.array([100, 120, 6000, 9000])


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


def write(
  root: pathlib.Path,
  truth: Truth = Truth(),
  seed: int = 0,
  without: tuple[str, ...] = (),
) -> pathlib.Path:
  """Writes the stages of a seed, except some; returns the seed's folder."""
  rng = np.random.default_rng(seed)
  folder = root / f'seed-{seed}'
  stages = {
    'difficulty': [_pool(truth, rng, BEST_OF_N, 32, 32)],
    'search': [
      _pool(truth, rng, BEST_OF_N, truth.width, truth.width, scores=('orm',)),
      *(
        _pool(truth, rng, strategy, n, n, truth.beam)
        for strategy in (BEAM, SQRT)
        for n in (4, 16, 64)
        if n <= truth.width
      ),
      *(_pool(truth, rng, AHEAD, n, n // 2, truth.beam) for n in (8,)),
    ],
    'revise': [_chains(truth, rng)],
    'large_greedy': [
      _pool(truth, rng, GREEDY, 1, 1, truth.large, valued=False)
    ],
    'large_samples': [
      _pool(truth, rng, BEST_OF_N, 4, 4, truth.large, valued=False)
    ],
    'control_samples': [_pool(truth, rng, BEST_OF_N, 4, 4, 0.01, valued=False)],
  }
  for name, pools in stages.items():
    if name not in without:
      write_stage(folder / name, [row for pool in pools for row in pool])
      write_solver(folder / name, *SOLVERS[name])
  for name, config in TRAINED.items():
    write_model(folder / name, config)
  return folder


def write_solver(stage: pathlib.Path, proposer: str, verifier: str):
  """What a stage notes about its models, among all else."""
  bindings = {
    'Search.solver': 'ttc.stages.solver.Solver',
    'Search.size': 64,
    'Search.solver.proposer': proposer,
    'Search.solver.verifier': verifier,
  }
  held = {'bindings': bindings, 'seeds': [0], 'inputs': {}, 'seconds': 1.0}
  (stage / 'stage.json').write_text(json.dumps(held))


def write_model(stage: pathlib.Path, config: TransformerConfig):
  """What a finished training leaves, but for the weights."""
  (stage / 'model').mkdir(parents=True)
  (stage / 'model' / 'model.json').write_text(
    json.dumps({'head': 'logits', 'config': dataclasses.asdict(config)})
  )


def write_stage(folder: pathlib.Path, rows: list[dict], seconds: float = 2.0):
  """One finished stage in two parts."""
  folder.mkdir(parents=True)
  half = len(rows) // 2
  recording.write_part(folder, 0, 2, rows[:half])
  recording.write_part(folder, 1, 2, rows[half:])
  records.mark_complete(folder, {'seconds': seconds, 'fingerprint': 'x'})


def row(rng, right: bool, valued: bool, text: str, scores=()) -> dict:
  """One answer: right ones agree, wrong ones are of four kinds or none."""
  wrong = [None, 'a', 'b', 'c', 'd'][rng.integers(5)]
  noise = rng.normal(size=3) * (0.3, 0.2, 0.1)
  values = np.clip(
    0.5 + (0.3 if right else -0.3) * np.array([0.3, 0.6, 1]) + noise, 0, 1
  )
  answer = {
    'tokens': [3, 4, 1],
    'text': text,
    'logprob': -1.0,
    'answer': 'right' if right else wrong,
    'correct': bool(right),
    'truncated': False,
  }
  if valued:
    answer['values'] = values.tolist()
  if scores:
    answer['scores'] = {name: float(rng.random()) for name in scores}
  return answer


def record(problem: int, strategy: str, budget: int, rows: list[dict]) -> dict:
  valued = any('values' in row for row in rows)
  return {
    'problem': problem,
    'strategy': strategy,
    'budget': budget,
    'seed': 0,
    'rows': rows,
    'cost': cost(len(rows), valued),
  }


def cost(answers: int, valued: bool) -> dict[str, list[int]]:
  """Of a prompt and so many answers."""
  spent = {}
  for who, asked in (('proposer', True), ('verifier', valued)):
    spent[f'{who}_prefill'] = (asked * PROMPT).tolist()
    spent[f'{who}_decode'] = (asked * answers * ANSWER).tolist()
  return spent


def skipped(problem: int, strategy: str, budget: int, reason: str) -> dict:
  """A question that was not asked."""
  return {**record(problem, strategy, budget, []), 'skipped': reason}


def _pool(
  truth, rng, strategy, budget, width, gain=0.0, valued=True, scores=()
) -> list[dict]:
  return [
    record(
      q,
      strategy,
      budget,
      [
        row(
          rng, rng.random() < min(skill + gain, 1), valued, truth.text, scores
        )
        for _ in range(width)
      ],
    )
    for q, skill in enumerate(truth.skill)
  ]


def _chains(truth: Truth, rng) -> list[dict]:
  found = []
  for q, skill in enumerate(truth.skill):
    rows = [
      {
        **row(
          rng,
          rng.random() < min(skill + truth.turn * t, 1),
          True,
          truth.text,
          ('no_history',),
        ),
        'chain': c,
        'turn': t + 1,
      }
      for c, turns in enumerate(turns_needed(truth.chains))
      for t in range(turns)
    ]
    chains = turns_needed(truth.chains)
    so_far = [np.minimum(chains, t).sum() for t in range(chains.max() + 1)]
    found.append(
      {
        **record(q, REVISIONS, truth.chains, rows),
        'spent': [cost(int(n), True) for n in so_far],
      }
    )
  return found
