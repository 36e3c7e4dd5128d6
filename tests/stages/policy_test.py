"""Tests of the policy stage, on arms whose best choice is known."""

import dataclasses
import json
import random
from typing import ClassVar

import pytest

from ttc.analysis import difficulty
from ttc.analysis.policy import Policy
from ttc.pipeline.place import Place
from ttc.pipeline.stage import StageRun
from ttc.stages.policy import FitPolicy

_BEAM = (
  'StepSearch(allocator=Beam(width=4), lookahead=0, rounds=40, distinct=True)'
)
_QUESTIONS = range(20)


def _row(correct, easiness, rng):
  """An answer that the verifier tells right from wrong."""
  value = easiness / 2 + 0.4 * correct + 0.01 * rng.random()
  answer = 'right' if correct else f'wrong {rng.random()}'
  return {'correct': correct, 'answer': answer, 'values': [0.5, value]}


@dataclasses.dataclass(frozen=True)
class _Arms:
  """Best-of-N solves the easy half of the questions and a beam the others."""

  kind: ClassVar[str] = 'search'
  name: str = 'search'
  arms: tuple[str, ...] = ('BestOfN()', _BEAM)
  budget: int = 4

  def __call__(self, run: StageRun) -> None:
    """Writes each arm's answers; difficulty falls with the number."""
    for part in run.parts(_QUESTIONS, 7, rows=lambda _: len(self.arms)):
      part.write(
        [self._record(q, arm) for q in part.items for arm in self.arms]
      )

  def _record(self, question, arm):
    rng = random.Random(f'{question} {arm} {self.name}')
    easiness = 1 - question / len(_QUESTIONS)
    solved = (question < 10) == arm.startswith('BestOfN')
    share = easiness if self.name == 'difficulty' else 0.9 * solved
    rows = [
      _row(rng.random() < share, easiness, rng) for _ in range(self.budget)
    ]
    return {
      'problem': question,
      'strategy': arm,
      'budget': self.budget,
      'seed': 0,
      'rows': rows,
    }


@pytest.fixture
def run(tmp_path):
  place = Place(tmp_path)
  samples = _Arms('difficulty', arms=('BestOfN()',), budget=16)
  for stage in (samples, _Arms()):
    StageRun(stage, place, 0).work()
  return StageRun(FitPolicy(revise='', subsets=5), place, 0)


def test_each_bin_gets_the_arm_that_solves_it(run):
  run.work()
  tree = json.loads((run.folder / 'policy.json').read_text(encoding='ascii'))
  assert set(tree) == {'search'}
  assert set(tree['search']) == {'oracle', 'predicted'}
  policy = Policy.from_json(json.dumps(tree['search']['predicted']))
  easy, hard = policy.choose(1, 4), policy.choose(5, 4)
  assert easy.startswith('best-of-N')
  assert hard.startswith('beam')
  bins = difficulty.assign([0.99, 0.01], policy.thresholds)
  assert list(bins) == [1, 5]


def test_the_table_shows_every_bin(run):
  run.work()
  shown = FitPolicy(revise='', subsets=5).show(run)
  assert [f'bin {b}: ' in shown for b in range(1, 6)] == [True] * 5
  assert 'predicted difficulty' in shown


def test_an_arm_that_is_missing_is_named(tmp_path):
  StageRun(_Arms('difficulty', arms=('BestOfN()',)), Place(tmp_path), 0).work()
  with pytest.raises(ValueError, match='reads seed-0/search, which is not'):
    StageRun(FitPolicy(), Place(tmp_path), 0).work()
