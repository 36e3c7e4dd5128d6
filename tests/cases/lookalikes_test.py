"""What looks like a checkpoint and is none: one line that says what to do.

Ids such as C-lora and names such as trl#2127 say where a case is from.
"""

import functools
import json
import pathlib
import tempfile

import numpy as np
import pytest

from tests import testing
from tests.cases.published_configs import CONFIGS
from ttc.checkpoints import families, huggingface, orbax, safetensors
from ttc.cli import main

LLAMA = CONFIGS['mistral-v0.3'][1] | {
  'architectures': ['LlamaForCausalLM'],
  'model_type': 'llama',
}
WIDTH = LLAMA['hidden_size']
POINTER = (
  b'version https://git-lfs.github.com/spec/v1\n'
  b'oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393'
  b'\nsize 2147483648\n'
)


@functools.cache
def sound():
  """Random weights by their names."""
  cfg = families.read(LLAMA, 'config.json')
  with tempfile.TemporaryDirectory() as folder:
    huggingface.save(folder, cfg, 'logits', testing.random_params(cfg))
    return {
      name: tensor.rows(0, tensor.shape[0])
      for name, tensor in safetensors.tensors(pathlib.Path(folder)).items()
    }


def checkpoint(folder, config=LLAMA, **more):
  """A checkpoint with further tensors."""
  arrays = sound() | {name: x.astype(np.float32) for name, x in more.items()}
  safetensors.write(
    folder,
    [
      safetensors.Made(name, str(x.dtype), x.shape, lambda x=x: x)
      for name, x in arrays.items()
    ],
  )
  (folder / 'config.json').write_text(json.dumps(config))


def refused(capsys, source, *options):
  """The one line with which `ttc convert` refuses a folder."""
  target = source.parent / 'out'
  code = main.main(
    ['convert', f'--from={source}', f'--to={target}', *map(str, options)]
  )
  line = capsys.readouterr().err
  assert code == 2, line
  assert line.count('\n') == 1
  assert line.rstrip('\n').isprintable()
  assert not target.exists()
  assert not list(source.parent.glob('.out*'))
  return line


@pytest.fixture
def hub(tmp_path):
  (tmp_path / 'hub').mkdir()
  return tmp_path / 'hub'


# --- adapters ----------------------------------------------------------------


@pytest.mark.parametrize('name', ['adapter_model.safetensors', None])
def test_a_folder_of_an_adapter(name, hub, capsys):
  """C-lora: PEFT, and TRL with it."""
  base = {'base_model_name_or_path': 'Qwen/Qwen2.5-1.5B\x1b[2J', 'r': 16}
  (hub / 'adapter_config.json').write_text(json.dumps(base))
  if name:
    (hub / name).write_bytes(b'')
  line = refused(capsys, hub)
  assert 'an adapter (LoRA) of ' in line
  assert 'Qwen/Qwen2.5-1.5B' in line
  assert 'merge it first' in line
  assert 'merge_and_unload()' in line


@pytest.mark.parametrize('text', ['', '[]', '{"base_model_name_or_path": 3}'])
def test_an_adapter_that_names_no_model(text, hub, capsys):
  (hub / 'adapter_config.json').write_text(text)
  assert 'an adapter (LoRA), not a whole model' in refused(capsys, hub)


def test_an_adapter_beside_a_model(hub, capsys):
  """transformers would load both; reading one alone is another model."""
  checkpoint(hub)
  (hub / 'adapter_config.json').write_text('{}')
  (hub / 'adapter_model.bin').write_bytes(b'')
  line = refused(capsys, hub)
  assert 'merge_and_unload()' in line
  assert 'delete adapter_config.json and adapter_model.bin' in line


@pytest.mark.parametrize(
  'name',
  [
    'model.layers.0.self_attn.q_proj.lora_A.default.weight',
    'base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight',
    'base_model.model.lm_head.modules_to_save.default.weight',
  ],
)
def test_tensors_of_an_adapter_in_a_model(name, hub, capsys):
  checkpoint(hub, **{name: np.ones((4, WIDTH))})
  line = refused(capsys, hub)
  assert repr(name) in line
  assert 'merge_and_unload()' in line


# --- heads beside a language model -------------------------------------------

HEADS = {
  'trl': {
    'v_head.summary.weight': np.ones((1, WIDTH)),
    'v_head.summary.bias': np.ones(1),
  },
  'openrlhf': {'value_head.weight': np.ones((1, WIDTH))},
  'score': {'score.weight': np.ones((1, WIDTH))},
  'mlp': {
    'score.0.weight': np.ones((5, WIDTH)),
    'score.0.bias': np.ones(5),
    'score.2.weight': np.ones((2, 5)),
    'score.2.bias': np.ones(2),
  },
}


@pytest.mark.parametrize('head', HEADS)
def test_a_value_head_under_a_language_model(head, hub, capsys):
  """trl's AutoModelForCausalLMWithValueHead and its like."""
  checkpoint(hub, **HEADS[head])
  line = refused(capsys, hub)
  assert min(HEADS[head]) in line
  assert 'as a verifier' in line
  assert '["LlamaForTokenClassification"]' in line
  assert ('name the tensors score.weight' in line) == (
    head in ('trl', 'openrlhf')
  )
  assert 'delete' not in line.lower()


@pytest.mark.parametrize('name', ['value_head.safetensors', 'v_head.bin'])
def test_a_value_head_in_a_file_of_its_own(name, hub, capsys):
  """LLaMA-Factory's reward models, whose verifier would be lost."""
  checkpoint(hub)
  (hub / name).write_bytes(b'')
  line = refused(capsys, hub)
  assert f'has {name}: a head beside the language model' in line
  assert '["LlamaForTokenClassification"]' in line


