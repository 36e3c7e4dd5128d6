"""Steps of training on packed documents, as a part of what products allow."""

import dataclasses

import jax
import numpy as np

from benchmarks.accelerator import clock, programs, shapes
from benchmarks.accelerator.record import Measured
from ttc.models.config import TransformerConfig

_REPEATS = 4


def train(size: str, batch: int, seq_len: int, remat: str) -> Measured:
  """Tokens/s, and the FLOPs that the model needs for them.

  Activations are bfloat16 and weights float32. Rows are full of documents of
  an eighth to a half of their length.

  Args:
    size: of the model.
    batch: rows (B).
    seq_len: tokens of each (T).
    remat: 'none', 'dots' or 'full'.
  """
  cfg = dataclasses.replace(shapes.SIZES[size], param_dtype='float32')
  data = packed(cfg.vocab_size, batch, seq_len)
  run = programs.train(cfg, remat, data)
  first, best = clock.first_and_best(run, _REPEATS)
  tokens = batch * seq_len
  rate = flops(cfg, data) / best
  used = (jax.devices()[0].memory_stats() or {}).get('peak_bytes_in_use')
  memory = f', at most {used / 1e9:.3g} GB so far' if used else ''
  return Measured(
    f'{batch} x {seq_len:,}, remat {remat}',
    f'{tokens / best:,.0f} tokens/s',
    f'{rate / 1e12:.3g} TFLOP/s{memory}',
    product=rate,
    numbers={
      's_step': best,
      'tokens_s': tokens / best,
      'flop_s': rate,
      'first_s': first,
      'peak_bytes': used,
    },
  )


def flops(cfg: TransformerConfig, batch: dict[str, np.ndarray]) -> float:
  """What a step needs: 6 a weight and token, and attention within documents.

  A query is multiplied with the keys and with the values that it may see, and
  the backward pass takes twice as much. What an embedding is looked up with,
  and what is computed again or masked, is not counted.
  """
  positions = batch['decoder_positions']
  weights = shapes.product_weights(cfg) + cfg.vocab_size * cfg.embed_dim
  pairs = float((positions + 1).sum())
  width = cfg.num_layers * cfg.num_heads * cfg.head_dim
  return 6 * weights * positions.size + 3 * 4 * width * pairs


def packed(vocab: int, batch: int, seq_len: int) -> dict[str, np.ndarray]:
  """Random documents, arrays [1, B, T]; the last of a row ends with it."""
  rng = np.random.default_rng(0)
  position, segment = np.zeros((2, batch, seq_len), np.int32)
  for row in range(batch):
    begin, document = 0, 1
    while begin < seq_len:
      length = int(rng.integers(seq_len // 8, seq_len // 2 + 1))
      end = min(begin + length, seq_len)
      position[row, begin:end] = np.arange(end - begin)
      segment[row, begin:end] = document
      begin, document = end, document + 1
  tokens = lambda: rng.integers(1, vocab, position.shape).astype(np.int32)
  made = {
    'decoder_input_tokens': tokens(),
    'decoder_target_tokens': tokens(),
    'decoder_loss_weights': np.ones(position.shape, np.float32),
    'decoder_positions': position,
    'decoder_segment_ids': segment,
  }
  return {name: array[None] for name, array in made.items()}
