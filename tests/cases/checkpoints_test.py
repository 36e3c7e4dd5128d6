"""Checkpoints of others: what comes in, what goes out, and what is refused.

Cases after public bug reports and real files. Each has the right value; ids
such as C-lora and names such as vllm#42624 say where it is from.
"""

import json
import math
import os
import subprocess
import sys

import pytest

from tests import testing
from tests.cases import transformers_reader
from tests.cases.published_configs import CONFIGS, DUMP
from ttc.checkpoints import families, huggingface, safetensors
from ttc.cli import main

_PYTHONS = os.environ.get('TTC_TRANSFORMERS_PYTHONS', '').split(os.pathsep)


def checkpoint(folder, config, head='logits'):
  """Random weights for a config.json, and that file itself."""
  cfg = families.read(config, 'config.json')
  huggingface.save(str(folder), cfg, head, testing.random_params(cfg, head))
  (folder / 'config.json').write_text(json.dumps(config))
  return folder


def convert(*arguments):
  return main.main(['convert', *map(str, arguments)])


def tensors(folder):
  return {
    name: (
      tensor.dtype,
      tensor.shape,
      tensor.rows(0, tensor.shape[0]).tobytes(),
    )
    for name, tensor in safetensors.tensors(folder).items()
  }


@pytest.fixture(scope='module')
def converted(tmp_path_factory):
  """Folders (as published, converted in and out again) by name."""
  root = tmp_path_factory.mktemp('checkpoints')
  folders = {}
  for name, (_, config) in CONFIGS.items():
    there, back = checkpoint(root / name, config), root / f'{name}-back'
    ours = root / f'{name}-ours'
    assert convert(f'--from={there}', f'--to={ours}') == 0
    assert (
      convert(f'--from={ours}', f'--to={back}', '--format=huggingface') == 0
    )
    folders[name] = there, back
  return folders


def read_config(folder):
  return json.loads((folder / 'config.json').read_text())


# --- exports that transformers 4 misreads ------------------------------------


def version_4(config):
  """What transformers 4.57 makes of a config.json: it ignores rope_parameters.

  `test_every_version_reads_the_same` holds it against transformers itself.
  """
  gemma3 = config['model_type'] == 'gemma3_text'
  scaling = dict(config.get('rope_scaling') or {})
  kind = scaling.pop('type', scaling.get('rope_type', 'default'))
  scaling.pop('rope_type', None)
  layers = config['num_hidden_layers']
  window = config.get('sliding_window', 4096)
  flags = [window is not None] * layers
  if config['model_type'] == 'llama':
    flags = [False] * layers
  elif config['model_type'] in ('qwen2', 'qwen3'):
    used = config.get('use_sliding_window', False) and window is not None
    begin = config.get('max_window_layers', 28)
    flags = [used and i >= begin for i in range(layers)]
  elif config['model_type'].startswith('gemma'):
    period = config.get('sliding_window_pattern', 6) if gemma3 else 2
    flags = [bool((i + 1) % period) for i in range(layers)]
  if config.get('layer_types'):
    flags = [kind == 'sliding_attention' for kind in config['layer_types']]
  return {
    'theta': config.get('rope_theta', 1e6 if gemma3 else 1e4),
    'near theta': config.get('rope_local_base_freq', 1e4) if gemma3 else None,
    'rope': kind,
    'scaling': scaling,
    'windows': [window if flag else None for flag in flags],
    'dtype': config.get('dtype') or config.get('torch_dtype'),
  }


def effective(reading, config):
  """A reading with what yarn leaves to its defaults written out."""
  if reading['rope'] != 'yarn':
    return reading
  defaults = {
    'attention_factor': 0.1 * math.log(reading['scaling']['factor']) + 1,
    'beta_fast': 32.0,
    'beta_slow': 1.0,
    'original_max_position_embeddings': config['max_position_embeddings'],
    'truncate': True,
  }
  return {**reading, 'scaling': {**defaults, **reading['scaling']}}


@pytest.mark.parametrize('name', CONFIGS)
def test_version_4_reads_an_export_as_the_original(name, converted):
  there, back = map(read_config, converted[name])
  if 'rope_parameters' in there:  # an original that only 5 reads
    there = {**there, **there['rope_parameters']}
  assert effective(version_4(back), back) == effective(version_4(there), there)
  for attribute in ('rope_theta', 'rope_local_base_freq'):
    if attribute in there:  # the number is spelt as it was, too
      assert repr(back[attribute]) == repr(there[attribute])


