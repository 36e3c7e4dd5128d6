"""A checkpoint that somebody else made, from its folder to graded answers.

Random weights in the shape of Qwen2.5, a tokenizer in its format, questions of
MATH: convert, sample, label, grade. Nothing of it may need TensorFlow.
"""

import json
import subprocess
import sys

from flax import linen as nn
import jax
import jax.numpy as jnp
import pytest

from tests.data import toys
from ttc.checkpoints import huggingface
from ttc.data.jsonl import Rows
from ttc.data.tokenizer import Tokenizer
from ttc.models import partitioning
from ttc.models.config import TransformerConfig
from ttc.models.transformer import Transformer
from ttc.pipeline import records

_RUN = """
import sys
from ttc.cli import main
code = main.main(sys.argv[1:])
print(sorted({'tensorflow', 'seqio', 'torch'} & set(sys.modules)))
sys.exit(code)
"""
# More rows than the tokenizer has tokens, as the real ones.
_QWEN = TransformerConfig(
  vocab_size=384, num_layers=2, embed_dim=48, num_heads=6, num_kv_heads=2,
  head_dim=8, mlp_dim=96, qkv_bias=True, context=2048)  # fmt: skip


def ttc(*arguments):
  done = subprocess.run(
    [sys.executable, '-c', _RUN, *arguments],
    capture_output=True, text=True, timeout=300, check=False)  # fmt: skip
  assert done.returncode == 0, done.stderr[-4000:]
  assert done.stdout.endswith('[]\n')
  return done.stdout


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  """Folders: of everything, of the model, and of the stages."""
  if not toys.DATA.exists():
    pytest.skip('no shared data here')
  folder = tmp_path_factory.mktemp('open_weights')
  theirs, ours = folder / 'huggingface', folder / 'ours'
  mesh = partitioning.make_mesh(devices=jax.devices()[:1])
  with partitioning.use(mesh):
    params = nn.unbox(
      Transformer(_QWEN, head='logits').init(
        jax.random.key(0), jnp.zeros((1, 2), jnp.int32)
      )
    )['params']
  huggingface.save(str(theirs), _QWEN, 'logits', params)
  toys.qwen(theirs)
  ttc('convert', f'--from={theirs}', f'--to={ours}')
  ttc(
    'run', '--gin_file=gin/experiments/first_look.gin',
    '--gin_file=gin/templates/qwen.gin',
    f"--gin.SMALL='{ours}'", f"--gin.Experiment.output='{folder}'",
    f"--gin.FINETUNE_FILE='{toys.DATA / 'math_train_12k.jsonl.gz'}'",
    f"--gin.TEST_FILE='{toys.DATA / 'math500_test.jsonl'}'",
    '--gin.QUESTIONS=6', '--gin.MAX_TOKENS=48',
    '--gin.Generation.max_step_tokens=48', '--gin.Solver.prompt_tokens=512',
    "--gin.Questions.delimiter='\\n'",
    "--gin.Questions.accepted=('boxed', 'number')",
  )  # fmt: skip
  return folder, ours, folder / 'first_look' / 'seed-0'


def test_attempts_are_the_tokens_that_were_sampled(run):
  _, ours, stages = run
  vocabulary = Tokenizer(str(ours), '<|quad_end|>')
  samples = records.read_rows(stages / 'search')
  assert len(samples) == 6
  beyond = False
  for record in samples:
    if 'skipped' in record:
      assert 'more than Solver.prompt_tokens=512' in record['skipped']
      continue
    assert len(record['rows']) == 4
    for row in record['rows']:
      assert vocabulary.decode(row['tokens']) == row['text']
      beyond |= max(row['tokens']) >= vocabulary.size
      ended = row['tokens'][-1] in vocabulary.end_ids
      assert row['truncated'] is not ended
      assert len(row['tokens']) <= 48
  assert beyond  # padding rows are sampled by random weights, and do no harm


def test_labels_belong_to_the_samples(run):
  _, ours, stages = run
  vocabulary = Tokenizer(str(ours), '<|quad_end|>')
  samples = {r['problem']: r for r in records.read_rows(stages / 'search')}
  labels = records.read_rows(stages / 'label')
  assert labels
  steps = 0
  for line in labels:
    row = samples[line['problem']]['rows'][line['sample']]
    assert row['answer'] is not None
    assert line['tokens'] == row['tokens']
    for end in line['ends'][:-1]:
      token = line['tokens'][end]
      assert '\n' in vocabulary.piece(token) or token in vocabulary.end_ids
      steps += 1
    assert line['labels'][-1] == row['correct']
  assert steps


def test_ttc_grade_agrees_with_the_records(run):
  folder, _, stages = run
  rows = Rows(str(toys.DATA / 'math500_test.jsonl'), question='problem').read()
  source, target = folder / 'answers.jsonl', folder / 'graded.jsonl'
  expected = []
  with open(source, 'w', encoding='ascii') as file:
    for record in records.read_rows(stages / 'search'):
      for row in record['rows']:
        expected.append(row['correct'])
        file.write(
          json.dumps(
            {
              'gold': rows[record['problem']].answer,
              'pred': row['text'],
              'kind': 'response',
              'truncated': row['truncated'],
            }
          )
          + '\n'
        )
  said = ttc('grade', f'--input={source}', f'--output={target}')
  assert 'of truncated answers' in said
  graded = [json.loads(line) for line in target.read_text().splitlines()]
  for line, correct in zip(graded, expected, strict=True):
    assert line['correct'] == correct
