"""config.json of published models, as they stand on the Hub and as resaved."""

import dataclasses
import math

import numpy as np
import pytest

from tests import testing
from ttc.checkpoints import families
from ttc.models.config import RopeScaling
from ttc.models.rope import frequencies

_REST = dict(
  attention_dropout=0.0,
  initializer_range=0.02,
  use_cache=True,
  torch_dtype='bfloat16',
  transformers_version='4.45.0',
  bos_token_id=1,
)
LLAMA = dict(
  model_type='llama',
  attention_bias=False,
  head_dim=64,
  hidden_act='silu',
  hidden_size=2048,
  intermediate_size=8192,
  max_position_embeddings=131072,
  mlp_bias=False,
  num_attention_heads=32,
  num_hidden_layers=16,
  num_key_value_heads=8,
  pretraining_tp=1,
  rms_norm_eps=1e-5,
  rope_scaling=dict(
    factor=32.0,
    high_freq_factor=4.0,
    low_freq_factor=1.0,
    original_max_position_embeddings=8192,
    rope_type='llama3',
  ),
  rope_theta=500000.0,
  tie_word_embeddings=True,
  vocab_size=128256,
  **_REST,
)
QWEN = dict(
  model_type='qwen2',
  hidden_act='silu',
  hidden_size=1536,
  intermediate_size=8960,
  max_position_embeddings=4096,
  max_window_layers=21,
  num_attention_heads=12,
  num_hidden_layers=28,
  num_key_value_heads=2,
  rms_norm_eps=1e-6,
  rope_theta=10000.0,
  sliding_window=4096,
  tie_word_embeddings=True,
  use_mrope=False,
  use_sliding_window=False,
  vocab_size=151936,
  **_REST,
)
GEMMA2 = dict(
  model_type='gemma2',
  attention_bias=False,
  attn_logit_softcapping=50.0,
  cache_implementation='hybrid',
  final_logit_softcapping=30.0,
  head_dim=256,
  hidden_act='gelu_pytorch_tanh',
  hidden_activation='gelu_pytorch_tanh',
  hidden_size=2304,
  intermediate_size=9216,
  max_position_embeddings=8192,
  num_attention_heads=8,
  num_hidden_layers=26,
  num_key_value_heads=4,
  query_pre_attn_scalar=256,
  rms_norm_eps=1e-6,
  rope_theta=10000.0,
  sliding_window=4096,
  vocab_size=256000,
  **_REST,
)
GEMMA3 = dict(
  model_type='gemma3_text',
  attention_bias=False,
  attn_logit_softcapping=None,
  cache_implementation='hybrid',
  final_logit_softcapping=None,
  head_dim=256,
  hidden_activation='gelu_pytorch_tanh',
  hidden_size=1152,
  intermediate_size=6912,
  max_position_embeddings=32768,
  num_attention_heads=4,
  num_hidden_layers=26,
  num_key_value_heads=1,
  query_pre_attn_scalar=256,
  rms_norm_eps=1e-6,
  rope_local_base_freq=10000,
  rope_scaling=None,
  rope_theta=1000000,
  sliding_window=512,
  sliding_window_pattern=6,
  vocab_size=262144,
  **_REST,
)
MISTRAL = dict(
  model_type='mistral',
  hidden_act='silu',
  hidden_size=4096,
  intermediate_size=14336,
  max_position_embeddings=32768,
  num_attention_heads=32,
  num_hidden_layers=32,
  num_key_value_heads=8,
  rms_norm_eps=1e-5,
  rope_theta=10000.0,
  sliding_window=4096,
  tie_word_embeddings=False,
  vocab_size=32000,
  **_REST,
)
HUB = {
  'llama': LLAMA,
  'qwen2': QWEN,
  'gemma2': GEMMA2,
  'gemma3': GEMMA3,
  'mistral': MISTRAL,
}


@pytest.mark.parametrize('name', HUB)
def test_what_is_written_is_read_as_the_same(name):
  cfg = families.read(HUB[name], name)
  written = families.written(cfg)
  assert 'rope_parameters' in written  # the new spelling of the old ones
  assert families.read(written, name) == cfg
  assert cfg.dtype == 'bfloat16'


