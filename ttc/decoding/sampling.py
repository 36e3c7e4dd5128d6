"""One token from logits, reproducible row by row."""

import flax.struct
import jax
import jax.numpy as jnp


@flax.struct.dataclass
class Sampling:
  """How to draw; the numbers are traced, so a new one does not recompile.

  Attributes:
    temperature: [] float32; 0 takes the most likely token.
    top_p: [] float32, or None to keep the whole distribution (and not sort).
  """

  temperature: jax.Array
  top_p: jax.Array | None = None

  @classmethod
  def create(cls, temperature: float, top_p: float = 1.0) -> 'Sampling':
    """Raises ValueError where a number is outside its range."""
    if not 0 <= temperature < float('inf'):
      raise ValueError(
          f'temperature={temperature} must be finite and at least 0 (0 is '
          'greedy).')
    if not 0 < top_p <= 1:
      raise ValueError(f'top_p={top_p} must be in (0, 1] (1 keeps all).')
    return cls(temperature=jnp.float32(temperature),
               top_p=None if top_p == 1 else jnp.float32(top_p))


def draw(
    logits: jax.Array, keys: jax.Array, sampling: Sampling
) -> tuple[jax.Array, jax.Array]:
  """Draws a token for each row with the row's own key.

  Args:
    logits: [B, V] float32.
    keys: one key a row [B]; consumed.
    sampling: temperature and nucleus.

  Returns:
    Tokens [B] int32 and their log-probabilities [B] under the model itself,
    that is at temperature 1 and without truncation.
  """
  greedy = sampling.temperature == 0
  scaled = logits / jnp.where(greedy, 1.0, sampling.temperature)
  if sampling.top_p is not None:
    scaled = _nucleus(scaled, sampling.top_p)
  drawn = jax.vmap(jax.random.categorical)(keys, scaled)
  token = jnp.where(greedy, jnp.argmax(logits, axis=-1), drawn)
  logprob = jnp.take_along_axis(
      jax.nn.log_softmax(logits), token[:, None], axis=-1)[:, 0]
  return token.astype(jnp.int32), logprob


def _nucleus(logits, top_p):
  """Keeps the fewest most likely tokens whose mass reaches top_p."""
  ordered = jnp.sort(logits, axis=-1)[:, ::-1]
  mass = jnp.cumsum(jax.nn.softmax(ordered), axis=-1)
  kept = mass - jax.nn.softmax(ordered) < top_p  # mass before this token
  least = jnp.min(
      jnp.where(kept, ordered, jnp.inf), axis=-1, keepdims=True)
  return jnp.where(logits >= least, logits, -jnp.inf)
