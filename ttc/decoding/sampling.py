"""One token from logits, reproducible row by row."""

import jax
import jax.numpy as jnp


def check(temperature: float, top_p: float) -> None:
  """Raises ValueError where a number is outside its range."""
  if not 0 <= temperature < float('inf'):
    raise ValueError(
        f'temperature={temperature} must be finite and at least 0 (0 is '
        'greedy).')
  if not 0 < top_p <= 1:
    raise ValueError(f'top_p={top_p} must be in (0, 1] (1 keeps all).')


def draw(
    logits: jax.Array, keys: jax.Array, temperature: jax.Array,
    top_p: jax.Array | None = None,
) -> tuple[jax.Array, jax.Array]:
  """Draws a token for each row with the row's own key.

  Args:
    logits: [B, V] float32.
    keys: one key a row [B]; consumed.
    temperature: [B] float32; 0 takes the most likely token.
    top_p: nucleus mass kept, a scalar; None keeps all, and does not sort.

  Returns:
    Tokens [B] int32 and their log-probabilities [B] under the model itself,
    that is at temperature 1 and without truncation.
  """
  greedy = temperature == 0
  scaled = logits / jnp.where(greedy, 1.0, temperature)[:, None]
  if top_p is not None:
    scaled = _nucleus(scaled, top_p)
  drawn = jax.vmap(jax.random.categorical)(keys, scaled)
  token = jnp.where(greedy, jnp.argmax(logits, axis=-1), drawn)
  chosen = jnp.take_along_axis(logits, token[:, None], axis=-1)[:, 0]
  logprob = chosen - jax.nn.logsumexp(logits, axis=-1)
  return token.astype(jnp.int32), logprob


def _nucleus(logits, top_p):
  """Keeps the fewest most likely tokens whose mass reaches top_p."""
  ordered = jnp.sort(logits, axis=-1)[:, ::-1]
  mass = jnp.cumsum(jax.nn.softmax(ordered), axis=-1)
  kept = mass - jax.nn.softmax(ordered) < top_p  # mass before this token
  least = jnp.min(
      jnp.where(kept, ordered, jnp.inf), axis=-1, keepdims=True)
  return jnp.where(logits >= least, logits, -jnp.inf)
