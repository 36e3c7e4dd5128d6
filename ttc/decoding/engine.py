"""The programs that move rows: prefill, extend, rewind, fork.

A row's last token is always *pending*: known, but not yet read by the model.
So the cache is valid below `length - 1`, a sample needs no logits carried from
the program before, and rewinding a row is setting `length` and `done`.
"""

import functools

import flax.struct
import jax
import jax.numpy as jnp

from ttc.decoding.sampling import draw, Sampling
from ttc.decoding.stops import Stop
from ttc.models.cache import KVCache, merge, splice
from ttc.models.config import TransformerConfig
from ttc.models.transformer import Transformer


@flax.struct.dataclass
class DecodeState:
  """Rows being extended; cells at or beyond a row's length are stale."""

  tokens: jax.Array  # [B, S]
  length: jax.Array  # [B]
  limit: jax.Array  # [B] a row that reaches this length stops unfinished
  done: jax.Array  # [B] ended, by its own token or at its limit
  logprob: jax.Array  # [B] sum over sampled tokens
  key: jax.Array  # [B] one key a row
  cache: KVCache

  @property
  def pending(self) -> jax.Array:
    """The last token of each row [B]."""
    return jnp.take_along_axis(
        self.tokens, self.length[:, None] - 1, axis=1)[:, 0]


@functools.partial(jax.jit, static_argnames=('cfg', 'size'))
def prefill(params, tokens, length, limit, key, *, cfg: TransformerConfig,
            size: int) -> DecodeState:
  """Reads prompts, each once.

  Args:
    params: of a Transformer with a logits head.
    tokens: prompts [B, T], padded on the right.
    length: [B], at least 1.
    limit: total length at which a row stops unfinished [B], at most `size`.
    key: one key a row [B].
    cfg: the model.
    size: cells a row (S), at least T.
  """
  rows, width = tokens.shape
  past = KVCache.empty(cfg, rows, size)
  window = KVCache.empty(cfg, rows, width)
  zero = jnp.zeros_like(length)
  _, window = Transformer(cfg).apply(
      {'params': params}, tokens, KVCache.empty(cfg, rows, 0), zero, window, 0,
      method='extend')
  return DecodeState(
      tokens=jnp.pad(tokens, ((0, 0), (0, size - width))),
      length=length,
      limit=limit,
      done=length >= limit,
      logprob=jnp.zeros((rows,), jnp.float32),
      key=key,
      cache=merge(past, window, zero, length),
  )


@flax.struct.dataclass
class _Loop:
  """What the token loop carries."""

  t: jax.Array  # [] tokens put into the window so far
  new: jax.Array  # [B, U]
  count: jax.Array  # [B] new tokens that belong to the row
  steps: jax.Array  # [B] step ends among them
  pending: jax.Array  # [B]
  live: jax.Array  # [B]
  done: jax.Array  # [B]
  logprob: jax.Array  # [B]
  window: KVCache


@functools.partial(
    jax.jit, static_argnames=('cfg', 'max_new'), donate_argnames=('state',))
