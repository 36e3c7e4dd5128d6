"""One token from logits, reproducible row by row."""

import math

import jax
import jax.numpy as jnp


def draw(
  logits: jax.Array,
  keys: jax.Array,
  temperature: jax.Array,
  top_p: jax.Array | None = None,
) -> tuple[jax.Array, jax.Array]:
  """Draws a token for each row with the row's own key.

  Args:
    logits: [B, V] float32.
    keys: one key per row [B]; consumed.
    temperature: [B] float32; 0 takes the most likely token.
    top_p: nucleus mass kept, a scalar; None keeps all, and does not sort.

  Returns:
    Tokens [B] int32 and their log-probabilities [B] under the model itself,
    that is at temperature 1 and without truncation. Logits among which there is
    NaN or plus infinity, or nothing but minus infinity, have no meaning: their
    token is any, and its log-probability NaN or infinite.
  """
  greedy = temperature == 0
  scaled = logits / jnp.where(greedy, 1.0, temperature)[:, None]
  if top_p is not None:
    scaled = _nucleus(scaled, top_p)
  # What random.categorical does, but for its argmax: XLA computes the noise of
  # a fused argmax one number at a time, the largest part of a small model.
  noise = jax.vmap(lambda key: jax.random.gumbel(key, logits.shape[1:]))(keys)
  token = _first_max(jnp.where(greedy[:, None], logits, noise + scaled))
  chosen = jnp.take_along_axis(logits, token[:, None], axis=-1)[:, 0]
  logprob = chosen - jax.nn.logsumexp(logits, axis=-1)
  return token, logprob


def certainty(logits: jax.Array) -> jax.Array:
  """How far the model is from knowing nothing: KL(uniform || p), in nats.

  Its mean over the tokens of an attempt is the self-certainty of Kang et al.
  2025 (arXiv 2502.18581), at temperature 1 and without truncation.

  Args:
    logits: [B, V] float32.

  Returns:
    [B], at least 0; 0 where all tokens are equally likely.
  """
  spread = jax.nn.logsumexp(logits, axis=-1) - jnp.mean(logits, axis=-1)
  # Rounding would bring what is equally likely below 0.
  return jnp.maximum(spread - math.log(logits.shape[-1]), 0.0)


def _first_max(x):
  """The first index [B] int32 of the largest of each row of x [B, V]."""
  x = jax.lax.optimization_barrier(x)
  last = x.shape[-1] - 1
  places = jnp.where(
    x == jnp.max(x, axis=-1, keepdims=True), jnp.arange(last + 1)[None], last
  )
  return jnp.min(places, axis=-1).astype(jnp.int32)


def _nucleus(logits, top_p):
  """Keeps the fewest most likely tokens whose mass reaches top_p."""
  ordered = jnp.sort(logits, axis=-1)[:, ::-1]
  mass = jnp.cumsum(jax.nn.softmax(ordered), axis=-1)
  kept = mass - jax.nn.softmax(ordered) < top_p  # mass before this token
  smallest = jnp.min(jnp.where(kept, ordered, jnp.inf), axis=-1, keepdims=True)
  return jnp.where(logits >= smallest, logits, -jnp.inf)
