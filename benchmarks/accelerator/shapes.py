"""Shapes of the models, as data: light enough for the process that counts."""

import dataclasses
from typing import Any

from ttc.models.config import TransformerConfig

_QWEN = dict(dtype='bfloat16', param_dtype='bfloat16', qkv_bias=True)

# Qwen2.5's, and one that a CPU runs in no time.
SIZES = {
  'tiny': TransformerConfig(512, 2, 64, 4, 2, 16, 128, **_QWEN),
  '0.5B': TransformerConfig(151936, 24, 896, 14, 2, 64, 4864, **_QWEN),
  '1.5B': TransformerConfig(151936, 28, 1536, 12, 2, 128, 8960, **_QWEN),
  '7B': TransformerConfig(
    152064, 28, 3584, 28, 4, 128, 18944, tied=False, **_QWEN
  ),
}


def llama(size: str) -> TransformerConfig:
  """The size as opponent D has it: no biases, and a head of its own."""
  return dataclasses.replace(SIZES[size], qkv_bias=False, tied=False)


def hugging(cfg: TransformerConfig) -> dict[str, Any]:
  """The same shape in Hugging Face's words, as `protocol.MODEL`."""
  return dict(
    vocab_size=cfg.vocab_size,
    hidden_size=cfg.embed_dim,
    intermediate_size=cfg.mlp_dim,
    num_hidden_layers=cfg.num_layers,
    num_attention_heads=cfg.num_heads,
    num_key_value_heads=cfg.num_kv_heads,
    head_dim=cfg.head_dim,
    rms_norm_eps=cfg.norm_eps,
    tie_word_embeddings=cfg.tied,
  )


def product_weights(cfg: TransformerConfig) -> int:
  """Weights of the blocks: what a token is multiplied with before a head."""
  tables = 1 if cfg.tied else 2
  return cfg.num_params - tables * cfg.vocab_size * cfg.embed_dim


def position_bytes(cfg: TransformerConfig) -> int:
  """Bytes of the keys and values of one token in all layers."""
  width = {'bfloat16': 2, 'float32': 4}[cfg.dtype]
  return 2 * cfg.num_layers * cfg.num_kv_heads * cfg.head_dim * width
