"""The programs of sampling alone: `extend` and `prefill`."""

from benchmarks.accelerator import clock, programs, shapes
from benchmarks.accelerator.record import Measured

_REPEATS = 3


def extend(size: str, lanes: int, cells: int, at: int, chunk: int) -> Measured:
  """Time of a token in all lanes, and what it has to read.

  That is the weights once, and of each row the keys and values of the
  positions that it has; not of those that it might have.
  """
  cfg = shapes.SIZES[size]
  run = programs.extend(cfg, lanes, cells, at, chunk)
  first, best = clock.first_and_best(run, _REPEATS)
  token = best / chunk
  weights = programs.weight_bytes(cfg)
  cache = int(lanes * (at + chunk / 2) * shapes.position_bytes(cfg))
  return Measured(
    f'{lanes} lanes, {cells} cells, at {at}',
    f'{token * 1e3:.3g} ms a token, {lanes / token:,.0f} tokens/s',
    f'{weights / 1e9:.3g} GB of weights, {cache / 1e9:.3g} GB of cache',
    read=(weights + cache) / token,
    numbers={
      'ms_a_token': token * 1e3,
      'tokens_s': lanes / token,
      'weight_bytes': weights,
      'cache_bytes': cache,
      'bytes_s': (weights + cache) / token,
      'first_s': first,
    },
  )


def prefill(size: str, line: int, cells: int) -> Measured:
  """Time of a packed line of a verifier, as products with its weights."""
  cfg = shapes.SIZES[size]
  run = programs.prefill(cfg, line, cells)
  first, best = clock.first_and_best(run, _REPEATS)
  rate = 2 * shapes.product_weights(cfg) * line / best
  return Measured(
    f'a line of {line:,}, {cells} cells',
    f'{best * 1e3:.3g} ms, {line / best:,.0f} tokens/s',
    f'{rate / 1e12:.3g} TFLOP/s',
    product=rate,
    numbers={
      'ms': best * 1e3,
      'tokens_s': line / best,
      'flop_s': rate,
      'first_s': first,
    },
  )
