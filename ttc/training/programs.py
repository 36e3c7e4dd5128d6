"""The two device programs of training: a scan over steps, and evaluation."""

from collections.abc import Callable, Mapping
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
import numpy as np
import optax

from ttc.models.transformer import Transformer
from ttc.training import state as states
from ttc.training import vocabulary
from ttc.training.state import TrainState

# Arrays [steps_per_call, B, T], on the host with this process's rows only.
Batch = Mapping[str, np.ndarray]


class TrainPrograms(NamedTuple):
  """The compiled functions of a model and its optimizer.

  Attributes:
    run: maps (state, batch) to the state after steps_per_call steps and the
      metrics of every step, arrays [steps_per_call, ...]: the sums of
      `losses.measure`, and 'gradient', the gradient's global norm before
      clipping. The state is donated.
    evaluate: maps (parameters, batch) to the sums of `losses.measure` over all
      rows of the batch.
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

  They are cached, so that the seeds of an experiment compile only once.

  Args:
    model: with the head that is trained.
    tx: the optimizer, from `optimizer.build`.
    microbatches: number of parts of a step's rows whose gradients are computed
      one after the other.
    mesh: over all devices; call inside `partitioning.use(mesh)`.
  """
  shardings = jax.tree.map(
    lambda x: x.sharding, states.abstract(model, tx, mesh)
  )

  def sums_of(params, batch, key):
    sums = vocabulary.measure(model, params, batch, key)
    return sums['loss'], sums

  def gradient(params, batch, key):
    gradients, sums = jax.grad(sums_of, has_aux=True)(params, batch, key)
    # Sharded as the parameters are, so that XLA sums and scatters each gradient
    # as it is made: replicated ones may not fit where `fsdp` is needed.
    return jax.lax.with_sharding_constraint(gradients, shardings.params), sums

  @jax.named_scope('train_step')
  def one_step(state, batch):
    # A function of the step, so that a restart draws the same dropout masks.
    key = jax.random.fold_in(state.key, state.step)
    gradients, sums = _accumulate(
      gradient, state.params, batch, key, microbatches
    )
    # The gradient is that of a sum; a batch without labels has weight zero.
    weight = jnp.maximum(sums['weight'], 1e-9)
    # Cast back: `weight` is float32 and would promote bfloat16 gradients.
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
    # The rows of one step at a time, to bound memory.
    sums = jax.lax.map(lambda rows: sums_of(params, rows, None)[1], batch)
    return jax.tree.map(lambda x: x.sum(0), sums)

  return TrainPrograms(
    run=jax.jit(
      lambda state, batch: jax.lax.scan(one_step, state, batch),
      donate_argnums=0,
      out_shardings=(shardings, None),
    ),
    evaluate=jax.jit(evaluate),
  )


def _accumulate(gradient, params, batch, key, parts):
  """Adds gradients and metrics over the microbatches of a batch.

  Args:
    gradient: maps (params, batch, key) to (gradients, sums).
    params: parameters.
    batch: arrays [B, T].
    key: of the step; each microbatch folds its index in.
    parts: number of microbatches.

  Returns:
    (gradients, sums) of the whole batch.
  """

  def part(carry, inputs):
    batch, index = inputs
    added = gradient(params, batch, jax.random.fold_in(key, index))
    return jax.tree.map(jnp.add, carry, added), None

  if parts == 1:
    return gradient(params, batch, jax.random.fold_in(key, 0))
  # Microbatch i has the rows i, i + parts, ..., which are some of every device.
  # Consecutive rows would be those of few devices, and have to move to others.
  batch = jax.tree.map(
    lambda x: x.reshape(-1, parts, *x.shape[1:]).swapaxes(0, 1), batch
  )
  shapes = jax.eval_shape(
    gradient, params, jax.tree.map(lambda x: x[0], batch), key
  )
  zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
  return jax.lax.scan(part, zeros, (batch, jnp.arange(parts)))[0]
