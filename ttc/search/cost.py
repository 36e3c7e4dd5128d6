"""What a search spent, in token-forwards, problem by problem.

Calls return their costs. Rows do not carry them, because a fork would count
the parent's tokens once for every child.
"""

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np


@flax.struct.dataclass
class Cost:
  """Tokens read by each model: useful ones, and those executed in all.

  Executed tokens include padding and rows that wait for the slowest one.
  Every field is [P, 2] int32, (useful, executed).
  """

  proposer_prefill: jax.Array
  proposer_decode: jax.Array
  verifier_prefill: jax.Array
  verifier_decode: jax.Array

  @classmethod
  def zero(cls, problems: int) -> 'Cost':
    nothing = jnp.zeros((problems, 2), jnp.int32)
    return cls(nothing, nothing, nothing, nothing)

  def __add__(self, other: 'Cost') -> 'Cost':
    return jax.tree.map(jnp.add, self, other)

  def add(self, name: str, useful: jax.Array, executed) -> 'Cost':
    """Adds to one field; useful is [P], executed [P] or a scalar a problem."""
    executed = jnp.broadcast_to(executed, useful.shape)
    spent = jnp.stack([useful, executed], axis=-1).astype(jnp.int32)
    return self.replace(**{name: getattr(self, name) + spent})

  def row(self, problem: int) -> dict[str, list[int]]:
    """One problem's costs as a record holds them."""
    return {field: np.asarray(getattr(self, field))[problem].tolist()
            for field in self.__dataclass_fields__}
