"""A verifier's values, read with a cache of its own (PAPER section 2)."""

import functools

import flax.struct
import jax
import jax.numpy as jnp

from ttc.decoding.engine import take
from ttc.models.cache import KVCache, merge, splice
from ttc.models.config import TransformerConfig
from ttc.models.transformer import Transformer


@flax.struct.dataclass
class VerifierState:
  """What the verifier has read of each row, and what it thought of it."""

  value: jax.Array  # [B, S] in [0, 1], valid below `scored`
  scored: jax.Array  # [B] tokens read so far
  cache: KVCache


@functools.partial(jax.jit, static_argnames=('cfg', 'size'))
def prefill(params, tokens: jax.Array, length: jax.Array, *,
            cfg: TransformerConfig, size: int) -> VerifierState:
  """Reads rows from their beginning.

  Args:
    params: of a Transformer with a value head.
    tokens: [B, T], padded on the right.
    length: [B].
    cfg: the verifier.
    size: cells a row (S), at least T.
  """
  rows, width = tokens.shape
  zero = jnp.zeros_like(length)
  logits, window = Transformer(cfg, head='value').apply(
      {'params': params}, tokens, KVCache.empty(cfg, rows, 0), zero,
      KVCache.empty(cfg, rows, width), 0, method='extend')
  return VerifierState(
      value=jnp.pad(jax.nn.sigmoid(logits), ((0, 0), (0, size - width))),
      scored=length,
      cache=merge(KVCache.empty(cfg, rows, size), window, zero, length))


@functools.partial(
    jax.jit, static_argnames=('cfg', 'max_new'), donate_argnames=('state',))
def score(params, state: VerifierState, tokens: jax.Array, length: jax.Array,
          *, cfg: TransformerConfig, max_new: int
          ) -> tuple[VerifierState, jax.Array]:
  """Reads the tokens that are new since the last call, and only those.

  Args:
    params: of a Transformer with a value head.
    state: consumed.
    tokens: [B, S].
    length: [B]; at most `max_new` more than `state.scored`, the rest waits for
      the next call.
    cfg: the verifier.
    max_new: tokens read by this call a row (U), padding included.

  Returns:
    The state, and how many tokens each row's reading covered [B].
  """
  count = jnp.clip(length - state.scored, 0, max_new)
  index = jnp.clip(
      state.scored[:, None] + jnp.arange(max_new)[None], 0,
      tokens.shape[1] - 1)
  new = jnp.take_along_axis(tokens, index, axis=1)
  logits, window = Transformer(cfg, head='value').apply(
      {'params': params}, new, state.cache, state.scored,
      KVCache.empty(cfg, new.shape[0], max_new), 0, method='extend')
  state = VerifierState(
      value=splice(state.value, jax.nn.sigmoid(logits), state.scored, count),
      scored=state.scored + count,
      cache=merge(state.cache, window, state.scored, count),
  )
  return state, count


def last_value(state: VerifierState) -> jax.Array:
  """The value at each row's last read token [B]."""
  return jnp.take_along_axis(
      state.value, jnp.maximum(state.scored - 1, 0)[:, None], axis=1)[:, 0]


def rewind(state: VerifierState, scored: jax.Array) -> VerifierState:
  """Forgets what was read beyond `scored` [B]; no buffer is touched."""
  return state.replace(scored=scored)


def fork(state: VerifierState, parent: jax.Array) -> VerifierState:
  """As `engine.fork`: parent is [P, W'], rows stay within their problem."""
  value, scored = take((state.value, state.scored), parent)
  return VerifierState(
      value=value, scored=scored, cache=take(state.cache, parent, axis=1))
