"""Losses and metrics as sums, so that microbatches and hosts add up.

Divide a sum by its weight only after adding. All arithmetic is float32.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

_BINS = 10  # of the calibration error


def cross_entropy(logits, targets, weights):
  """Next-token loss.

  Args:
    logits: [B, T, V].
    targets: [B, T].
    weights: [B, T], zero where a position does not count.

  Returns:
    The weighted sum of -log p(target) in nats, and the sum of the weights.
  """
  logits = logits.astype(jnp.float32)
  picked = jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
  loss = jax.nn.logsumexp(logits, axis=-1) - picked
  return jnp.sum(loss * weights), jnp.sum(weights)


def binary_cross_entropy(logits, values, weights):
  """Loss of PRM and ORM: -(y log v + (1 - y) log(1 - v)), v = sigmoid(logit).

  Args:
    logits: [B, T].
    values: soft labels y in [0, 1], [B, T].
    weights: [B, T], zero where there is no label.

  Returns:
    The weighted sum and the sum of the weights.
  """
  logits = logits.astype(jnp.float32)
  loss = jax.nn.softplus(logits) - values * logits
  return jnp.sum(loss * weights), jnp.sum(weights)


def features(head: str) -> dict[str, np.dtype]:
  """Names and types of the arrays [B, T] of a batch."""
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
  """Sums of one batch: 'loss', 'weight' and those that `average` needs."""
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
  """Added-up sums as means over the weight, on the host.

  'gap', the sum of value minus label in each bin of the predicted value,
  becomes 'calibration_error', its mean absolute size (ECE).
  """
  sums = dict(sums)
  weight = max(float(sums.pop('weight')), 1e-9)
  means = {}
  if 'gap' in sums:
    gap = np.abs(np.asarray(sums.pop('gap'))).sum()
    means['calibration_error'] = float(gap) / weight
  return means | {name: float(x) / weight for name, x in sums.items()}
