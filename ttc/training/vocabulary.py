"""Loss and metrics of a batch, without logits of all its positions at once.

Logits [B, T, V] in float32 can take more memory than the model: 5 GB for 8 rows
of 1,024 tokens and 152,000 words. Where they would, positions that have a loss
go to the front, and logits live for one chunk of them at a time:

    weights   0 0 1 1 0 0 0 1 0 1 0 0      of one device's rows
    order     2 3 7 9 0 1 | 4 5 6 8 ...    a chunk without loss is skipped

A chunk's gradient is computed along with its loss, for the gradient of a sum
needs nothing that comes later. So no logits are computed twice.
"""

from collections.abc import Mapping
import functools

import jax
from jax import lax
import jax.numpy as jnp
from jax.sharding import PartitionSpec
import numpy as np

from ttc.models import partitioning
from ttc.models.transformer import head_params, Transformer
from ttc.training import losses

# Bytes of float32 logits of a device that are computed at once. A smaller chunk
# has too few products for each pass over the head's gradient.
_LARGEST = 2**29
_MULTIPLE = 128  # positions; matrix units have such tiles
_NOTHING = dict.fromkeys(('loss', 'weight', 'accuracy'), np.float32(0))
_FEATURES = ('decoder_target_tokens', 'decoder_loss_weights')


def measure(model: Transformer, params, batch: Mapping, key) -> dict:
  """Loss and metrics of a batch, as of `losses.measure`.

  Args:
    model: with the head that is trained.
    params: its parameters.
    batch: arrays [B, T], see `losses.features`.
    key: of dropout masks; None reads without dropout.

  Returns:
    Scalars, which are sums. Only 'loss' has a gradient.
  """
  method = functools.partial(
    model.apply,
    {'params': params},
    batch['decoder_input_tokens'],
    positions=batch['decoder_positions'],
    segment_ids=batch['decoder_segment_ids'],
    deterministic=key is None or not model.cfg.dropout,
    rngs=None if key is None else {'dropout': key},
  )
  size = chunk(model, batch['decoder_loss_weights'].shape)
  if size is None:
    return losses.measure(model.head, method(), batch)
  head = jax.tree.map(lambda x: x.astype(model.cfg.dtype), head_params(params))
  return _sums(
    model,
    size,
    head,
    method(method='states'),
    *(batch[name] for name in _FEATURES),
  )


