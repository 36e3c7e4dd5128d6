"""The two device programs of training: steps under a scan, and evaluation."""

from collections.abc import Callable, Mapping
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
import numpy as np
import optax

from ttc.models.transformer import Transformer
from ttc.training import losses
from ttc.training import state as states
from ttc.training.state import TrainState

Batch = Mapping[str, np.ndarray]  # each [steps_per_call, B of its share, T]


class TrainPrograms(NamedTuple):
  """What devices do.

  Attributes:
    run: takes the state, which is donated, and batches for several steps;
      gives the next state and the sums of every step.
    evaluate: takes parameters and batches; gives the sums over all of them.
  """

  run: Callable[[TrainState, Batch], tuple[TrainState, Mapping]]
  evaluate: Callable[[Any, Batch], Mapping]


@functools.lru_cache(maxsize=8)
def build(
  model: Transformer,
  tx: optax.GradientTransformation,
  microbatches: int,
  mesh: Mesh,
) -> TrainPrograms:
  """The two device programs of a model and its optimizer.

  Seeds of an experiment differ only in data, so they share what is compiled.

  Args:
    model: with the head that it trains.
    tx: the optimizer.
    microbatches: parts into which a step's rows are cut to save memory.
    mesh: of the devices, current while this is called.
  """
  lie = jax.tree.map(lambda x: x.sharding, states.abstract(model, tx, mesh))

  def sums_of(params, batch, key):
    outputs = model.apply(
      {'params': params},
      batch['decoder_input_tokens'],
      positions=batch['decoder_positions'],
      segment_ids=batch['decoder_segment_ids'],
      deterministic=key is None or not model.cfg.dropout,
      rngs=None if key is None else {'dropout': key},
    )
    sums = losses.measure(model.head, outputs, batch)
    return sums['loss'], sums

  def gradient(params, batch, key):
    gradients, sums = jax.grad(sums_of, has_aux=True)(params, batch, key)
    # Added up over devices at once: whole ones would not fit beside `fsdp`.
    return jax.lax.with_sharding_constraint(gradients, lie.params), sums

  @jax.named_scope('train_step')
  def one_step(state, batch):
    key = jax.random.fold_in(state.key, state.step)
    gradients, sums = _accumulate(
      gradient, state.params, batch, key, microbatches
    )
    weight = jnp.maximum(sums['weight'], 1e-9)
    gradients = jax.tree.map(lambda g: (g / weight).astype(g.dtype), gradients)
    updates, opt_state = tx.update(gradients, state.opt_state, state.params)
    state = state.replace(
      step=state.step + 1,
      opt_state=opt_state,
      params=optax.apply_updates(state.params, updates),
    )
    return state, sums | {'gradient': optax.tree.norm(gradients)}

  @jax.named_scope('evaluate')
  def evaluate(params, batch):
    sums = jax.lax.map(lambda one: sums_of(params, one, None)[1], batch)
    return jax.tree.map(lambda x: x.sum(0), sums)

  return TrainPrograms(
    run=jax.jit(
      lambda state, batch: jax.lax.scan(one_step, state, batch),
      donate_argnums=0,
      out_shardings=(lie, None),
    ),
    evaluate=jax.jit(evaluate),
  )


def _accumulate(gradient, params, batch, key, parts):
  """Sums of gradients and measurements over the parts of a batch.

  Every `parts`-th row forms a part, so that rows stay on their devices.
  """

  def part(carry, inputs):
    batch, index = inputs
    added = gradient(params, batch, jax.random.fold_in(key, index))
    return jax.tree.map(jnp.add, carry, added), None

  if parts == 1:
    return gradient(params, batch, jax.random.fold_in(key, 0))
  batch = jax.tree.map(
    lambda x: x.reshape(-1, parts, *x.shape[1:]).swapaxes(0, 1), batch
  )
  shapes = jax.eval_shape(
    gradient, params, jax.tree.map(lambda x: x[0], batch), key
  )
  zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
  return jax.lax.scan(part, zeros, (batch, jnp.arange(parts)))[0]
