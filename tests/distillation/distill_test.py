"""The stage that distils: what it writes, what it refuses, what it trains."""

import dataclasses
import json
import random
from typing import ClassVar

import numpy as np
import pytest

from tests import testing
from ttc.checkpoints import orbax
from ttc.data.worksheet import Worksheet
from ttc.distillation import keeping
from ttc.distillation.distill import Distill
from ttc.inference.generation import Generation
from ttc.models.config import TransformerConfig
from ttc.pipeline import records
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.place import Place
from ttc.pipeline.stage import StageRun
from ttc.search.strategies import BestOfN
from ttc.stages import fitting
from ttc.stages.arms import Arm
from ttc.stages.sample import Sample
from ttc.stages.search import Search
from ttc.stages.solver import Solver
from ttc.stages.sources import Written
from ttc.stages.train import Train
from ttc.training.loop import FitConfig
from ttc.training.optimizer import AdamW

TASK = Worksheet(goals=(1,), num_pretrain=50, num_finetune=40, num_test=5)
SOLVER = Solver(
  TASK, Generation(max_tokens=12), split='finetune', proposer='pretrain'
)


@dataclasses.dataclass(frozen=True)
class _Found:
  """Answers of two arms; of some questions none is right."""

  kind: ClassVar[str] = 'search'
  name: str = 'sample'

  def __call__(self, run: StageRun) -> None:
    """Writes a record per arm and question."""
    problems = TASK.problems('finetune')
    items = [(arm, p.id) for arm in (4, 8) for p in problems]
    for part in run.parts(items, 8):
      part.write([self._record(*item) for item in part.items])

  def _record(self, arm, problem):
    rng = random.Random(problem + 1000 * arm)
    rows = []
    for _ in range(arm):
      tokens = [rng.randrange(3, 6) for _ in range(rng.randrange(1, 3))]
      rows.append(
        {
          'tokens': [*tokens, TASK.vocabulary.eos_id],
          'text': TASK.vocabulary.decode(tokens),
          'answer': 'x',
          'correct': problem % 4 > 0 and sum(tokens) % 2 == 0,
          'truncated': rng.random() < 0.2,
          'values': [rng.random()],
        }
      )
    return {'problem': problem, 'budget': arm, 'rows': rows}


@pytest.fixture(scope='module')
def place(tmp_path_factory):
  place = Place(tmp_path_factory.mktemp('distilled'))
  StageRun(_Found(), place, 0).work()
  return place


def _made(place, stage, seed=0):
  run = StageRun(stage, place, seed)
  run.work()
  return run, records.read_rows(run.folder)


def test_rows_are_of_each_question_over_all_arms(place):
  stage = Distill(TASK, cap=3)
  run, rows = _made(place, stage)
  assert [row['problem'] for row in rows] == [
    p.id for p in TASK.problems('finetune')
  ]
  sampled = records.read_rows(place.root / 'seed-0' / 'sample')
  for row in rows:
    answers = [
      answer
      for record in sampled
      if record['problem'] == row['problem']
      for answer in record['rows']
    ]
    right = [a for a in answers if a['correct'] and not a['truncated']]
    texts = {a['text'] for a in right}
    found = (row['answers'], row['right'], row['distinct'])
    assert found == (len(answers), len(right), len(texts))
    told = [tuple(e['tokens'][e['loss_start'] :]) for e in row['examples']]
    assert len(set(told)) == len(told) == min(3, len(texts))
    assert set(told) <= {tuple(a['tokens']) for a in right}
    (prompt,) = [
      TASK.prompt_tokens(p)
      for p in TASK.problems('finetune')
      if p.id == row['problem']
    ]
    for example in row['examples']:
      assert example['tokens'][: example['loss_start']] == prompt
  kept = [len(row['examples']) for row in rows]
  assert (
    f'{sum(kept)} examples of {sum(map(bool, kept))} of 40 questions'
    in stage.show(run)
  )