def extend(params, state: DecodeState, stop: Stop, sampling: Sampling, *,
           cfg: TransformerConfig, max_new: int
           ) -> tuple[DecodeState, jax.Array, jax.Array]:
  """Samples until every row pauses, ends, or has `max_new` more tokens.

  A token's key is fold_in(row key, position): a row's text does not depend on
  which other rows share the batch, nor on how often the loop was entered.

  Args:
    params: of a Transformer with a logits head.
    state: rows; consumed.
    stop: when a row pauses or ends.
    sampling: how to draw.
    cfg: the model.
    max_new: most tokens added by this call (U).

  Returns:
    The rows; how many tokens each gained [B]; and how often the token loop ran,
    a scalar: so many token-forwards were executed for every row, useful or not.
  """
  model = Transformer(cfg)
  rows = state.length.shape[0]
  start = state.length - 1

  def body(loop: _Loop) -> _Loop:
    logits, window = model.apply(
        {'params': params}, loop.pending[:, None], state.cache, start,
        loop.window, loop.t, method='extend')
    keys = jax.vmap(jax.random.fold_in)(state.key, state.length + loop.t)
    token, logprob = draw(logits[:, 0], keys, sampling)
    token = jnp.where(loop.live, token, loop.pending)
    count = loop.count + loop.live
    steps = loop.steps + (loop.live & stop.step_end[token])
    done = loop.done | (loop.live & (
        stop.end[token] | (state.length + count >= state.limit)))
    paused = (stop.steps > 0) & (steps >= stop.steps)
    return _Loop(
        t=loop.t + 1,
        new=jax.lax.dynamic_update_slice_in_dim(
            loop.new, token[:, None], loop.t, axis=1),
        count=count,
        steps=steps,
        pending=token,
        live=loop.live & ~done & ~paused,
        done=done,
        logprob=loop.logprob + jnp.where(loop.live, logprob, 0.0),
        window=window,
    )

  loop = jax.lax.while_loop(
      lambda loop: (loop.t < max_new) & loop.live.any(),
      body,
      _Loop(
          t=jnp.int32(0),
          new=jnp.zeros((rows, max_new), jnp.int32),
          count=jnp.zeros((rows,), jnp.int32),
          steps=jnp.zeros((rows,), jnp.int32),
          pending=state.pending,
          live=~state.done,
          done=state.done,
          logprob=state.logprob,
          window=KVCache.empty(cfg, rows, max_new),
      ))
  state = state.replace(
      tokens=splice(state.tokens, loop.new, state.length, loop.count),
      length=state.length + loop.count,
      done=loop.done,
      logprob=loop.logprob,
      cache=merge(state.cache, loop.window, start, loop.count),
  )
  return state, loop.count, loop.t


@flax.struct.dataclass
class Mark:
  """All that a rewind needs; copies, so that donated rows may be gone."""

  length: jax.Array  # [B]
  done: jax.Array  # [B]
  logprob: jax.Array  # [B]

  @classmethod
  def of(cls, state: DecodeState) -> 'Mark':
    return cls(*map(jnp.copy, (state.length, state.done, state.logprob)))


def rewind(state: DecodeState, mark: Mark) -> DecodeState:
  """Forgets what was sampled since the mark; no buffer is touched."""
  return state.replace(
      length=mark.length, done=mark.done, logprob=mark.logprob)


def fork_keys(key: jax.Array, parent: jax.Array) -> jax.Array:
  """Fresh keys for children: fold_in(parent's key, ordinal among siblings).

  Args:
    key: [P, W] keys of the parents.
    parent: [P, W'] the parent of each child, an index into its problem's rows.

  Returns:
    Keys [P, W'].
  """
  child = jnp.arange(parent.shape[1])
  earlier = child[:, None] > child[None, :]  # [W', W'] second stands before
  same = parent[:, :, None] == parent[:, None, :]
  ordinal = jnp.sum(same & earlier[None], axis=-1)
  keys = jax.vmap(lambda k, p: k[p])(key, parent)
  return jax.vmap(jax.vmap(jax.random.fold_in))(keys, ordinal)


def take(tree, parent: jax.Array, axis: int = 0):
  """Rows of each problem by index, staying within the problem.

      [P * W, ...] -> [P, W, ...] -> each problem takes parent[p] -> [P * W']

  A flat x[parent] would gather rows across devices; this does not, because
  the problem axis is the sharded one and the index never leaves it.

  Args:
    tree: arrays whose `axis` is rows [P * W].
    parent: [P, W'].
    axis: 0, or 1 where layers come first.
  """
  problems = parent.shape[0]

  def one(x):
    if axis:
      return jax.vmap(one_rows)(x)
    return one_rows(x)

  def one_rows(x):
    grouped = x.reshape(problems, -1, *x.shape[1:])
    taken = jax.vmap(lambda rows, p: rows[p])(grouped, parent)
    return taken.reshape(-1, *x.shape[1:])

  return jax.tree.map(one, tree)


def fork(state: DecodeState, parent: jax.Array) -> DecodeState:
  """Replaces each problem's rows by copies of chosen ones, with fresh keys.

  Args:
    state: P * W rows.
    parent: [P, W'] index of each new row's parent among its problem's W.

  Returns:
    P * W' rows.
  """
  problems = parent.shape[0]
  keys = fork_keys(state.key.reshape(problems, -1), parent)
  pointers = dict(tokens=state.tokens, length=state.length, limit=state.limit,
                  done=state.done, logprob=state.logprob)
  return DecodeState(
      key=keys.reshape(-1),
      cache=take(state.cache, parent, axis=1),
      **take(pointers, parent),
  )
