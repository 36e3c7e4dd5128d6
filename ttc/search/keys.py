"""Random streams of rows: a key for each problem, child and round.

Samples depend on (seed, problem, lineage, position) and on nothing that says
when or beside whom a row is computed. Keys are few and small, so they are
derived on the host's own device.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np


def fold(key: np.ndarray, numbers: np.ndarray) -> np.ndarray:
  """fold_in(key, number) for each of n numbers.

  Args:
    key: uint32 [2], or one a number [n, 2].
    numbers: [n]; taken modulo 2 ** 32.

  Returns:
    uint32 [n, 2].
  """
  numbers = np.asarray(numbers, np.uint64).astype(np.uint32)
  key = np.broadcast_to(key, (len(numbers), 2))
  padding = (1 << max(0, len(numbers) - 1).bit_length()) - len(numbers)
  with jax.default_device(host()):
    folded = _fold(np.pad(key, ((0, padding), (0, 0))),
                   np.pad(numbers, (0, padding)))
  return np.asarray(folded)[:len(numbers)]


def data(key: jax.Array) -> np.ndarray:
  """A new-style key as uint32 [2]."""
  return np.asarray(jax.random.key_data(key))


@functools.cache
def host() -> jax.Device:
  """The device on which the host's own small programs run."""
  return jax.local_devices(backend='cpu')[0]


@jax.jit
def _fold(key, numbers):
  keys = jax.vmap(jax.random.fold_in)(
      jax.random.wrap_key_data(key), numbers)
  return jnp.asarray(jax.random.key_data(keys))