def test_examples_do_not_depend_on_parts(place):
  whole = _made(place, Distill(TASK, cap=2, name='whole'))[1]
  cut = _made(place, Distill(TASK, cap=2, size=3, name='cut'))[1]
  assert whole == cut


def test_a_verifier_may_stand_in_for_the_grader(place):
  _, rows = _made(place, Distill(TASK, cap=None, accept=0.5, name='accepted'))
  sampled = records.read_rows(place.root / 'seed-0' / 'sample')
  answers = dict(keeping.by_question(sampled))
  for row in rows:
    good = {
      a['text']
      for a in answers[row['problem']]
      if a['values'][-1] >= 0.5 and not a['truncated']
    }
    assert len(row['examples']) == len(good)


def test_a_proposer_learns_from_what_was_kept(place):
  cfg = TransformerConfig(TASK.vocabulary.size, 1, 8, 2, 1, 4, 16)
  base = place.root / 'base'
  params = testing.random_params(cfg)
  orbax.save_model(str(base), cfg, 'logits', params)
  stage = Distill(TASK, cap=2, name='data')
  _made(place, stage)
  loop = FitConfig(8, 4, 40, AdamW(1e-2), 4, 4, 2)
  fit = fitting.Fit(loop, held_out=0.3)
  train = Train('distilled', TASK, Written('data'), fit, start=str(base))
  run = StageRun(train, place, 0)
  run.work()
  losses = [
    e['loss']
    for e in json.loads((run.folder / 'metrics.json').read_text())[
      'evaluations'
    ]
  ]
  assert losses[-1] < losses[0]
  _, head, trained = orbax.load_model(str(run.folder / fitting.MODEL))
  assert head == 'logits'
  assert not np.array_equal(
    trained['backbone']['embedding'], params['backbone']['embedding']
  )


def test_what_cannot_be_distilled_is_told_before_any_work():
  sample = Sample(dataclasses.replace(SOLVER, split='test'))
  with pytest.raises(ValueError, match=r'would train on what is measured'):
    Distill(TASK, split='test')
  distill = Distill(TASK)
  experiment = lambda *stages: Experiment('e', (*stages, distill))
  with pytest.raises(ValueError, match=r"not in the split 'finetune'"):
    distill.check(experiment(sample))
  sample = Sample(SOLVER)
  distill.check(experiment(sample))
  accepting = Distill(TASK, accept=0.5)
  with pytest.raises(ValueError, match=r"'sample' has no verifier"):
    accepting.check(Experiment('e', (sample, accepting)))
  search = Search(
    dataclasses.replace(SOLVER, verifier='prm'), (Arm(BestOfN(), (4,)),)
  )
  accepting = Distill(TASK, accept=0.5, source='search')
  accepting.check(Experiment('e', (search, accepting)))
  again = Distill(TASK, source='distill', name='again')
  with pytest.raises(ValueError, match=r"of kind 'distill', which writes no"):
    again.check(Experiment('e', (sample, distill, again)))
  with pytest.raises(ValueError, match=r"distill reads 'sample', which is"):
    distill.check(Experiment('e', (search, distill)))


def test_the_longest_example_fits_a_row():
  sample, distill = Sample(SOLVER), Distill(TASK)
  longest = distill.longest(16, SOLVER.prompt_width, 12)
  assert longest == SOLVER.prompt_width + 12 + 1
  for room in (longest, longest - 1):
    loop = FitConfig(8, 8, room, AdamW(1e-2), 4, 4, 2)
    train = Train(
      'trained',
      TASK,
      Written('distill'),
      fitting.Fit(loop, held_out=0.3),
      start='pretrain',
    )
    base = dataclasses.replace(train, name='pretrain')
    experiment = Experiment('e', (base, sample, distill, train))
    if room == longest:
      train.check(experiment)
    else:
      with pytest.raises(ValueError, match=f'may have {longest} tokens'):
        train.check(experiment)
