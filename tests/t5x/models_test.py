"""Our models under T5X's Trainer and decoding, in this process."""

import functools

from flax import core
from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests import testing
from ttc.examples import packing
from ttc.models import partitioning
from ttc.models.transformer import Transformer
from ttc.training import losses, optimizer

pytest.importorskip('t5x', reason='T5X, the optional extra, is not installed')

from t5x import decoding, state_utils, trainer, utils

from ttc.t5x import models
from ttc.t5x import optimizer as t5x_optimizer
from ttc.t5x.partitioning import Partitioner

pytestmark = pytest.mark.t5x

CFG = testing.small_config(
  num_layers=3, window=4, sliding=(True, False, True), tied=False
)
ADAMW = optimizer.AdamW(learning_rate=1e-2, weight_decay=0.1)
HEADS = {'logits': models.LanguageModel, 'value': models.ValueModel}
EOS, REVISE = 1, 2


@pytest.fixture(autouse=True)
def _t5x_adds_arrays_of_other_ranks():
  with jax.numpy_rank_promotion('allow'):
    yield


def _batch(head, rows=4, length=24, seed=0):
  """Packed rows, as many of whose positions count in every half."""
  rng = np.random.default_rng(seed)
  documents = []
  for size in rng.integers(4, 9, size=60):
    weights = np.zeros(size, np.float32)
    weights[rng.permutation(size)[:2]] = 1
    one = {
      'decoder_input_tokens': rng.integers(3, 16, size).astype(np.int32),
      'decoder_loss_weights': weights,
    }
    one |= (
      {'decoder_target_tokens': rng.integers(3, 16, size).astype(np.int32)}
      if head == 'logits'
      else {'decoder_target_values': rng.random(size).astype(np.float32)}
    )
    documents.append(one)
  batches = packing.Batches(
    packing.Documents.join(documents), batch=rows, seq_len=length, seed=seed
  )
  return {name: jnp.asarray(x[0]) for name, x in next(batches).items()}


def _model(head, **more):
  return HEADS[head](CFG, t5x_optimizer.adamw(ADAMW, 5), **more)


def _initializer(model, batch, partitioner):
  return utils.TrainStateInitializer(
    optimizer_def=model.optimizer_def,
    init_fn=model.get_initial_variables,
    input_shapes={k: v.shape for k, v in batch.items()},
    partitioner=partitioner,
  )


def _close(one, other, atol):
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=atol), one, other
  )


@pytest.mark.parametrize('head', HEADS)
@pytest.mark.parametrize('parts', [1, 2])
def test_parameters_lie_where_our_rules_say(head, parts):
  partitioner = Partitioner(num_partitions=parts)
  assert dict(partitioner.mesh.shape) == {
    'data': 4 // parts,
    'fsdp': 1,
    'model': parts,
  }
  batch = _batch(head)
  state = _initializer(_model(head), batch, partitioner).from_scratch(
    jax.random.key(0)
  )
  boxed = jax.eval_shape(
    Transformer(CFG, head=head).init,
    jax.random.key(0),
    jnp.zeros((1, 2), jnp.int32),
  )['params']
  expected = partitioning.shardings(boxed, partitioner.mesh)
  found = state_utils.flatten_state_dict(state.params)
  wanted = state_utils.flatten_state_dict(expected)
  assert set(found) == set(wanted)
  for name, x in found.items():
    assert x.sharding.is_equivalent_to(wanted[name], x.ndim), name
  heads = found['backbone/layers/attention/q']
  assert heads.addressable_shards[0].data.shape[2] == CFG.num_heads // parts
  # The optimizer's moments lie beside their parameters.
  moments = state_utils.flatten_state_dict(state.state_dict()['state'])
  lying = [x for name, x in moments.items() if name.endswith('attention/q')]
  assert len(lying) == 2
  assert all(x.sharding.is_equivalent_to(heads.sharding, 4) for x in lying)


def test_a_model_that_does_not_divide_is_refused_by_name():
  model = models.ValueModel(testing.small_config(vocab_size=41))
  with pytest.raises(ValueError, match=r'backbone/embedding \(41, 16\) .* 41'):
    _initializer(model, _batch('value'), Partitioner(num_partitions=2))


