"""What the machine can do: products and reading, each alone."""

import jax
import jax.numpy as jnp

from benchmarks.accelerator import clock
from benchmarks.accelerator.record import Measured

_CALLS = 10  # products between two looks at the clock
_REPEATS = 5


def limit(of: str, size: int) -> Measured:
  """Measures one of the two limits.

  Args:
    of: 'product' or 'read'.
    size: width of the product, or numbers that are read.
  """
  what, rate = {'product': _product, 'read': _read}[of](size)
  unit = {'product': 'TFLOP/s', 'read': 'TB/s'}[of]
  device = f'{jax.devices()[0].device_kind} (1 of {jax.device_count()})'
  return Measured(
    what,
    f'{rate / 1e12:.3g} {unit}',
    numbers={'limit': {of: rate}, 'device': device},
  )


def _product(width: int) -> tuple[str, float]:
  """FLOP/s of a square product in bfloat16: the fastest of five times ten."""
  x = jax.random.normal(jax.random.key(0), (width, width), jnp.bfloat16)
  multiply = jax.jit(jnp.matmul)

  def run():
    for _ in range(_CALLS):
      made = multiply(x, x)
    made.block_until_ready()

  _, best = clock.first_and_best(run, _REPEATS)
  rate = 2 * width**3 * _CALLS / best
  return f'product of {width:,} x {width:,}, bf16', rate


def _read(numbers: int) -> tuple[str, float]:
  """Bytes/s of a sum over an array in bfloat16: the fastest of five."""
  x = jnp.ones(numbers, jnp.bfloat16)
  total = jax.jit(lambda x: x.astype(jnp.float32).sum())
  run = lambda: total(x).block_until_ready()
  _, best = clock.first_and_best(run, _REPEATS)
  return f'sum over {x.nbytes / 1e9:.3g} GB', x.nbytes / best
