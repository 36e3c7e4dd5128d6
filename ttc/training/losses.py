"""Losses and metrics as weighted sums.

Sums of microbatches and processes can be added; a mean of means would weight
rows with few labels too much. So divide by the weight only at the end. All
arithmetic is float32.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

_BINS = 10  # equal bins of the predicted value, for the calibration error


def cross_entropy(logits, targets, weights):
  """Next-token cross-entropy.

  Args:
    logits: [B, T, V].
    targets: token ids [B, T].
    weights: [B, T], zero at positions without a target.

  Returns:
    (weighted sum of -log p(target) in nats, sum of the weights), both scalars.
  """
  logits = logits.astype(jnp.float32)
  picked = jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
  loss = jax.nn.logsumexp(logits, axis=-1) - picked
  return jnp.sum(loss * weights), jnp.sum(weights)


def binary_cross_entropy(logits, values, weights):
  """Loss of PRM and ORM: -(y log v + (1 - y) log(1 - v)), v = sigmoid(logit).

  Args:
    logits: value logits [B, T].
    values: soft labels y in [0, 1], [B, T].
    weights: [B, T], zero at positions without a label.

  Returns:
    (weighted sum in nats, sum of the weights), both scalars.
  """
  logits = logits.astype(jnp.float32)
  # In terms of the logit, so that log v and log(1 - v) cannot overflow.
  loss = jax.nn.softplus(logits) - values * logits
  return jnp.sum(loss * weights), jnp.sum(weights)


def features(head: str) -> dict[str, np.dtype]:
  """Names and dtypes of the arrays [B, T] of a batch, by the head it trains."""
  ints, floats = np.dtype(np.int32), np.dtype(np.float32)
  target = {
    'logits': {'decoder_target_tokens': ints},
    'value': {'decoder_target_values': floats},
  }[head]
  return target | {
    'decoder_input_tokens': ints,
    'decoder_positions': ints,
    'decoder_segment_ids': ints,
    'decoder_loss_weights': floats,
  }


def measure(head: str, outputs, batch: Mapping) -> dict:
  """Loss and metrics of one batch, as sums that `average` turns into means.

  Args:
    head: 'logits' or 'value'.
    outputs: of the model, logits [B, T, V] or value logits [B, T].
    batch: arrays [B, T], see `features`.

  Returns:
    Scalars 'loss', 'weight' and 'accuracy'; for a value head 'squared_error'
    too, and 'gap' [10], the sum of value minus label per bin of the value.
    Accuracy compares the most likely token with the target, or value and
    label, each with a threshold of 0.5.
  """
  weights = batch['decoder_loss_weights']
  if head == 'logits':
    targets = batch['decoder_target_tokens']
    loss, weight = cross_entropy(outputs, targets, weights)
    right = jnp.argmax(outputs, axis=-1) == targets
    return {
      'loss': loss,
      'weight': weight,
      'accuracy': jnp.sum(right * weights),
    }
  labels = batch['decoder_target_values']
  loss, weight = binary_cross_entropy(outputs, labels, weights)
  values = jax.nn.sigmoid(outputs)
  right = (values > 0.5) == (labels > 0.5)
  # The minimum puts a value of exactly 1 into the last bin.
  bins = jax.nn.one_hot(
    jnp.minimum((values * _BINS).astype(jnp.int32), _BINS - 1), _BINS
  )
  return {
    'loss': loss,
    'weight': weight,
    'accuracy': jnp.sum(right * weights),
    'squared_error': jnp.sum(jnp.square(values - labels) * weights),
    'gap': jnp.einsum('BTK,BT->K', bins, (values - labels) * weights),
  }


def average(sums: Mapping) -> dict[str, float]:
  """Means of added sums, on the host.

  Args:
    sums: those of `measure`, added over any number of batches.

  Returns:
    The metrics divided by the weight. 'gap' becomes 'calibration_error', the
    expected calibration error (Naeini et al. 2015): the mean over bins of
    |mean value - mean label|, each bin weighted by its share of the labels.
  """
  sums = dict(sums)
  # A batch may have no label at all; its means are then zero.
  weight = max(float(sums.pop('weight')), 1e-9)
  means = {}
  if 'gap' in sums:
    gap = np.abs(np.asarray(sums.pop('gap'))).sum()
    means['calibration_error'] = float(gap) / weight
  return means | {name: float(x) / weight for name, x in sums.items()}
