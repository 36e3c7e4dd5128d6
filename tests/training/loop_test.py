import dataclasses
import json

import jax
import numpy as np
import pytest

from ttc.examples import packing
from ttc.models import partitioning
from ttc.models.config import TransformerConfig
from ttc.models.transformer import Transformer
from ttc.training import loop, losses
from ttc.training.optimizer import AdamW
from ttc.training.stopping import lowest, Stop

CFG = TransformerConfig(
  vocab_size=8,
  num_layers=1,
  embed_dim=16,
  num_heads=4,
  num_kv_heads=4,
  head_dim=4,
  mlp_dim=16,
  dropout=0.1,
)
PLAIN = dataclasses.replace(CFG, dropout=0.0)
CONFIG = loop.FitConfig(
  steps=24,
  batch=8,
  seq_len=16,
  optimizer=AdamW(2e-2),
  eval_every=6,
  checkpoint_every=4,
  steps_per_call=2,
)


def _documents(head, count, seed):
  """Counting modulo 8, from anywhere; the value of a token is its parity."""
  rng = np.random.default_rng(seed)
  documents = []
  for _ in range(count):
    size = int(rng.integers(4, 10))
    tokens = (rng.integers(8) + np.arange(size + 1)) % 8
    document = {
      'decoder_input_tokens': tokens[:-1].astype(np.int32),
      'decoder_loss_weights': np.ones(size, np.float32),
    }
    if head == 'logits':
      document['decoder_target_tokens'] = tokens[1:].astype(np.int32)
    else:
      document['decoder_target_values'] = (tokens[:-1] % 2).astype(np.float32)
    documents.append(document)
  return packing.Documents.join(documents)


def _fit(
  folder, config=CONFIG, cfg=CFG, head='logits', *, documents=None, **kwargs
):
  sizes = {
    'batch': config.batch,
    'seq_len': config.seq_len,
    'steps': config.steps_per_call,
  }
  documents = _documents(head, 50, 0) if documents is None else documents
  return loop.fit(
    config,
    cfg,
    head,
    packing.Batches(documents, seed=config.seed, **sizes),
    packing.once(_documents(head, 20, 1), **sizes),
    str(folder),
    **kwargs,
  )


def _bytes(fitted):
  return [np.asarray(x).tobytes() for x in jax.tree.leaves(fitted.params)]


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
  return _fit(tmp_path_factory.mktemp('whole'))


@pytest.mark.parametrize('head', ['logits', 'value'])
def test_what_is_easy_is_learned(tmp_path, head):
  config = dataclasses.replace(CONFIG, steps=60)
  news = []
  fitted = _fit(tmp_path, config, PLAIN, head, report=news.append)
  first, last = fitted.evaluations[0][1], fitted.evaluations[-1][1]
  assert last['loss'] < 0.5 * first['loss']
  assert last['accuracy'] > 0.9
  steps = [n['step'] for n in news if 'validation' not in n]
  assert steps == list(range(2, 61, 2))
  assert (
    [n['step'] for n in news if 'validation' in n]
    == [step for step, _ in fitted.evaluations]
    == list(range(6, 61, 6))
  )
  assert fitted.step == 60


@pytest.mark.parametrize('stopped', [2, 10, 18, 24])
def test_an_interrupted_run_ends_bit_equal(tmp_path, whole, stopped):
  """Also from between checkpoints, and when it had only to be returned."""
  steps = []

  def interrupt(news):
    steps.append(news['step'])
    if news['step'] == stopped:
      raise KeyboardInterrupt

  with pytest.raises(KeyboardInterrupt):
    _fit(tmp_path, report=interrupt)
  assert steps[-1] == stopped
  steps.clear()
  again = _fit(tmp_path, report=lambda news: steps.append(news['step']))
  assert _bytes(again) == _bytes(whole)
  assert again.evaluations == whole.evaluations
  if stopped > 4:
    assert steps[0] > 4  # it did not start afresh
  steps.clear()
  assert _bytes(_fit(tmp_path, report=steps.append)) == _bytes(whole)
  assert not steps