@pytest.mark.parametrize('head', HEADS)
def test_what_is_said_of_a_value_head_works(head, hub, tmp_path, capsys):
  renamed = {
    f'score.{name.rpartition(".")[2]}'
    if head in ('trl', 'openrlhf')
    else name: x
    for name, x in HEADS[head].items()
  }
  config = {**LLAMA, 'architectures': ['LlamaForTokenClassification']}
  checkpoint(hub, config, **renamed)
  code = main.main(
    [
      'convert',
      f'--from={hub}',
      f'--to={tmp_path / "out"}',
      '--dtype=float32',
    ]
  )
  assert code == 0, capsys.readouterr().err
  assert orbax.load_config(str(tmp_path / 'out'))[1] == 'value'


@pytest.mark.parametrize(
  ('name', 'shape'),
  [
    ('model.layers.0.self_attn.q_proj.bias', (WIDTH,)),
    ('mtp.layers.0.mlp.up_proj.weight', (3, WIDTH)),
    ('lm_head.bias', (128,)),
  ],
)
def test_what_else_is_left_over_is_no_head(name, shape, hub, capsys):
  checkpoint(hub, **{name: np.ones(shape)})
  line = refused(capsys, hub, '--dtype=float32')
  assert f'tensor {name!r} is left over' in line
  assert 'delete' not in line.lower()


# --- pointers of Git LFS ------------------------------------------------------


@pytest.mark.parametrize(
  'name',
  [
    'model.safetensors',
    'model.safetensors.index.json',
    'config.json',
    'tokenizer.json',
    'tokenizer.model',
  ],
)
def test_a_pointer_of_git_lfs(name, hub, capsys):
  """C-lfs: a clone without `git lfs`."""
  checkpoint(hub)
  (hub / name).write_bytes(POINTER)
  line = refused(capsys, hub)
  assert f'{name} is a pointer of Git LFS' in line
  assert 'git lfs pull' in line


# --- other families -----------------------------------------------------------


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    (
      dict(model_type='phi3', architectures=['Phi3ForCausalLM']),  # C-in-phi4
      "model_type 'phi3' is none of the families that can be read (llama, ",
    ),
    (
      dict(model_type='qwen2', architectures=['Qwen2ForPrmModel']),  # C-skywork
      "architecture 'Qwen2ForPrmModel' is unknown; models for CausalLM, ",
    ),
    (dict(architectures='LlamaModel'), "architecture 'LlamaModel' is unknown"),
    (dict(architectures=[None]), 'architecture None is unknown'),
  ],
)
def test_other_families_and_classes(changes, message, hub, capsys):
  checkpoint(hub)
  (hub / 'config.json').write_text(json.dumps({**LLAMA, **changes}))
  assert message in refused(capsys, hub)


def test_a_token_classifier_of_two_labels_is_a_value_head(hub, tmp_path):
  """C-trl search-and-learn#45 trl#2127: in with two labels, out with one."""
  config = {**LLAMA, 'architectures': ['LlamaForTokenClassification']}
  weight = np.stack([np.full(WIDTH, 0.25), np.full(WIDTH, 1.0)])
  more = {'score.weight': weight, 'score.bias': np.array([0.5, 0.0])}
  checkpoint(hub, config, **more)
  ours, back = tmp_path / 'ours', tmp_path / 'back'
  for source, target, form in ((hub, ours, 'ttc'), (ours, back, 'huggingface')):
    assert (
      main.main(
        [
          'convert',
          f'--from={source}',
          f'--to={target}',
          f'--format={form}',
          '--dtype=float32',
        ]
      )
      == 0
    )
  score = safetensors.tensors(back)
  np.testing.assert_array_equal(
    score['score.weight'].rows(0, 1), np.full((1, WIDTH), 0.75)
  )
  np.testing.assert_array_equal(score['score.bias'].rows(0, 1), [-0.5])


@pytest.mark.parametrize(
  ('labels', 'passes'),
  [
    ({'0': 'correct', '1': 'incorrect'}, False),
    ({'0': '+', '1': '-'}, False),
    ({'0': 'incorrect', '1': 'correct'}, True),
    ({'0': 'LABEL_0', '1': 'LABEL_1'}, True),
    ({'0': 'correct'}, True),
    (['a'], True),
  ],
)
def test_labels_in_the_other_order(labels, passes, hub, capsys):
  """The values of its steps would be the other way round."""
  config = {
    **LLAMA,
    'architectures': ['LlamaForTokenClassification'],
    'id2label': labels,
  }
  checkpoint(hub, config, **{'score.weight': np.ones((2, WIDTH))})
  if passes:
    huggingface.load(str(hub), testing.mesh(), 'float32')
  else:
    assert 'exchange the rows of score.weight' in refused(capsys, hub)


# --- the new folder -----------------------------------------------------------


def test_a_command_at_work_keeps_a_second_one_out(hub, tmp_path, capsys):
  checkpoint(hub)
  (tmp_path / '.out.tmp').mkdir()
  (tmp_path / '.out.tmp' / 'theirs').touch()
  target = tmp_path / 'out'
  assert main.main(['convert', f'--from={hub}', f'--to={target}']) == 2
  assert 'see that none is at work and delete it' in capsys.readouterr().err
  assert (tmp_path / '.out.tmp' / 'theirs').exists()
  assert not target.exists()


def test_names_in_files_reach_no_terminal(hub, capsys):
  config = {**LLAMA, 'model_type': '\x1b]0;owned\x07\n'}
  (hub / 'config.json').write_text(json.dumps(config))
  assert 'owned' in refused(capsys, hub)
