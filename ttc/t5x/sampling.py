"""The Transformer of `ttc` in the decoding functions of T5X.

T5X's decoders pass the KV cache as a dict of arrays whose first axis is the
batch, and their inputs begin with a token 0 that this Transformer never reads.
An index i of theirs is therefore position i - 1 here.

    prompt       p0 p1 p2 .  .  .      three tokens, T = 6
    inputs       0  p0 p1 p2 .  .      initial_index = 3, the index of p2
    cache        k0 k1 k2 .  .  .      index i writes position i - 1
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
  """Attention over whole sequences that also stores their keys and values."""

  whole: Whole
  cache: KVCache  # of B rows and T positions

  def attend(self, layer, sliding, q, k, v, cfg) -> tuple['_Kept', jax.Array]:
    """As `Whole.attend`."""
    _, out = self.whole.attend(layer, sliding, q, k, v, cfg)
    put = (
      lambda layers, new: (
        *layers[:layer],
        new.swapaxes(1, 2),  # caches have heads before positions
        *layers[layer + 1 :],
      )
    )
    cache = KVCache(k=put(self.cache.k, k), v=put(self.cache.v, v))
    return self.replace(cache=cache), out


def prefill(params: Any, cfg: TransformerConfig, prompt: jax.Array) -> Cache:
  """Prefills prompts.

  Args:
    params: parameters with unstacked layers.
    cfg: configuration of the model.
    prompt: int32 [B, T], padded on the right.

  Returns:
    The cache. Positions at and after a prompt's end hold arbitrary values,
    which are overwritten before they are attended to.
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
  """Returns the decoding step.

  Args:
    params: parameters with unstacked layers.
    cfg: configuration of the model.

  Returns:
    A function from a decoding state to the logits of the next token [B, V] and
    the cache with the current token.
  """
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
  """Returns a callback that ends rows at any of `end_ids`.

  T5X's decoder has one EOS id only.
  """

  def stop(state: decoding.SamplingLoopState) -> decoding.SamplingLoopState:
    is_end = (
      state.cur_token[:, :, None] == jnp.asarray(end_ids)[None, None]
    ).any(-1)
    # At step 0 the current token is the prompt's last, which is `<revise>`, an
    # end token, if the prompt has earlier attempts.
    return state.replace(ended=state.ended | (is_end & (state.step > 0)))

  return stop


def _to_dict(cache: KVCache) -> Cache:
  return {'k': dict(enumerate(cache.k)), 'v': dict(enumerate(cache.v))}


def _from_dict(cache: Cache) -> KVCache:
  layers = range(len(cache['k']))
  return KVCache(
    k=tuple(cache['k'][i] for i in layers),
    v=tuple(cache['v'][i] for i in layers),
  )