def test_a_damaged_checkpoint_costs_its_steps_and_no_bit(tmp_path, whole):
  with pytest.raises(loop.Stopped):
    _fit(tmp_path, asked=lambda at: at == 10)
  (data,) = sorted(
    (tmp_path / 'checkpoint_10').rglob('d/*'), key=lambda p: p.stat().st_size
  )[-1:]
  flipped = bytearray(data.read_bytes())
  flipped[len(flipped) // 2] ^= 1
  data.write_bytes(flipped)
  steps = []
  again = _fit(tmp_path, report=lambda news: steps.append(news['step']))
  assert steps[0] == 10  # from step 8
  assert _bytes(again) == _bytes(whole)
  assert again.evaluations == whole.evaluations


@pytest.mark.parametrize('step', [6, 10, 24])
def test_a_run_that_was_asked_to_stop_ends_bit_equal(tmp_path, whole, step):
  folder = tmp_path / 'asked'
  if step < CONFIG.steps:
    with pytest.raises(loop.Stopped, match=f'step {step}'):
      _fit(folder, asked=lambda at: at == step)
    assert (folder / f'checkpoint_{step}').exists()
    fitted = _fit(folder)
  else:  # too late: it is done
    fitted = _fit(folder, asked=lambda at: at == step)
  assert _bytes(fitted) == _bytes(whole)
  assert fitted.evaluations == whole.evaluations


def test_dropout_and_data_follow_the_seed(tmp_path, whole):
  other = _fit(tmp_path / 'a', dataclasses.replace(CONFIG, seed=1))
  plain = _fit(tmp_path / 'b', cfg=PLAIN)
  assert _bytes(other) != _bytes(whole) != _bytes(plain)


def _losses(fitted):
  return [means['loss'] for _, means in fitted.evaluations]


def test_calls_microbatches_and_meshes_change_only_rounding(tmp_path):
  config = dataclasses.replace(CONFIG, steps=12, checkpoint_every=12)
  base = _fit(tmp_path / 'base', config, PLAIN)
  other = dataclasses.replace(config, steps_per_call=6, microbatches=2)
  fitted = _fit(
    tmp_path / 'other',
    other,
    PLAIN,
    mesh=partitioning.make_mesh(devices=jax.devices()[:1]),
  )
  assert _losses(fitted) == pytest.approx(_losses(base), rel=1e-3)


def test_a_run_continues_on_another_mesh(tmp_path, whole):
  def interrupt(news):
    if news['step'] == 18:
      raise KeyboardInterrupt

  with pytest.raises(KeyboardInterrupt):
    _fit(tmp_path, report=interrupt)
  again = _fit(tmp_path, mesh=partitioning.make_mesh(data=1, model=4))
  assert _losses(again) == pytest.approx(_losses(whole), rel=1e-3)


def _overfitting():
  """Trains the opposite of what is validated, once that is learned."""
  documents = _documents('value', 50, 0)
  values = documents.features['decoder_target_values']
  features = documents.features | {'decoder_target_values': 1 - values}
  return packing.Documents(features, documents.starts)


def _loss(fitted, batches):
  """Of a value model, without the loop."""
  apply = jax.jit(Transformer(PLAIN, head='value').apply)
  total = weight = 0
  for call in batches:
    for batch in ({k: v[i] for k, v in call.items()} for i in range(2)):
      outputs = apply(
        {'params': jax.device_get(fitted.params)},
        batch['decoder_input_tokens'],
        positions=batch['decoder_positions'],
        segment_ids=batch['decoder_segment_ids'],
      )
      sums = losses.measure('value', outputs, batch)
      total, weight = total + sums['loss'], weight + sums['weight']
  return float(total / weight)


def test_the_best_step_is_returned(tmp_path):
  config = dataclasses.replace(CONFIG, eval_every=2, stop=Stop('best'))
  fitted = _fit(tmp_path, config, PLAIN, 'value', documents=_overfitting())
  found = {step: means['loss'] for step, means in fitted.evaluations}
  assert fitted.step == lowest(list(found.items())) < config.steps
  sizes = {'batch': 8, 'seq_len': 16, 'steps': 2}
  again = _fit(tmp_path, config, PLAIN, 'value', documents=_overfitting())
  assert _bytes(again) == _bytes(fitted)
  assert _loss(fitted, packing.once(_documents('value', 20, 1), **sizes)) == (
    pytest.approx(found[fitted.step], rel=1e-4)
  )


def test_revisions_stop_past_the_lowest_loss(tmp_path):
  config = dataclasses.replace(
    CONFIG, eval_every=2, stop=Stop('overfit', patience=4)
  )
  fitted = _fit(tmp_path, config, PLAIN, 'value', documents=_overfitting())
  found = [(step, means['loss']) for step, means in fitted.evaluations]
  assert fitted.step == lowest(found) + 4 == found[-1][0] < config.steps
  assert _bytes(
    _fit(tmp_path, config, PLAIN, 'value', documents=_overfitting())
  ) == _bytes(fitted)


def test_seeds_and_restarts_share_what_is_compiled(tmp_path, monkeypatch):
  traces = []
  measure = losses.measure

  def counted(*args):
    traces.append(args[0])
    return measure(*args)

  def interrupt(news):
    if news['step'] == 6:
      raise KeyboardInterrupt

  monkeypatch.setattr(losses, 'measure', counted)
  config = dataclasses.replace(CONFIG, steps=8, eval_every=4)
  _fit(tmp_path / 'whole', config)
  assert len(traces) == 2  # a step and an evaluation
  other = dataclasses.replace(config, seed=7)
  with pytest.raises(KeyboardInterrupt):
    _fit(tmp_path / 'other', other, report=interrupt)
  _fit(tmp_path / 'other', other)
  assert len(traces) == 2


def test_a_loss_that_is_not_finite_names_its_step(tmp_path):
  documents = _documents('value', 50, 0)
  weights = documents.features['decoder_loss_weights']
  broken = packing.Documents(
    documents.features
    | {
      'decoder_loss_weights': np.append(np.nan, weights[1:]).astype(np.float32)
    },
    documents.starts,
  )
  sizes = {'batch': 8, 'seq_len': 16, 'steps': 2}
  batches = packing.Batches(broken, seed=0, **sizes)
  per_step = np.concatenate(
    [
      np.isnan(next(batches)['decoder_loss_weights']).any((1, 2))
      for _ in range(12)
    ]
  )
  with pytest.raises(
    FloatingPointError, match=f'at step {per_step.argmax() + 1};'
  ):
    _fit(tmp_path, cfg=PLAIN, head='value', documents=broken)
  kept = [int(p.name.split('_')[1]) for p in tmp_path.glob('checkpoint_*')]
  assert all(step <= per_step.argmax() for step in kept)


def test_another_config_is_refused_and_named(tmp_path):
  config = dataclasses.replace(
    CONFIG, steps=2, eval_every=2, checkpoint_every=2
  )
  _fit(tmp_path, config)
  changed = dataclasses.replace(
    config, optimizer=dataclasses.replace(config.optimizer, b2=0.9)
  )
  with pytest.raises(
    ValueError,
    match=r'fit.optimizer.b2 is 0.95 there and '
    r'0.9 here\. ',
  ):
    _fit(tmp_path, changed)
  with pytest.raises(ValueError, match=r'model.dropout is 0.1 there'):
    _fit(tmp_path, config, PLAIN)
  json.loads((tmp_path / 'config.json').read_text())


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'eval_every': 5}, 'eval_every=5 .* steps_per_call=2'),
    ({'steps': 0}, 'steps=0'),
    ({'microbatches': 3}, 'batch=8 .* microbatches=3'),
  ],
)
def test_sizes_that_do_not_divide_are_refused(changes, message):
  with pytest.raises(ValueError, match=message):
    dataclasses.replace(CONFIG, **changes)


def test_what_cannot_be_trained_is_refused_before_work(tmp_path):
  with pytest.raises(ValueError, match=r'2 rows .* 4 devices'):
    _fit(tmp_path, dataclasses.replace(CONFIG, microbatches=4))
  with pytest.raises(ValueError, match='needs held-out'):
    loop.fit(
      dataclasses.replace(CONFIG, stop=Stop('best')),
      CFG,
      'value',
      None,
      [],
      str(tmp_path),
    )
  assert not list(tmp_path.iterdir())