@pytest.mark.parametrize('name', CONFIGS)
def test_weights_come_back_under_their_names(name, converted):
  there, back = converted[name]
  assert tensors(back) == tensors(there)


def test_both_formats_of_rotary_attributes_agree(converted):
  """Whoever reads the one and whoever reads the other read the same model."""
  for _, back in converted.values():
    config = read_config(back)
    new, old = (
      {k: v for k, v in config.items() if k not in left_out}
      for left_out in (
        ('rope_theta', 'rope_scaling', 'rope_local_base_freq'),
        ('rope_parameters',),
      )
    )
    assert new != config != old
    assert families.read(new, '') == families.read(old, '')
    assert families.read(new, '') == families.read(config, '')


def asked(python, folders):
  """(version, readings) of the transformers of a Python; None without it."""
  done = subprocess.run(
    [python, transformers_reader.__file__, *map(str, folders)],
    check=False,
    capture_output=True,
    text=True,
    env={k: v for k, v in os.environ.items() if k != 'PYTHONPATH'},
  )
  if "No module named 'transformers'" in done.stderr:
    return None
  assert done.returncode == 0, done.stderr
  out = json.loads(done.stdout)
  return out['version'], out['readings']


@pytest.mark.parametrize('python', [sys.executable, *filter(None, _PYTHONS)])
def test_every_version_reads_the_same(python, converted):
  """transformers itself; name further ones in TTC_TRANSFORMERS_PYTHONS."""
  answer = asked(python, [f for pair in converted.values() for f in pair])
  if answer is None:
    pytest.skip(f'{python} has no transformers; see TTC_TRANSFORMERS_PYTHONS')
  version, readings = answer
  for at, name in enumerate(CONFIGS):
    there, back = (read_config(folder) for folder in converted[name])
    of_original, of_export = readings[2 * at : 2 * at + 2]
    old = int(version.split('.')[0]) < 5
    if old:
      emulated = version_4(back)
      assert {key: of_export[key] for key in emulated} == emulated, name
    if old and 'rope_parameters' in there:
      continue  # it misreads the original
    if 'hidden_activation' in there:  # then no version looks at the other
      del of_original['hidden_act'], of_export['hidden_act']
    assert effective(of_export, back) == effective(of_original, there), name


# --- attributes of a config.json ---------------------------------------------

LLAMA = CONFIGS['llama3.1-8b'][1]
FAMILIES = ('llama3.1-8b', 'mistral-v0.3', 'qwen2.5-7b', 'qwen3-8b')
FAMILIES += ('gemma2-2b', 'gemma3-1b')


@pytest.mark.parametrize('name', FAMILIES)
def test_what_every_config_of_transformers_has_is_harmless(name):
  """C-in-mistral-v03-dump: 27 such were refused, one at a time."""
  config = CONFIGS[name][1]
  assert families.read({**DUMP, **config}, '') == families.read(config, '')


@pytest.mark.parametrize(
  'extra',
  [
    dict(is_llama_config=True, rope_interleaved=False),  # C-in-smollm2-135m
    dict(unsloth_fixed=True, unsloth_version='2024.9'),
    {'transformers.js_config': {'dtype': {'model': 'q4'}}},
    dict(neftune_noise_alpha=5),
    dict(_flash_attn_2_enabled=True, _attn_implementation='sdpa'),
    dict(quantization_config=None, use_mrope=None, partial_rotary_factor=1.0),
    dict(max_sequence_length=2048, gradient_checkpointing=False),
    dict(internal_version='7b-alpha-v2.33.0.30'),  # ALLaM-7B
    dict(attn_pdrop=0.0, hidden_dropout_prob=0.0, max_seq_length=4096),
    dict(value_head_prefix='score'),  # OpenRLHF
    dict(layer_types=['full_attention'] * 2, sliding_window=None),
  ],
)
def test_attributes_that_change_nothing(extra):
  assert families.read({**LLAMA, **extra}, '') == families.read(LLAMA, '')


@pytest.mark.parametrize(
  ('name', 'value'),
  [('qwen2.5-7b', True), ('qwen2.5-7b', False), ('mistral-v0.3', False)],
)
def test_biases_that_a_family_has_or_has_not(name, value):
  config = CONFIGS[name][1]
  said = {**config, 'attention_bias': value}
  assert families.read(said, '') == families.read(config, '')
  with pytest.raises(ValueError, match='attention_bias=True cannot'):
    families.read({**CONFIGS['mistral-v0.3'][1], 'attention_bias': True}, '')


