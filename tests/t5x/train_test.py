"""T5X's own commands on our run files, read back by `ttc`."""

import json
import os
import pathlib
import subprocess
import sys

import jax
import numpy as np
import pytest

from tests import testing
from ttc.checkpoints import orbax, t5x
from ttc.data.worksheet import Worksheet
from ttc.examples import features, packing, tasks
from ttc.models.transformer import Transformer
from ttc.t5x import convert
from ttc.training import losses

pytest.importorskip('t5x', reason='T5X, the optional extra, is not installed')

pytestmark = [pytest.mark.t5x, pytest.mark.slow]

REPOSITORY = pathlib.Path(__file__).parents[2]
TASK = Worksheet(goals=(2,), num_pretrain=5, num_finetune=5, num_test=6)
CFG = testing.small_config(vocab_size=24)
KINDS = {'prm': 'value', 'revision': 'lm'}
STEPS = 20


def _examples(kind, count, seed):
  """Sequences that count up; values tell even from odd tokens."""
  rng = np.random.default_rng(seed)
  for problem in range(count):
    size = int(rng.integers(6, 20))
    tokens = [3 + (int(rng.integers(20)) + i) % 20 for i in range(size)]
    if kind == 'value':
      ends = sorted({*rng.integers(0, size, 4).tolist()})
      yield {
        'tokens': tokens,
        'positions': ends,
        'problem': problem,
        'labels': [0.9 if tokens[end] % 2 else 0.1 for end in ends],
      }
    else:
      start = tokens[0]
      tokens = [3 + (start + i) % 20 for i in range(size)]
      yield {'tokens': tokens, 'loss_start': 3, 'problem': problem}


@pytest.fixture(scope='module')
def base(tmp_path_factory):
  """A language model and the data sets of two stages."""
  folder = tmp_path_factory.mktemp('base')
  orbax.save_model(folder / 'model', CFG, 'logits', testing.random_params(CFG))
  for name, kind in KINDS.items():
    features.write(
      str(folder / name),
      kind,
      {'train': _examples(kind, 300, 0), 'validation': _examples(kind, 40, 1)},
    )
  return folder


def _run(program, devices, folder, *arguments):
  environment = os.environ | {
    'JAX_PLATFORMS': 'cpu',
    'JAX_NUMPY_RANK_PROMOTION': 'allow',
    'XLA_FLAGS': f'--xla_force_host_platform_device_count={devices}',
  }
  done = subprocess.run(
    [sys.executable, '-m', program, *arguments],
    cwd=REPOSITORY,
    env=environment,
    capture_output=True,
    text=True,
    check=False,
  )
  (folder / 'log').write_text(done.stderr)
  assert not done.returncode, done.stderr[-3000:]


def _task_file(folder):
  """Writes a gin file that binds TASK."""
  path = folder / 'task.gin'
  path.write_text(
    'from __gin__ import dynamic_registration\n'
    'from ttc.data import worksheet\n'
    'TASK = @worksheet.Worksheet()\n'
    'worksheet.Worksheet:\n  goals = (2,)\n  num_pretrain = 5\n'
    '  num_finetune = 5\n  num_test = 6\n'
  )
  return path


def _train(base, folder, name, devices, *more):
  folder.mkdir()
  _run(
    't5x.train',
    devices,
    folder,
    f'--gin_file=gin/t5x/finetune_{name}.gin',
    f'--gin.BASE_MODEL="{base / "model"}"',
    f'--gin.DATA=["{base / name}"]',
    '--gin.SEQ_LEN=32',
    f'--gin.TRAIN_STEPS={STEPS}',
    '--gin.LEARNING_RATE=1e-2',
    '--gin.DATA_SEED=0',
    f'--gin.MODEL_DIR="{folder}"',
    *more,
  )


def _loss(head, params, data):
  """Of held-out documents, by our own program."""
  documents = tasks.documents(
    tasks.make_task(str(data), CFG.vocab_size), 'validation'
  )
  batch = {
    k: x[0] for k, x in packing.once(documents, batch=40, seq_len=32)[0].items()
  }
  sums = losses.measure(
    head,
    Transformer(CFG, head=head).apply(
      {'params': params},
      batch['decoder_input_tokens'],
      positions=batch['decoder_positions'],
      segment_ids=batch['decoder_segment_ids'],
    ),
    batch,
  )
  return float(sums['loss'] / sums['weight'])


@pytest.mark.parametrize('name', KINDS)
def test_training_lowers_the_loss_on_any_devices(base, tmp_path, name):
  head = {'prm': 'value', 'revision': 'logits'}[name]
  trained = []
  for devices, more in [(1, ()), (8, ('--gin.NUM_PARTITIONS=2',))]:
    folder = tmp_path / str(devices)
    _train(base, folder, name, devices, *more)
    assert t5x.newest(folder).name == f'checkpoint_{STEPS}'
    start = t5x.load(folder / 'checkpoint_0', CFG, head)
    for one, other in zip(
      jax.tree.leaves(start['backbone']),
      jax.tree.leaves(testing.random_params(CFG)['backbone']),
      strict=True,
    ):
      np.testing.assert_array_equal(one, other)
    arguments = [
      f'--base={base / "model"}',
      f'--checkpoint={folder}',
      f'--output={folder / "finished"}',
    ]
    assert convert.main(arguments) == 0
    cfg, found, params = orbax.load_model(folder / 'finished' / convert.MODEL)
    assert (cfg, found) == (CFG, head)
    before, after = (_loss(head, p, base / name) for p in (start, params))
    assert after < 0.9 * before
    trained.append(params)
  jax.tree.map(
    lambda one, other: np.testing.assert_allclose(one, other, atol=1e-2),
    *trained,
  )


