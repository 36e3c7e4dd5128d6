"""Tests of the stages that train, on one-line worksheets and tiny models."""

import dataclasses
import json
import random
from typing import ClassVar

import jax
import numpy as np
import pytest

from tests import testing
from ttc.checkpoints import huggingface, orbax
from ttc.cli import main
from ttc.data.worksheet import Worksheet
from ttc.models.config import TransformerConfig
from ttc.pipeline import records
from ttc.pipeline.experiment import Experiment
from ttc.pipeline.place import Place
from ttc.pipeline.stage import StageRun
from ttc.runtime import metrics, storage
from ttc.runtime.progress import Progress
from ttc.stages import fitting
from ttc.stages.pretrain import Pretrain
from ttc.stages.revise_data import ReviseData
from ttc.stages.sources import Outcomes, StepLabels, Written
from ttc.stages.train import Train
from ttc.training.loop import FitConfig
from ttc.training.optimizer import AdamW

TASK = Worksheet(goals=(2,), num_pretrain=50, num_finetune=20, num_test=5)
MODEL = TransformerConfig(
  vocab_size=TASK.vocabulary.size,
  num_layers=1,
  embed_dim=8,
  num_heads=2,
  num_kv_heads=1,
  head_dim=4,
  mlp_dim=16,
)
LOOP = FitConfig(
  steps=8,
  batch=4,
  seq_len=160,
  optimizer=AdamW(learning_rate=1e-2),
  eval_every=4,
  checkpoint_every=2,
  steps_per_call=2,
)
FIT = fitting.Fit(LOOP, held_out=0.3)
PRETRAIN = Pretrain(TASK, MODEL, FIT, documents=60)


@dataclasses.dataclass(frozen=True)
class _Scribble:
  """Samples of the finetuning questions, half of them right."""

  kind: ClassVar[str] = 'sample'
  name: str = 'sample'

  def __call__(self, run: StageRun) -> None:
    """Writes four rows per question."""
    for part in run.parts(TASK.problems('finetune'), 8):
      part.write([self._record(problem.id) for problem in part.items])

  def _record(self, problem):
    rng = random.Random(problem)
    vocabulary = TASK.vocabulary
    rows = []
    for index in range(4):
      tokens = [rng.randrange(3, vocabulary.size) for _ in range(9)]
      text = f'{index} {vocabulary.decode(tokens)}'
      rows.append(
        {
          'tokens': [*tokens, vocabulary.eos_id],
          'text': text,
          'answer': text,
          'correct': index % 2 == 0,
        }
      )
    return {'problem': problem, 'rows': rows}


@dataclasses.dataclass(frozen=True)
class _Label:
  """Labels of the samples, without rollouts of any model."""

  kind: ClassVar[str] = 'label'
  name: str = 'label'

  def __call__(self, run: StageRun) -> None:
    """Writes a line a sample."""
    for part in run.parts(
      run.read('sample'), 8, rows=lambda record: len(record['rows'])
    ):
      part.write(
        [
          {
            'problem': record['problem'],
            'sample': index,
            'tokens': row['tokens'],
            'ends': [4, 9],
            'labels': [0.5, float(row['correct'])],
            'rollouts': [],
          }
          for record in part.items
          for index, row in enumerate(record['rows'])
        ]
      )


class _Interrupted(StageRun):
  """A run that somebody interrupts after six steps of training."""

  def progress(self, total: int | None, unit: str, done: int = 0) -> Progress:
    """A progress that raises; what was before it told its own time."""
    before = self._progress
    assert before is None or before._shown_done == before.done
    made = super().progress(total, unit, done)
    if unit == 'steps':
      advance = made.advance

      def interrupted(items: int = 1, **rest) -> None:
        advance(items, **rest)
        if made._done >= 6:
          raise KeyboardInterrupt

      made.advance = interrupted
    return made


def _params(folder):
  return orbax.load_model(str(folder / fitting.MODEL))


def _equal(one, other):
  return jax.tree.all(
    jax.tree.map(lambda a, b: bool((np.asarray(a) == b).all()), one, other)
  )


@pytest.fixture(scope='module')
def place(tmp_path_factory):
  place = Place(tmp_path_factory.mktemp('little'))
  for stage in (PRETRAIN, _Scribble(), _Label(), ReviseData(TASK, size=7)):
    StageRun(stage, place, 0).work()
  return place


@pytest.fixture(params=['folder', 'bucket'])
def elsewhere(request, tmp_path):
  """Another place, on this machine and in an object store."""
  if request.param == 'folder':
    return tmp_path
  request.getfixturevalue('bucket')
  return storage.path('gs://training/little')