def test_a_window_that_is_written_twice():
  """google/gemma-2-9b; two different ones are no model."""
  config = CONFIGS['gemma2-2b'][1]
  twice = {**config, 'sliding_window_size': 4096}
  assert families.read(twice, '') == families.read(config, '')
  with pytest.raises(ValueError, match=r'sliding_window_size=512 .* only 4096'):
    families.read({**twice, 'sliding_window_size': 512}, '')


@pytest.mark.parametrize(
  'name', ['quantization', 'quantization_config', 'compression_config']
)
def test_quantized_weights_name_what_to_convert(name):
  with pytest.raises(ValueError, match=f'has a {name}; convert the checkpoint'):
    families.read({**LLAMA, name: {'bits': 4, 'group_size': 64}}, '')


def test_all_unknown_attributes_are_named_at_once():
  """C-in-mistral-v03-dump: one error, not one after the other."""
  extra = {'residual_multiplier': 0.22, 'clip_qkv': 8, 'a\x1b[31m': 'x\ny' * 99}
  with pytest.raises(ValueError, match='3 attributes') as refused:
    families.read({**LLAMA, **extra}, 'config.json')
  message = str(refused.value)
  assert 'residual_multiplier=0.22' in message
  assert 'clip_qkv=8' in message
  assert message.endswith('if they do not, delete them there.')
  assert r'a\x1b[31m' in message
  assert message.isprintable()
  assert len(message) < 400


@pytest.mark.parametrize(
  ('name', 'value'),
  [
    ('rope_interleaved', True),
    ('pruned_heads', {'0': [1]}),
    ('is_encoder_decoder', True),
    ('add_cross_attention', True),
    ('cross_attention_hidden_size', 64),
    ('partial_rotary_factor', 0.5),
    ('mlp_bias', True),
    ('use_mrope', True),
    ('sliding_window', 4096),
    ('sliding_window_size', 4096),
    ('layer_types', ['full_attention', 'sliding_attention']),
  ],
)
def test_attributes_that_change_the_mathematics_when_set(name, value):
  with pytest.raises(ValueError, match=name) as refused:
    families.read({**LLAMA, name: value}, 'config.json')
  assert f'{name}={value!r} cannot be computed' in str(refused.value)


@pytest.mark.parametrize(
  ('name', 'value'),
  [
    ('hidden_size', '4096'),
    ('hidden_size', None),
    ('num_attention_heads', 0),
    ('num_hidden_layers', 2.5),
    ('num_key_value_heads', True),
    ('rms_norm_eps', 'small'),
    ('rope_theta', 0),
    ('rope_theta', float('nan')),
    ('rope_scaling', 'yarn'),
    ('rope_scaling', {'rope_type': 'linear', 'factor': '4'}),
    ('rope_parameters', {'sliding_attention': 1e6}),
    ('tie_word_embeddings', 'yes'),
    ('model_type', ['llama']),
    ('hidden_act', {'silu': 1}),
    ('dtype', ['bfloat16']),
  ],
)
def test_values_of_another_type_are_named(name, value):
  inner = list(value)[-1] if isinstance(value, dict) else name
  with pytest.raises(ValueError, match=rf'{name}|{inner}'):
    families.read({**LLAMA, name: value}, 'config.json')


# --- two formats in one file -------------------------------------------------


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    (
      dict(rope_parameters=dict(rope_type='default', rope_theta=1e4)),
      r'rope_theta=500000\.0 cannot .* only rope_theta=10000\.0',
    ),
    (
      dict(rope_scaling=dict(type='linear', rope_type='yarn', factor=2.0)),
      "rope_type='yarn' cannot .* only type='linear'",
    ),
  ],
)
def test_formats_that_contradict_each_other(changes, message):
  with pytest.raises(ValueError, match=message):
    families.read({**LLAMA, **changes}, 'config.json')


def test_a_scaling_that_was_added_by_hand_wins():
  """Beside what transformers 5 wrote; all versions take the scaling."""
  fresh = dict(rope_type='default', rope_theta=1e6)
  by_hand = CONFIGS['qwen2.5-7b-yarn'][1]
  assert families.read({**by_hand, 'rope_parameters': fresh}, '') == (
    families.read(by_hand, '')
  )


def test_a_context_that_yarn_leaves_open():
  scaling = dict(type='yarn', factor=4.0, original_max_position_embeddings=None)
  config = {**CONFIGS['qwen2.5-7b'][1], 'rope_scaling': scaling}
  assert families.read(config, '').rope_scaling.context == 32768
