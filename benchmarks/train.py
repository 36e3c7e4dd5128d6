"""Training through the library's loop: `python -m benchmarks.train`.

Tokens/s of `ttc.training.loop.fit` on packed documents of random tokens, its
batches, transfers and reports included, and what part of the machine's matmul
peak the products of the model are. The peak is measured in the same process,
as the best of a few square float32 products.
"""

import argparse
import dataclasses
import json
import pathlib
import tempfile
import time

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import environment
from benchmarks.harness import spread
from ttc.examples.packing import Batches, Documents
from ttc.models.config import TransformerConfig
from ttc.training.loop import fit, FitConfig
from ttc.training.optimizer import AdamW
from ttc.training.stopping import Stop


@dataclasses.dataclass(frozen=True)
class Size:
  """A model and its steps.

  Attributes:
    batch: rows of a step.
    seq_len: tokens of a row.
    scan: steps of a device call.
    calls: that are measured.
  """

  model: TransformerConfig
  batch: int
  seq_len: int
  scan: int
  calls: int


def _model(vocab, layers, width, heads, kv, hidden) -> TransformerConfig:
  return TransformerConfig(
    vocab_size=vocab,
    num_layers=layers,
    embed_dim=width,
    num_heads=heads,
    num_kv_heads=kv,
    head_dim=width // heads,
    mlp_dim=hidden,
  )


SIZES = {
  # As the embedded default, gin/models/worksheet.gin.
  '0.1M': Size(
    dataclasses.replace(
      _model(32, 2, 64, 4, 4, 256), gated=False, activation='relu2', tied=False
    ),
    batch=64,
    seq_len=109,
    scan=20,
    calls=10,
  ),
  '10M': Size(_model(4096, 6, 320, 5, 5, 864), 16, 256, 1, 10),
  '100M': Size(_model(16384, 12, 768, 12, 6, 2048), 4, 256, 1, 5),
}


def documents(size: Size, count: int = 2000) -> Documents:
  """Random tokens, a tenth to a half of a row long."""
  rng = np.random.default_rng(0)
  lengths = rng.integers(size.seq_len // 10, size.seq_len // 2, count)
  tokens = lambda n: rng.integers(1, size.model.vocab_size, n).astype(np.int32)
  return Documents.join(
    [
      {
        'decoder_input_tokens': tokens(n),
        'decoder_target_tokens': tokens(n),
        'decoder_loss_weights': np.ones(n, np.float32),
      }
      for n in lengths
    ]
  )


def flops(size: Size) -> float:
  """Of a trained token: 6 a weight, and attention to the whole row.

  What an embedding is looked up with, and what XLA computes again or beside
  products, is no one's gain and not counted.
  """
  cfg = size.model
  looked_up = 0 if cfg.tied else cfg.vocab_size * cfg.embed_dim
  attention = cfg.num_layers * cfg.num_heads * cfg.head_dim * 4 * size.seq_len
  return 6 * (cfg.num_params - looked_up) + 3 * attention


def measure(size: Size) -> dict:
  """Seconds of each measured call, after two that are not."""
  steps = size.scan * (size.calls + 2)
  config = FitConfig(
    steps=steps,
    batch=size.batch,
    seq_len=size.seq_len,
    optimizer=AdamW(learning_rate=1e-4),
    eval_every=steps,
    checkpoint_every=steps,
    steps_per_call=size.scan,
    stop=Stop(rule='last'),
  )
  packed = Batches(
    documents(size),
    batch=size.batch,
    seq_len=size.seq_len,
    steps=size.scan,
    seed=0,
  )
  filled = np.mean(next(packed)['decoder_segment_ids'] > 0)
  at = []
  with tempfile.TemporaryDirectory() as folder:
    fit(
      config,
      size.model,
      'logits',
      packed,
      [],
      folder,
      report=lambda _: at.append(time.perf_counter()),
    )
  # A report comes when a call has ended, and the next is on its way already.
  # Of the two calls that do not count, the first compiles.
  seconds = np.diff(at)[1:]
  tokens = size.scan * size.batch * size.seq_len
  return {'rates': (tokens / seconds).tolist(), 'filled': float(filled)}


def peak() -> float:
  """FLOP/s of the fastest square product in float32."""
  best = 0.0
  for width in (1024, 2048, 4096):
    x = jnp.ones((width, width), jnp.float32)
    product = jax.jit(jnp.matmul)
    product(x, x).block_until_ready()
    for _ in range(5):
      began = time.perf_counter()
      product(x, x).block_until_ready()
      best = max(best, 2 * width**3 / (time.perf_counter() - began))
  return best


def main() -> None:
  """Prints a table and writes the results."""
  parser = argparse.ArgumentParser(prog='python -m benchmarks.train')
  parser.add_argument('--sizes', nargs='+', choices=SIZES, default=list(SIZES))
  parser.add_argument(
    '--output',
    type=pathlib.Path,
    default=environment.ROOT / 'runs/benchmarks/train.json',
  )
  options = parser.parse_args()
  results = {'machine': environment.describe(), 'sizes': {}}
  print('| parameters | tokens/s | GFLOP/s | of the peak | rows filled |')
  print('| --- | ---: | ---: | ---: | ---: |', flush=True)
  for name in options.sizes:
    size = SIZES[name]
    before = peak()
    told = measure(size)
    told |= {
      'peak': max(before, peak()),
      'flops': flops(size),
      'parameters': size.model.num_params,
    }
    results['sizes'][name] = told
    speed = np.median(told['rates']) * told['flops']
    print(
      f'| {size.model.num_params / 1e6:.3g}M '
      f'| {spread(told["rates"], ".0f")} | {speed / 1e9:.1f} '
      f'| {speed / told["peak"]:.0%} of {told["peak"] / 1e9:.0f} '
      f'| {told["filled"]:.0%} |',
      flush=True,
    )
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(results, indent=1) + '\n')


if __name__ == '__main__':
  main()
