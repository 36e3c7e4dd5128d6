"""Random streams of rows: a key for each problem, child and round.

Samples depend on (seed, problem, lineage, position) and on nothing that says
when, or with which others, a row is computed. A key is the data of a JAX key,
uint32 [2], and folding gives the same bits as `jax.random.fold_in`. It is done
on the host, because a device answers only after the thousands of tokens that
it is at work on.
"""

from collections.abc import Sequence

import numpy as np

# No ordinal or position has this value: it folds to a stream of no row.
ASIDE = 2**32 - 1

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = np.uint32(0x1BD11BDA)


def root(seed: int) -> np.ndarray:
  """The key of a seed, as `jax.random.key` has it with 64 bits."""
  return np.array([seed >> 32 & 0xFFFFFFFF, seed & 0xFFFFFFFF], np.uint32)


def fold(key: np.ndarray, numbers: Sequence[int]) -> np.ndarray:
  """fold_in(key, number) for each of n numbers.

  Args:
    key: uint32 [2], or one per number [n, 2].
    numbers: [n]; taken modulo 2 ** 32.

  Returns:
    uint32 [n, 2].
  """
  numbers = np.asarray(numbers, np.uint64).astype(np.uint32)
  key = np.broadcast_to(key, (len(numbers), 2))
  return np.stack(
    _threefry(key[:, 0], key[:, 1], np.zeros_like(numbers), numbers), axis=1
  )


def uniform(key: np.ndarray) -> float:
  """A number in [0, 1) from a key [2] that is used for nothing else."""
  zero = np.zeros(1, np.uint32)
  high, low = _threefry(key[:1], key[1:], zero, zero)
  return int(high[0] ^ low[0]) / 2**32


def _threefry(key0, key1, x, y):
  """Threefry-2x32 with 20 rounds (Salmon et al. 2011) on uint32 arrays [n]."""
  schedule = key0, key1, key0 ^ key1 ^ _PARITY
  x, y = x + key0, y + key1
  for group in range(5):
    for distance in _ROTATIONS[group % 2]:
      x = x + y
      y = (y << np.uint32(distance) | y >> np.uint32(32 - distance)) ^ x
    x = x + schedule[(group + 1) % 3]
    y = y + schedule[(group + 2) % 3] + np.uint32(group + 1)
  return x, y