def test_an_interrupted_training_ends_bit_equal(place, elsewhere):
  # Two steps are done again; when checkpoints are written changes nothing.
  loop = dataclasses.replace(LOOP, checkpoint_every=4)
  rarely = dataclasses.replace(FIT, loop=loop)
  stage = dataclasses.replace(PRETRAIN, fit=rarely)
  with pytest.raises(KeyboardInterrupt):
    _Interrupted(stage, Place(elsewhere), 0).work()
  # Measuring and tracing change nothing either.
  run = StageRun(stage, Place(elsewhere, profile=2), 0)
  assert not run.is_complete()
  run.work()
  whole = place.root / 'seed-0' / 'pretrain'
  assert _equal(_params(whole)[2], _params(run.folder)[2])
  chosen = [
    json.loads((folder / 'metrics.json').read_text(encoding='utf-8'))
    for folder in (whole, run.folder)
  ]
  assert chosen[0] == chosen[1]
  assert [e['step'] for e in chosen[0]['evaluations']] == [4, 8]
  told = [_without_pace(metrics.read(folder)) for folder in (whole, run.folder)]
  assert told[0] == told[1]
  steps = [line['step'] for line in told[0] if 'loss' in line]
  assert steps == [2, 4, 6, 8]
  evaluated = [line['step'] for line in told[0] if 'validation/loss' in line]
  assert evaluated == [4, 8]
  assert list(run.folder.glob('profile/plugins/profile/*/*.xplane.pb'))


def _without_pace(lines):
  return [
    {name: x for name, x in line.items() if 'second' not in name}
    for line in lines
  ]


def test_trajectories_are_written_for_each_question(place):
  rows = records.read_rows(place.root / 'seed-0' / 'revise_data')
  ids = [problem.id for problem in TASK.problems('finetune')]
  assert [row['problem'] for row in rows] == ids
  examples = [example for row in rows for example in row['examples']]
  assert len(examples) == 2 * len(ids)
  contexts = {e['tokens'].count(TASK.vocabulary.revise_id) for e in examples}
  assert contexts == {0, 1, 2}


@pytest.mark.parametrize(
  ('source', 'head'), [(Written(), 'logits'), (StepLabels(), 'value')]
)
def test_every_kind_of_source_trains_its_kind_of_model(place, source, head):
  stage = Train(f'from_{source.stage}', TASK, source, FIT)
  run = StageRun(stage, place, 0)
  run.work()
  cfg, made, params = _params(run.folder)
  assert (cfg, made) == (MODEL, head)
  start = _params(place.root / 'seed-0' / 'pretrain')[2]
  assert not _equal(params['backbone'], start['backbone'])
  assert all(np.isfinite(x).all() for x in jax.tree.leaves(params))


@pytest.mark.parametrize(
  ('source', 'head'), [(Written(), 'logits'), (StepLabels(), 'value')]
)
def test_a_model_from_elsewhere_is_written_as_it_came(
  place, tmp_path, source, head
):
  theirs = tmp_path / 'theirs'
  cfg = dataclasses.replace(
    MODEL, vocab_size=MODEL.vocab_size + 7, param_dtype='bfloat16'
  )
  orbax.save_model(str(theirs), cfg, 'logits', testing.random_params(cfg))
  fit = dataclasses.replace(FIT, dropout=0.1, param_dtype='float32')
  assert fit.trained(cfg) == dataclasses.replace(
    cfg, dropout=0.1, param_dtype='float32'
  )
  stage = Train(f'own_{head}', TASK, source, fit, start=str(theirs))
  run = StageRun(stage, place, 0)
  run.work()
  made, found, params = _params(run.folder)
  assert (made, found) == (cfg, head)
  assert {str(x.dtype) for x in jax.tree.leaves(params['backbone'])} == {
    'bfloat16'
  }
  if head == 'value':
    assert {str(x.dtype) for x in jax.tree.leaves(params['value'])} == {
      'float32'
    }


def test_training_starts_from_a_converted_model(place, tmp_path):
  source = tmp_path / 'hub'
  start = _params(place.root / 'seed-0' / 'pretrain')[2]
  huggingface.save(str(source), MODEL, 'logits', start)
  folder = tmp_path / 'ours'
  assert main.main(['convert', f'--from={source}', f'--to={folder}']) == 0
  stage = Train('from_hub', TASK, StepLabels(), FIT, start=str(folder))
  Experiment('e', (PRETRAIN, _Scribble(), _Label(), stage)).check()
  run = StageRun(stage, place, 0)
  run.work()
  cfg, head, params = _params(run.folder)
  assert (cfg.context, cfg.mlp_dim, head) == (1 << 20, MODEL.mlp_dim, 'value')
  assert not _equal(params['backbone'], start['backbone'])
  inputs = json.loads((run.folder / 'stage.json').read_text())['inputs']
  assert inputs[str(folder)] == records.read_mark(folder)['fingerprint']


def test_outcomes_are_labels_of_the_last_token(place):
  rows = records.read_rows(place.root / 'seed-0' / 'sample')
  prompts = {row['problem']: [3, 4] for row in rows}
  examples = list(Outcomes().examples(rows, prompts, TASK.vocabulary))
  assert len(examples) == 4 * len(rows)
  assert {tuple(e['positions']) for e in examples} == {(11,)}
  assert [e['labels'][0] for e in examples[:4]] == [1, 0, 1, 0]


def test_what_cannot_be_trained_is_refused_before_any_work():
  orphan = Train('prm', TASK, StepLabels(), FIT)
  with pytest.raises(ValueError, match=r"prm reads 'label', which is none"):
    Experiment('e', (PRETRAIN, _Scribble(), orphan)).check()
  small = dataclasses.replace(
    PRETRAIN, model=dataclasses.replace(MODEL, vocab_size=5)
  )
  with pytest.raises(ValueError, match=r'vocab_size=5 is below the task'):
    Experiment('e', (small,)).check()
