"""Damaged and foreign checkpoints: one error that names what is wrong."""

import json
import struct

import numpy as np
import pytest

from tests import testing
from tests.checkpoints import huggingface_cases as cases
from ttc.checkpoints import huggingface, safetensors
from ttc.models.reader import Reader, READERS


class Checkpoint:
  """A sound one, to be spoiled and then written."""

  def __init__(self, case):
    golden = dict(np.load(cases.GOLDENS / f'{case}.npz'))
    self.config = json.loads(golden['config'].tobytes())
    self.weights = {
      name: cases.weight(name, tuple(shape), False)
      for name, shape in json.loads(golden['shapes'].tobytes()).items()
    }

  def write(self, folder, file_bytes=10**9):
    """Writes it as it is now."""
    folder.mkdir(exist_ok=True)
    safetensors.write(
      folder,
      [
        safetensors.Made(
          name, str(value.dtype), value.shape, lambda value=value: value
        )
        for name, value in self.weights.items()
      ],
      file_bytes,
    )
    (folder / 'config.json').write_text(json.dumps(self.config))
    return folder

  def refused(self, folder, message, **kwargs):
    """Writing and reading it raises."""
    with pytest.raises(ValueError, match=message):
      huggingface.load(self.write(folder), testing.mesh(), **kwargs)


@pytest.fixture
def llama():
  return Checkpoint('llama2')


Q = 'model.layers.1.self_attn.q_proj.weight'


def test_a_tensor_missing(llama, tmp_path):
  del llama.weights[Q]
  llama.refused(tmp_path, f"lacks tensor '{Q}'")


def test_a_tensor_left_over(llama, tmp_path):
  llama.weights['model.layers.2.mlp.up_proj.weight'] = np.ones(3, np.float32)
  llama.refused(tmp_path, r"'model.layers.2.mlp.up_proj.weight' is left over")


def test_a_buffer_of_old_versions_is_no_weight(llama, tmp_path):
  llama.weights['model.layers.0.self_attn.rotary_emb.inv_freq'] = np.ones(
    4, np.float32
  )
  huggingface.load(llama.write(tmp_path), testing.mesh())


def test_a_tensor_of_another_shape(llama, tmp_path):
  llama.weights[Q] = llama.weights[Q][:-1]
  llama.refused(tmp_path, rf"'{Q}' has shape \(31, 32\), and .*\(32, 32\)")


@pytest.mark.parametrize('bad', [np.nan, np.inf])
def test_a_weight_that_is_no_number(llama, tmp_path, bad):
  llama.weights[Q][7, 3] = bad
  llama.refused(tmp_path, f"'{Q}' has NaN or infinite weights")


def test_a_config_of_another_model(llama, tmp_path):
  llama.config['num_hidden_layers'] = 3
  llama.refused(tmp_path, r"lacks tensor 'model.layers.2.")


@pytest.mark.parametrize('name', ['LlamaModel', 'BertForMaskedLM', ''])
def test_an_unknown_architecture(llama, tmp_path, name):
  llama.config['architectures'] = [name]
  llama.refused(tmp_path, f"architecture '{name}' is unknown")


def test_dtypes_that_are_mixed_or_unknown(llama, tmp_path):
  llama.weights[Q] = llama.weights[Q].astype(np.float16)
  llama.refused(tmp_path, 'mixes dtypes .*--dtype')
  huggingface.load(tmp_path, testing.mesh(), dtype='float32')


def test_a_tied_table_with_another_output(tmp_path):
  qwen = Checkpoint('qwen2')
  table = qwen.weights['model.embed_tokens.weight']
  qwen.weights['lm_head.weight'] = table.copy()
  huggingface.load(qwen.write(tmp_path / 'same'), testing.mesh())
  qwen.weights['lm_head.weight'][0, 0] += 1
  qwen.refused(tmp_path / 'other', 'tie_word_embeddings')


