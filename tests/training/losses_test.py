import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ttc.training import losses


def _batch(head, rows=3, length=5, size=7, seed=0):
  rng = np.random.default_rng(seed)
  weights = rng.integers(0, 3, (rows, length)).astype(np.float32)
  batch = {'decoder_loss_weights': weights}
  if head == 'logits':
    batch['decoder_target_tokens'] = rng.integers(0, size, (rows, length))
    return rng.normal(size=(rows, length, size)).astype(np.float32), batch
  batch['decoder_target_values'] = rng.random((rows, length)).astype(np.float32)
  return 3 * rng.normal(size=(rows, length)).astype(np.float32), batch


def test_cross_entropy_by_hand():
  logits, batch = _batch('logits')
  targets, weights = (
    batch['decoder_target_tokens'],
    batch['decoder_loss_weights'],
  )
  expected = 0
  for place in np.ndindex(targets.shape):
    p = np.exp(logits[place].astype(np.float64))
    expected -= weights[place] * np.log(p[targets[place]] / p.sum())
  loss, weight = losses.cross_entropy(logits, targets, weights)
  np.testing.assert_allclose(loss, expected, rtol=1e-5)
  assert weight == weights.sum()


def test_binary_cross_entropy_by_hand():
  logits, batch = _batch('value')
  y, weights = batch['decoder_target_values'], batch['decoder_loss_weights']
  v = 1 / (1 + np.exp(-logits.astype(np.float64)))
  expected = -(weights * (y * np.log(v) + (1 - y) * np.log(1 - v))).sum()
  loss, weight = losses.binary_cross_entropy(logits, y, weights)
  np.testing.assert_allclose(loss, expected, rtol=1e-5)
  assert weight == weights.sum()


def test_binary_cross_entropy_is_finite_and_least_at_the_label():
  for logit in (-1e4, 1e4):
    loss, _ = losses.binary_cross_entropy(
      jnp.full((1, 1), logit), jnp.full((1, 1), 0.5), jnp.ones((1, 1))
    )
    assert loss == 5e3
  gradient = jax.grad(
    lambda x: losses.binary_cross_entropy(
      x, jnp.full((1, 1), 0.3), jnp.ones((1, 1))
    )[0]
  )
  assert abs(gradient(jnp.log(jnp.full((1, 1), 0.3 / 0.7)))[0, 0]) < 1e-6


@pytest.mark.parametrize('head', ['logits', 'value'])
def test_only_weighted_positions_matter(head):
  outputs, batch = _batch(head)
  gradient = jax.grad(lambda x: losses.measure(head, x, batch)['loss'])(outputs)
  touched = np.abs(gradient).reshape(3, 5, -1).sum(-1) > 0
  assert (touched == (batch['decoder_loss_weights'] > 0)).all()


@pytest.mark.parametrize('head', ['logits', 'value'])
def test_parts_add_up(head):
  outputs, batch = _batch(head)
  whole = losses.measure(head, outputs, batch)
  parts = [
    losses.measure(
      head,
      outputs[rows],
      {name: values[rows] for name, values in batch.items()},
    )
    for rows in (slice(0, 1), slice(1, 3))
  ]
  for name, value in whole.items():
    np.testing.assert_allclose(
      parts[0][name] + parts[1][name], value, rtol=1e-5, atol=1e-5
    )


def test_calibration_error_sees_confidence():
  rng = np.random.default_rng(0)
  values = rng.random((1, 20_000)).astype(np.float32)
  batch = {
    'decoder_loss_weights': np.ones_like(values),
    'decoder_target_values': (rng.random(values.shape) < values).astype(
      np.float32
    ),
  }
  logits = np.log(values) - np.log1p(-values)
  honest = losses.average(losses.measure('value', logits, batch))
  bold = losses.average(losses.measure('value', 4 * logits, batch))
  assert honest['calibration_error'] < 0.02 < 0.1 < bold['calibration_error']
  assert honest['squared_error'] < bold['squared_error']
  assert honest['accuracy'] == bold['accuracy']
  assert 'gap' not in honest
  assert 'weight' not in honest


def test_average_divides_once():
  sums = {'loss': 6.0, 'weight': 4.0, 'accuracy': 2.0}
  assert losses.average(sums) == {'loss': 1.5, 'accuracy': 0.5}
  assert losses.average({'loss': 0.0, 'weight': 0.0}) == {'loss': 0.0}
