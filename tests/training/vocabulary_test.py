"""Losses in chunks: the same sums and gradients, with few logits at a time."""

import dataclasses
import math

import jax
from jax.extend.core import jaxprs_in_params
import jax.numpy as jnp
import numpy as np
import pytest

from tests import testing
from ttc.models import partitioning
from ttc.models.transformer import Transformer
from ttc.training import vocabulary

ROWS, LENGTH = 4, 24
CHUNK = 8


@pytest.fixture(autouse=True)
def small(monkeypatch):
  """Chunks of 8 positions, so that models of tests have some."""
  monkeypatch.setattr(vocabulary, '_MULTIPLE', CHUNK)


def _limit(monkeypatch, cfg, parts=1):
  monkeypatch.setattr(
    vocabulary, '_LARGEST', 4 * cfg.vocab_size // parts * CHUNK
  )


def _batch(cfg, seed=0):
  rng = np.random.default_rng(seed)
  tokens = rng.integers(0, cfg.vocab_size, (ROWS, LENGTH)).astype(np.int32)
  weights = rng.integers(0, 3, tokens.shape) * (rng.random(tokens.shape) < 0.2)
  weights[1] = 0  # devices have unequal numbers of chunks
  return {
    'decoder_input_tokens': tokens,
    'decoder_target_tokens': np.roll(tokens, -1, axis=1),
    'decoder_positions': np.tile(np.arange(LENGTH, dtype=np.int32), (ROWS, 1)),
    'decoder_segment_ids': np.ones_like(tokens),
    'decoder_loss_weights': weights.astype(np.float32),
  }


def _function(model):
  def loss(params, batch):
    sums = vocabulary.measure(model, params, batch, None)
    return 3 * sums['loss'], sums

  return jax.value_and_grad(loss, has_aux=True)


def _gap(found, wanted):
  """The largest difference of an array, in parts of its largest element."""
  pairs = zip(*map(jax.tree.leaves, (found, wanted)), strict=True)
  pairs = [[np.asarray(x, np.float32) for x in pair] for pair in pairs]
  return max(np.abs(a - b).max() / np.abs(b).max() for a, b in pairs)


@pytest.mark.parametrize(
  ('sizes', 'changes'),
  [
    ((1, 1, 1), {'final_softcap': 3.0}),
    ((2, 1, 1), {'dtype': 'bfloat16'}),
    ((1, 2, 2), {'tied': False}),
  ],
)
def test_chunks_change_only_rounding(sizes, changes, monkeypatch):
  cfg = testing.small_config(**changes)
  model, params = Transformer(cfg), testing.random_params(cfg)
  devices = jax.devices()[: math.prod(sizes)]
  with partitioning.use(partitioning.Layout(*sizes).mesh(devices)) as mesh:
    batch = partitioning.put(_batch(cfg), mesh)
    wanted = jax.jit(_function(model))(params, batch)
    if cfg.dtype == 'bfloat16':  # no more than its own rounding
      exact = Transformer(dataclasses.replace(cfg, dtype='float32'))
      gap = _gap(wanted, jax.jit(_function(exact))(params, batch)) / 2
    else:  # a loss is the sum of at most 96 terms, in another order
      gap = 1e-5
    _limit(monkeypatch, cfg, sizes[2])
    assert vocabulary.chunk(model, (ROWS, LENGTH)) == CHUNK
    found = jax.jit(_function(model))(params, batch)
  assert _gap(found, wanted) <= gap


def test_no_array_holds_logits_of_all_positions(monkeypatch):
  cfg = testing.small_config(vocab_size=4000)
  model, batch = Transformer(cfg), _batch(cfg)
  params = testing.random_params(cfg)
  most = lambda: max(
    x.size
    for x in _arrays(jax.make_jaxpr(_function(model))(params, batch).jaxpr)
  )
  assert most() == ROWS * LENGTH * cfg.vocab_size
  _limit(monkeypatch, cfg)
  assert most() == cfg.vocab_size * cfg.embed_dim  # the head itself


def _arrays(jaxpr):
  for equation in jaxpr.eqns:
    yield from (x.aval for x in equation.outvars)
    for inner in jaxprs_in_params(equation.params):
      yield from _arrays(inner)


def test_what_has_no_loss_is_not_read(monkeypatch):
  """Activations that are no numbers do no harm in chunks without a loss."""
  cfg = testing.small_config(tied=False)
  model, batch = Transformer(cfg), _batch(cfg)
  params = testing.random_params(cfg)
  # The last token of the vocabulary is not a number, and only the last row
  # has it, which is without loss.
  table = params['backbone']['embedding']
  params['backbone']['embedding'] = table.at[-1].set(jnp.nan)
  batch['decoder_input_tokens'] %= cfg.vocab_size - 1
  batch['decoder_input_tokens'][-1] = cfg.vocab_size - 1
  batch['decoder_loss_weights'][-1] = 0
  loss = lambda: jax.jit(
    lambda batch: vocabulary.measure(model, params, batch, None)['loss']
  )(batch)
  assert np.isnan(loss())
  _limit(monkeypatch, cfg)
  assert np.isfinite(loss())


def test_small_vocabularies_and_values_have_no_chunks():
  cfg = testing.small_config()
  assert vocabulary.chunk(Transformer(cfg), (64, 1024)) is None
  large = testing.small_config(vocab_size=151_936)
  assert vocabulary.chunk(Transformer(large), (8, 1024)) == 880
  assert vocabulary.chunk(Transformer(large, head='value'), (8, 1024)) is None