def chunk(model: Transformer, shape: tuple[int, int]) -> int | None:
  """Positions of a chunk on each device of the current mesh.

  Args:
    model: with its head.
    shape: (B, T) of a batch.

  Returns:
    A number of positions; None if logits of all are small, or of no vocabulary.
  """
  mesh = jax.sharding.get_abstract_mesh()
  rows, parts = (
    (1, 1) if mesh.empty else (partitioning.num_rows(mesh), mesh.shape['model'])
  )
  each = 4 * model.cfg.vocab_size // parts  # bytes of a position
  positions = shape[0] * shape[1] // rows
  if model.head != 'logits' or positions * each <= _LARGEST or shape[0] % rows:
    return None
  return max(1, _LARGEST // (each * _MULTIPLE)) * _MULTIPLE


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _sums(model, size, head, states, targets, weights) -> dict:
  """Sums over all rows, each device reading its own in chunks.

  Args:
    model: reads logits from activations.
    size: positions per chunk.
    head: the parameters that it reads them with.
    states: normed activations [B, T, D].
    targets: [B, T].
    weights: [B, T].
  """
  read = functools.partial(_chunks, model)
  return _on_each_device(read, size, head, states, targets, weights)[0]


def _sums_with_gradients(model, size, head, states, targets, weights):
  read = functools.partial(_chunks_with_gradients, model)
  sums, by_head, by_states = _on_each_device(
    read, size, head, states, targets, weights
  )
  by_head = jax.tree.map(lambda g, x: g.astype(x.dtype), by_head, head)
  return sums, (by_head, by_states)


def _scaled(model, size, gradients, cotangents):
  del model, size
  scaled = lambda g: (g * cotangents['loss']).astype(g.dtype)
  return *jax.tree.map(scaled, gradients), None, None


_sums.defvjp(_sums_with_gradients, _scaled)


def _on_each_device(read, size, head, states, targets, weights):
  """Calls `read` with a device's positions, and adds what devices return.

  Args:
    read: see `_chunks`.
    size: positions per chunk.
    head: see `_sums`, as the rest.
    states: normed activations.
    targets: of each position.
    weights: of each position.

  Returns:
    What `read` returns, of all devices; gradients by states are [B, T, D].
  """
  mesh = jax.sharding.get_abstract_mesh()
  alone = mesh.empty or partitioning.num_rows(mesh) == 1

  def of_device(head, states, targets, weights):
    flat = lambda x: x.reshape(-1, *x.shape[2:])
    order = jnp.argsort(flat(weights) == 0, stable=True)
    # Places beyond the last position: they read zeros, of weight zero.
    beyond = order.size + jnp.arange(-order.size % size)
    order = jnp.append(order, beyond).reshape(-1, size)
    used = -(-jnp.count_nonzero(weights) // size)
    if not alone:
      # As many everywhere, for devices along `model` work on one together.
      used = lax.pmax(used, partitioning.ROWS)
    sums, by_head, by_states = read(
      head, *map(flat, (states, targets, weights)), order, used
    )
    if by_states is not None:
      by_states = by_states.reshape(states.shape)
    return *jax.tree.map(lambda x: x[None], (sums, by_head)), by_states

  if alone:
    parts = of_device(head, states, targets, weights)
  else:
    # By hand, so that the head is gathered and its gradient added over devices
    # once, and not in every chunk.
    rows = PartitionSpec(partitioning.ROWS)
    with partitioning.own_rows():
      parts = jax.shard_map(
        of_device,
        in_specs=(PartitionSpec(), rows, rows, rows),
        out_specs=rows,
        axis_names=set(partitioning.ROWS),
        check_vma=False,  # custom gradients do not say what varies
      )(head, states, targets, weights)
  sums, by_head, by_states = parts
  return *jax.tree.map(lambda x: x.sum(0), (sums, by_head)), by_states


def _chunks(model, head, states, targets, weights, order, used):
  """Sums over positions, a chunk at a time.

  Args:
    model: reads logits from activations.
    head: the parameters that it reads them with.
    states: normed activations [P, D].
    targets: [P].
    weights: [P].
    order: positions of each chunk [n, C]; those from P on are none.
    used: number of chunks with a loss, which are the first.

  Returns:
    (sums, None, None), as there are no gradients.
  """

  def add(sums, at):
    chunk = _take((states, targets, weights), at)
    return jax.tree.map(jnp.add, sums, _measure(model, head, *chunk))

  return _scan(add, _NOTHING, order, used), None, None


def _chunks_with_gradients(model, head, states, targets, weights, order, used):
  """As `_chunks`, with the loss's gradients by head (float32) and states."""

  def loss(head, *chunk):
    sums = _measure(model, head, *chunk)
    return sums['loss'], sums

  def add(carry, at):
    sums, by_head, by_states = carry
    chunk = _take((states, targets, weights), at)
    gradients, new = jax.grad(loss, (0, 1), has_aux=True)(head, *chunk)
    return (
      jax.tree.map(jnp.add, sums, new),
      jax.tree.map(lambda g, x: g + x.astype(g.dtype), by_head, gradients[0]),
      by_states.at[at].set(gradients[1], mode='drop', unique_indices=True),
    )

  by_head = jax.tree.map(lambda x: jnp.zeros(x.shape, jnp.float32), head)
  start = _NOTHING, by_head, jnp.zeros_like(states)
  return _scan(add, start, order, used)


def _measure(model, head, states, targets, weights) -> dict:
  """Sums over the C positions of a chunk; states [C, D]."""
  logits = model.apply({'params': head}, states[None], method='read')
  batch = dict(zip(_FEATURES, (targets[None], weights[None]), strict=True))
  return losses.measure(model.head, logits, batch)


def _take(arrays, at):
  return jax.tree.map(lambda x: x.at[at].get(mode='fill', fill_value=0), arrays)


def _scan(add, carry, order, used):
  """Adds the first `used` chunks to a carry."""

  def one(carry, chunk):
    index, at = chunk
    return lax.cond(
      index < used, lambda carry: add(carry, at), lambda carry: carry, carry
    ), None

  return lax.scan(one, carry, (jnp.arange(order.shape[0]), order))[0]