def test_what_the_published_ones_are():
  llama = families.read(LLAMA, '')
  assert llama.rope_scaling == RopeScaling('llama3', 32.0, 8192, 1.0, 4.0)
  assert llama.num_params == 1_235_814_400
  qwen = families.read(QWEN, '')
  assert (qwen.qkv_bias, qwen.out_bias, qwen.sliding) == (True, False, ())
  assert qwen.num_params == 1_543_714_304
  gemma = families.read(GEMMA2, '')
  assert gemma.sliding == (True, False) * 13
  assert gemma.num_params == 2_614_341_888
  gemma = families.read(GEMMA3, '')
  assert [i for i, near in enumerate(gemma.sliding) if not near] == [
    5,
    11,
    17,
    23,
  ]
  assert (gemma.rope_theta, gemma.local_rope_theta) == (1e6, 1e4)
  assert gemma.num_params == 999_885_952
  assert all(families.read(MISTRAL, '').sliding)


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    (dict(model_type='mamba'), "model_type 'mamba' is none of the families"),
    (dict(brand_new=3), 'unknown attribute brand_new=3,'),
    (dict(mlp_bias=True), 'mlp_bias=True cannot be computed'),
    (dict(hidden_act='swish2'), "hidden_act='swish2' cannot be computed"),
    (dict(quantization_config={'bits': 4}), 'quantized from'),
    (dict(partial_rotary_factor=0.5), 'partial_rotary_factor=0.5 cannot'),
    (dict(rope_scaling=dict(rope_type='longrope')), "rope_type='longrope'"),
    (dict(rope_scaling=dict(rope_type='linear')), 'has no factor'),
    (
      dict(rope_scaling=dict(type='linear', factor=2.0, wave=1)),
      'unknown attribute wave=1,',
    ),
    (dict(rope_scaling=dict(type='linear', factor=0.5)), 'factor=0.5'),
    (dict(torch_dtype='int8'), "dtype='int8' cannot be computed"),
    (dict(is_encoder_decoder=True), 'is_encoder_decoder=True cannot'),
    (dict(num_key_value_heads=5), 'num_kv_heads=5'),
  ],
)
def test_what_we_do_not_compute_is_refused(changes, message):
  with pytest.raises(ValueError, match=message):
    families.read({**LLAMA, **changes}, 'config.json')


def test_what_is_missing_is_named():
  with pytest.raises(ValueError, match=r'here has no hidden_size'):
    families.read(
      {k: v for k, v in LLAMA.items() if k != 'hidden_size'}, 'here'
    )


def test_gemma_needs_one_base_a_kind_of_layer_and_one_direction():
  both = dict(
    GEMMA3,
    rope_parameters=dict(
      sliding_attention=dict(rope_type='linear', factor=2.0, rope_theta=1e4),
      full_attention=dict(rope_type='default', rope_theta=1e6),
    ),
  )
  with pytest.raises(ValueError, match='sliding_attention'):
    families.read(both, '')
  with pytest.raises(ValueError, match='use_bidirectional_attention=True'):
    families.read(dict(GEMMA3, use_bidirectional_attention=True), '')
  with pytest.raises(ValueError, match='layer_types'):
    families.read(dict(GEMMA3, layer_types=['chunked_attention'] * 26), '')


@pytest.mark.parametrize(
  'changes',
  [
    dict(gated=False),
    dict(activation='relu2'),
    dict(qk_norm=True, qkv_bias=True),
    dict(norm_offset=1.0, query_scale=0.3),
    dict(scale_embed=True),
    dict(attn_softcap=3.0),
  ],
)
def test_a_model_that_no_family_computes_stays(changes):
  with pytest.raises(
    ValueError, match=f'{next(iter(changes))} is|differs|No family'
  ):
    families.written(testing.small_config(**changes))


def test_our_own_small_model_is_a_llama():
  cfg = testing.small_config(dropout=0.1, value_hidden=3)
  back = families.read(families.written(cfg), '')
  assert (
    dataclasses.replace(back, dropout=0.1, value_hidden=3, context=None) == cfg
  )


@pytest.mark.parametrize('kind', ['llama3', 'yarn'])
def test_only_slow_channels_are_stretched(kind):
  scaling = RopeScaling(kind, 8.0, context=1000, low=1.0, high=20.0)
  plain = frequencies(10_000.0, 64)
  stretched = frequencies(10_000.0, 64, scaling)
  turns = 1000 * plain / (2 * math.pi)
  np.testing.assert_array_equal(stretched[turns > 60], plain[turns > 60])
  np.testing.assert_allclose(
    stretched[turns < 0.4], plain[turns < 0.4] / 8, rtol=1e-6
  )
  assert (np.diff(stretched) < 0).all()