def test_a_run_goes_on_where_it_was(base, tmp_path):
  folder = tmp_path / 'run'
  _train(base, folder, 'prm', 1, '--gin.SAVE_PERIOD=10', '--gin.EVAL_PERIOD=10')
  log = tmp_path / 'again'
  log.mkdir()
  _run(
    't5x.train',
    1,
    log,
    '--gin_file=gin/t5x/finetune_prm.gin',
    f'--gin.BASE_MODEL="{base / "model"}"',
    f'--gin.DATA=["{base / "prm"}"]',
    '--gin.SEQ_LEN=32',
    f'--gin.TRAIN_STEPS={STEPS + 10}',
    f'--gin.MODEL_DIR="{folder}"',
    '--gin.SAVE_PERIOD=10',
    '--gin.EVAL_PERIOD=10',
  )
  assert f'over steps {STEPS}-{STEPS + 10}' in (log / 'log').read_text()
  assert t5x.newest(folder).name == f'checkpoint_{STEPS + 10}'


def test_the_wrong_data_is_refused_before_training(base, tmp_path):
  with pytest.raises(AssertionError, match='is it data of the other head'):
    _run(
      't5x.train',
      1,
      tmp_path,
      '--gin_file=gin/t5x/finetune_prm.gin',
      f'--gin.BASE_MODEL="{base / "model"}"',
      f'--gin.DATA=["{base / "revision"}"]',
      '--gin.SEQ_LEN=32',
      '--gin.TRAIN_STEPS=1',
      f'--gin.MODEL_DIR="{tmp_path / "run"}"',
    )


def test_a_verifier_learns_from_ratings(tmp_path):
  cfg = testing.small_config(vocab_size=TASK.vocabulary.size)
  orbax.save_model(
    tmp_path / 'model', cfg, 'logits', testing.random_params(cfg)
  )
  lines = [
    {'problem': p.question, 'steps': ['4 2', '8'], 'ratings': [1, -1]}
    for p in TASK.problems('finetune')
  ]
  path = tmp_path / 'rated.jsonl'
  path.write_text('\n'.join(map(json.dumps, lines)))
  _run(
    't5x.train',
    1,
    tmp_path,
    '--gin_file=gin/t5x/finetune_prm800k.gin',
    f'--gin_file={_task_file(tmp_path)}',
    f'--gin.BASE_MODEL="{tmp_path / "model"}"',
    f'--gin.RATINGS={{"train": "{path}", "validation": "{path}"}}',
    '--gin.SEQ_LEN=64',
    f'--gin.TRAIN_STEPS={STEPS}',
    f'--gin.MODEL_DIR="{tmp_path / "run"}"',
  )
  newest = t5x.newest(tmp_path / 'run')
  assert newest.name == f'checkpoint_{STEPS}'
  params = t5x.load(newest, cfg, 'value')
  prompt = TASK.prompt_tokens(TASK.problems('finetune')[0])
  steps = [TASK.vocabulary.encode(text) for text in ('4 2\n', '8\n')]
  values = Transformer(cfg, head='value').apply(
    {'params': params}, np.array([[*prompt, *steps[0], *steps[1]]])
  )[0]
  assert values[len(prompt) + len(steps[0]) - 1] > values[-1]


def test_infer_answers_every_question(tmp_path):
  cfg = testing.small_config(vocab_size=TASK.vocabulary.size)
  orbax.save_model(
    tmp_path / 'model', cfg, 'logits', testing.random_params(cfg)
  )
  _run(
    't5x.infer',
    8,
    tmp_path,
    '--gin_file=gin/t5x/infer.gin',
    f'--gin_file={_task_file(tmp_path)}',
    f'--gin.BASE_MODEL="{tmp_path / "model"}"',
    '--gin.SEQ_LEN=64',
    '--gin.SAMPLES=3',
    '--gin.BATCH_SIZE=8',
    f'--gin.INFER_OUTPUT_DIR="{tmp_path / "out"}"',
  )
  (path,) = (tmp_path / 'out').glob('*-predict.jsonl-00000-of-00001')
  records = [json.loads(line) for line in path.read_text().splitlines()]
  problems = TASK.problems('test')
  assert [(r['problem'], r['prompt']) for r in records] == [
    (p.id, TASK.prompt(p)) for p in problems
  ]
  for record in records:
    assert len(record['samples']) == 3
    for sample in record['samples']:
      ends = [t in TASK.vocabulary.end_ids for t in sample['tokens']]
      assert not any(ends[:-1])
      assert sample['truncated'] != ends[-1]