@pytest.mark.parametrize('head', HEADS)
@pytest.mark.parametrize('microbatches', [1, 2])
def test_steps_of_the_trainer_are_those_of_ttc_train(head, microbatches):
  batches = [_batch(head, seed=seed) for seed in range(2)]
  partitioner = Partitioner(num_partitions=2)
  model = _model(head, microbatches=microbatches)
  initializer = _initializer(model, batches[0], partitioner)
  state = initializer.from_scratch(jax.random.key(0))
  ours = jax.tree.map(np.asarray, dict(state.params))
  step = partitioner.partition(
    functools.partial(
      trainer.train_with_lr,
      learning_rate=0.0,
      dropout_rng=jax.random.PRNGKey(0),
      model=model,
      num_microbatches=microbatches,
    ),
    in_axis_resources=(
      initializer.train_state_axes,
      partitioner.data_partition_spec,
    ),
    out_axis_resources=(initializer.train_state_axes, None),
  )
  means = []
  for batch in batches:
    state, metrics = step(state, batch)
    means.append(metrics['loss_per_nonpadding_target_token'].compute())

  transform = optimizer.build(ADAMW, 5)
  opt_state = transform.init(ours)
  plain = Transformer(CFG, head=head)

  def loss(params, batch):
    sums = losses.measure(
      head,
      plain.apply(
        {'params': params},
        batch['decoder_input_tokens'],
        positions=batch['decoder_positions'],
        segment_ids=batch['decoder_segment_ids'],
      ),
      batch,
    )
    return sums['loss'] / sums['weight']

  differentiate = jax.jit(jax.value_and_grad(loss))
  for batch, mean in zip(batches, means, strict=True):
    value, gradient = differentiate(ours, batch)
    if microbatches == 1:
      np.testing.assert_allclose(mean, value, rtol=1e-5)
    if microbatches == 2:  # each half counts by itself
      halves = [
        jax.tree.map(lambda x, i=i: x[2 * i : 2 * i + 2], batch)
        for i in range(2)
      ]
      gradient = jax.tree.map(
        lambda *x: sum(x) / 2, *[differentiate(ours, h)[1] for h in halves]
      )
    updates, opt_state = transform.update(gradient, opt_state, ours)
    ours = optax.apply_updates(ours, updates)
  _close(dict(state.params), ours, 2e-4)  # Adam divides by tiny gradients


def test_dropout_is_on_in_training_and_off_in_evaluation():
  cfg = testing.small_config(dropout=0.5)
  model = models.LanguageModel(cfg)
  params = testing.random_params(cfg)
  batch = _batch('logits')
  train = jax.jit(lambda key: model.loss_fn(params, batch, key)[0])
  evaluate = jax.jit(lambda: model.eval_fn(params, batch)[0])
  drawn = {float(train(jax.random.PRNGKey(seed))) for seed in range(3)}
  assert len(drawn | {float(evaluate())}) == 4


def _prompts(lengths, length=20, seed=0):
  rng = np.random.default_rng(seed)
  tokens = np.zeros((len(lengths), length), np.int32)
  weights = np.zeros((len(lengths), length), np.float32)
  for row, size in enumerate(lengths):
    tokens[row] = rng.integers(3, 16, length)  # past the prompt: not to be read
    weights[row, size - 1] = 1
  return {
    'decoder_input_tokens': jnp.asarray(tokens),
    'decoder_loss_weights': jnp.asarray(weights),
  }


def _greedy(params, prompt, length, ends):
  """By reading everything anew for each token."""
  read = jax.jit(
    lambda tokens: Transformer(CFG).apply({'params': params}, tokens)
  )
  tokens = list(prompt)
  while len(tokens) < length and (
    len(tokens) == len(prompt) or tokens[-1] not in ends
  ):
    row = jnp.asarray(tokens + [0] * (length - len(tokens)))[None]
    tokens.append(int(jnp.argmax(read(row)[0, len(tokens) - 1])))
  return tokens[len(prompt) :]


