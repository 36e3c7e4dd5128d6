"""A Transformer for the decoding functions of T5X.

They hand the past of every row back and forth as a dict of arrays whose first
axis is the rows, and begin with a token 0 that our models never see: their
index i is our position i - 1.

    prompt       p0 p1 p2 .  .  .      three tokens, T = 6
    inputs       0  p0 p1 p2 .  .      initial_index = 3, where p2 stands
    cells        k0 k1 k2 .  .  .      index i writes cell i - 1
"""

from collections.abc import Callable, Mapping
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
from t5x import decoding

from ttc.models.cache import KVCache
from ttc.models.config import TransformerConfig
from ttc.models.memory import Lanes, Whole
from ttc.models.rope import Angles
from ttc.models.transformer import Transformer

Cache = Mapping[str, Mapping[int, jax.Array]]


@flax.struct.dataclass
class _Kept:
  """Sequences read from their beginning, of which keys and values stay."""

  whole: Whole
  cache: KVCache  # of B rows and T cells

  def attend(self, layer, sliding, q, k, v, cfg) -> tuple['_Kept', jax.Array]:
    """As `Whole.attend`."""
    _, out = self.whole.attend(layer, sliding, q, k, v, cfg)
    put = lambda layers, new: (
      *layers[:layer],
      new.swapaxes(1, 2),
      *layers[layer + 1 :],
    )
    cache = KVCache(k=put(self.cache.k, k), v=put(self.cache.v, v))
    return self.replace(cache=cache), out


def prefill(params: Any, cfg: TransformerConfig, prompt: jax.Array) -> Cache:
  """Keys and values of prompts [B, T], padded on the right.

  Args:
    params: unstacked.
    cfg: of the model.
    prompt: cells at and after a prompt's end hold anything.
  """
  positions = jnp.broadcast_to(jnp.arange(prompt.shape[1])[None], prompt.shape)
  memory = _Kept(
    Whole.create(cfg, prompt.shape, None), KVCache.empty(cfg, *prompt.shape)
  )
  _, memory = Transformer(cfg, scan=False).apply(
    {'params': params},
    prompt,
    Angles.create(cfg, positions),
    memory,
    method='extend',
  )
  return _to_dict(memory.cache)


def next_logits(
  params: Any, cfg: TransformerConfig
) -> Callable[[decoding.DecodingState], tuple]:
  """From a decoding state to logits [B, V] and the cache with its token."""
  model = Transformer(cfg, scan=False)

  def step(state: decoding.DecodingState):
    position = state.cur_index - 1
    memory = Lanes(_from_dict(state.cache), position)
    logits, memory = model.apply(
      {'params': params},
      state.cur_token,
      Angles.create(cfg, position[:, None]),
      memory,
      method='extend',
    )
    return logits[:, 0], _to_dict(memory.cache)

  return step


def stop_at(end_ids: tuple[int, ...]) -> decoding.StateCallbackFn:
  """Ends rows whose last drawn token is one of several; T5X knows only one."""

  def stop(state: decoding.SamplingLoopState) -> decoding.SamplingLoopState:
    drawn = (
      state.cur_token[:, :, None] == jnp.asarray(end_ids)[None, None]
    ).any(-1)
    return state.replace(ended=state.ended | (drawn & (state.step > 0)))

  return stop


def _to_dict(cache: KVCache) -> Cache:
  return {'k': dict(enumerate(cache.k)), 'v': dict(enumerate(cache.v))}


def _from_dict(cache: Cache) -> KVCache:
  layers = range(len(cache['k']))
  return KVCache(
    k=tuple(cache['k'][i] for i in layers),
    v=tuple(cache['v'][i] for i in layers),
  )