def test_files_that_are_not_there_or_cut(llama, tmp_path):
  with pytest.raises(ValueError, match=r'no config\.json'):
    huggingface.load(tmp_path / 'nothing', testing.mesh())
  folder = llama.write(tmp_path / 'sharded', file_bytes=30_000)
  shards = sorted(folder.glob('model-*'))
  assert len(shards) > 2
  huggingface.load(folder, testing.mesh())
  kept = shards[1].read_bytes()
  shards[1].unlink()
  with pytest.raises(ValueError, match=f'{shards[1].name}, which is missing'):
    huggingface.load(folder, testing.mesh())
  shards[1].write_bytes(kept[:-5])
  with pytest.raises(ValueError, match='was cut short'):
    huggingface.load(folder, testing.mesh())
  shards[1].write_bytes(struct.pack('<Q', 1 << 50) + kept[8:])
  with pytest.raises(ValueError, match='no safetensors file'):
    huggingface.load(folder, testing.mesh())
  for shard in folder.glob('model*'):
    shard.unlink()
  with pytest.raises(ValueError, match='neither model'):
    huggingface.load(folder, testing.mesh())


def test_value_heads_that_do_not_fit(tmp_path):
  three = Checkpoint('token_two')
  three.weights['score.weight'] = np.ones((3, 32), np.float32)
  three.refused(tmp_path / 'three', r"'score.weight' has shape \(3, 32\)")
  none = Checkpoint('token_two')
  del none.weights['score.weight']
  none.refused(tmp_path / 'none', "lacks tensor 'score.weight'")
  half = Checkpoint('qwen_prm')
  del half.weights['score.2.bias']
  half.refused(tmp_path / 'half', "lacks tensor 'score.2.bias'")
  far = Reader('{question}', '.', good=48, bad=3)
  Checkpoint('step_token').refused(
    tmp_path / 'far', r'good=48 is no token', reader=far
  )
  Checkpoint('token_one').refused(
    tmp_path / 'own', 'a value head of its own', reader=READERS['math-shepherd']
  )


def test_capped_logits_are_no_linear_head(tmp_path):
  gemma = Checkpoint('gemma2')
  gemma.refused(
    tmp_path,
    'final_logit_softcapping=6.0',
    reader=Reader('{question}', '.', good=1, bad=2),
  )


@pytest.mark.parametrize(
  'changes',
  [
    dict(prompt='no place'),
    dict(before=''),
    dict(good=3),
    dict(prompt='{question}{question}'),
  ],
)
def test_readers_that_say_nothing(changes):
  with pytest.raises(ValueError, match='Reader'):
    Reader(**{'prompt': '{question}', 'before': '\n', **changes})


def test_what_a_reader_reads():
  steps = [' 1+1=2\n\n', 'So 2.']
  assert READERS['math-shepherd'].text('Q?', steps) == ('Q? 1+1=2 ки\nSo 2. ки')
  assert (
    READERS['qwen2.5-math-prm']
    .text('Q?', steps)
    .endswith('assistant\n1+1=2<extra_0>So 2.<extra_0>')
  )
  assert Reader.from_json(vars(READERS['rlhflow'])) == READERS['rlhflow']
  with pytest.raises(ValueError, match="'separator'"):
    Reader.from_json({'prompt': '{question}', 'separator': 'x'})


def test_the_library_reads_what_we_write_and_we_what_it_writes(tmp_path):
  library = pytest.importorskip('safetensors.numpy')
  arrays = {
    'a': np.arange(6, dtype=np.float32).reshape(2, 3),
    'b': np.ones((1, 5), np.float16),
  }
  safetensors.write(
    tmp_path,
    [
      safetensors.Made(name, str(x.dtype), x.shape, lambda x=x: x)
      for name, x in arrays.items()
    ],
  )
  for name, x in library.load_file(tmp_path / 'model.safetensors').items():
    np.testing.assert_array_equal(x, arrays[name], strict=True)
  library.save_file(arrays, tmp_path / 'model.safetensors')
  for name, tensor in safetensors.tensors(tmp_path).items():
    np.testing.assert_array_equal(
      tensor.rows(0, len(arrays[name])), arrays[name], strict=True
    )
    np.testing.assert_array_equal(tensor.rows(0, 1), arrays[name][:1])
