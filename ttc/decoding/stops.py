"""Where a row pauses and where it ends, as tables over token ids."""

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np


@flax.struct.dataclass
class Stop:
  """When `extend` hands a row back.

  A table of token ids, not text: a token whose text merely contains the
  delimiter (".\\n", "\\n\\n") ends a step too.
  """

  step_end: jax.Array  # [V] bool, the token's text holds the delimiter
  end: jax.Array  # [V] bool, the token ends the solution
  steps: jax.Array  # [] int32, pause after so many step ends; 0 never pauses

  @classmethod
  def create(cls, step_end: np.ndarray, end: np.ndarray, steps: int) -> 'Stop':
    """Checks the two tables against each other.

    Raises:
      ValueError: the tables differ in length, or nothing ends a solution.
    """
    if step_end.shape != end.shape:
      raise ValueError(
          f'step_end has {step_end.shape} entries and end {end.shape}; both '
          'are one flag a token of the same vocabulary.')
    if not end.any():
      raise ValueError(
          'No token ends a solution; give the vocabulary an eos_id.')
    return cls(step_end=jnp.asarray(step_end), end=jnp.asarray(end),
               steps=jnp.int32(steps))