@pytest.mark.parametrize('parts', [1, 2])
def test_greedy_samples_follow_ragged_prompts(parts):
  params = testing.random_params(CFG)
  # A prompt may end with a token that ends a sample, as contexts do.
  batch = _prompts([3, 20, 1, 9])
  tokens = np.array(batch['decoder_input_tokens'])
  tokens[3, 8] = REVISE
  batch['decoder_input_tokens'] = jnp.asarray(tokens)
  model = models.LanguageModel(
    CFG,
    end_ids=(EOS, REVISE, 9),
    decode_fn=functools.partial(decoding.temperature_sample, temperature=0),
  )
  partitioner = Partitioner(num_partitions=parts)
  axes = utils.TrainStateInitializer(
    None,
    model.get_initial_variables,
    {k: v.shape for k, v in batch.items()},
    partitioner,
  ).train_state_axes
  predict = partitioner.partition(
    model.predict_batch,
    in_axis_resources=(axes.params, partitioner.data_partition_spec, None),
    out_axis_resources=None,
  )
  found = np.asarray(predict(core.freeze(params), batch, jax.random.PRNGKey(0)))
  assert found.shape == (4, 20)
  for row, size in enumerate([3, 20, 1, 9]):
    expected = _greedy(
      params, tokens[row, :size].tolist(), 20, (EOS, REVISE, 9)
    )
    assert found[row].tolist() == expected + [0] * (20 - len(expected))


def test_samples_are_drawn_as_the_scripted_world_says():
  table = np.full((testing.WORDS, testing.WORDS), -50.0)
  table[5, [6, 7]] = np.log([0.75, 0.25])
  table[6, testing.END] = table[7, REVISE] = 50.0
  model = models.LanguageModel(
    testing.scripted_config(),
    end_ids=(testing.END, REVISE),
    num_decodes=64,
    decode_fn=functools.partial(
      decoding.temperature_sample, topk=0, rescale_log_probs=False
    ),
  )
  batch = {
    'decoder_input_tokens': jnp.asarray([[5, 0, 0, 0]] * 16),
    'decoder_loss_weights': jnp.asarray([[1.0, 0, 0, 0]] * 16),
  }
  found, aux = jax.jit(model.predict_batch_with_aux)(
    testing.scripted_params(table), batch, jax.random.PRNGKey(1)
  )
  assert found.shape == (16, 64, 4)
  samples = np.asarray(found).reshape(-1, 4)
  sixes = samples[:, 0] == 6
  assert (samples[sixes] == [6, testing.END, 0, 0]).all()
  assert (samples[~sixes] == [7, REVISE, 0, 0]).all()
  assert abs(sixes.mean() - 0.75) < 0.05
  np.testing.assert_allclose(
    np.exp(aux['scores']).reshape(-1), np.where(sixes, 0.75, 0.25), rtol=1e-3
  )


def test_a_model_that_cannot_end_does_not_start():
  with pytest.raises(ValueError, match='end_ids is empty'):
    models.LanguageModel(CFG).predict_batch(None, _prompts([2]))


def test_scores_are_those_of_single_documents():
  params = testing.random_params(CFG)
  batch = _batch('logits')
  model = models.LanguageModel(CFG)
  logits = Transformer(CFG).apply(
    {'params': params},
    batch['decoder_input_tokens'],
    positions=batch['decoder_positions'],
    segment_ids=batch['decoder_segment_ids'],
  )
  score = -optax.softmax_cross_entropy_with_integer_labels(
    logits, batch['decoder_target_tokens']
  )
  np.testing.assert_allclose(
    model.score_batch(params, batch),
    (score * batch['decoder_loss_weights']).sum(1),
    rtol=1e-5,
  )
  with pytest.raises(ValueError, match='return_intermediates=True'):
    model.score_batch(params, batch, return_intermediates=True)


def test_a_verifier_gives_the_value_of_the_last_step():
  model = models.ValueModel(testing.scripted_config())
  values = np.linspace(-2, 2, testing.WORDS)
  params = testing.scripted_params(values)
  tokens = jnp.asarray([[3, 4, 5, 6], [7, 6, 5, 4]])
  batch = {
    'decoder_input_tokens': tokens,
    'decoder_positions': jnp.asarray([[0, 1, 2, 3]] * 2),
    'decoder_segment_ids': jnp.asarray([[1, 1, 1, 0], [1, 1, 1, 1]]),
    'decoder_loss_weights': jnp.asarray([[1.0, 0, 1, 0], [0, 1, 0, 1]]),
  }
  expected = nn.sigmoid(jnp.asarray(values)[tokens])
  np.testing.assert_allclose(
    model.predict_batch(params, batch), expected, rtol=1e-5
  )
  np.testing.assert_allclose(
    model.score_batch(params, batch),
    [expected[0, 2], expected[1, 3]],
    rtol=1e-5,
  )
