"""Where a row pauses and where it ends, as tables over token ids."""

import flax.struct
import jax


@flax.struct.dataclass
class Stops:
  """Which tokens end a step, and which a solution.

  Tables of token ids, not text: a token whose text merely contains the
  delimiter (".\\n", "\\n\\n") ends a step too.
  """

  step_end: jax.Array  # [V] bool, the token's text holds the delimiter
  end: jax.Array  # [V] bool, the token ends the solution
