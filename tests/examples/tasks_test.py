import numpy as np
import pytest
import seqio

from ttc.examples import features, packing, tasks


def _examples(kind, count=1500):
  """More than one chunk of documents."""
  rng = np.random.default_rng(0)
  examples = []
  for problem in range(count):
    size = int(rng.integers(2, 9))
    example = {'tokens': rng.integers(0, 31, size), 'problem': problem}
    if kind == 'lm':
      example['loss_start'] = int(rng.integers(1, size))
    else:
      count = int(rng.integers(1, size))
      example['positions'] = np.sort(rng.permutation(size)[:count])
      example['labels'] = rng.random(count).astype(np.float32)
    examples.append(example)
  return examples


def _expected(kind, example):
  tokens = example['tokens']
  if kind == 'lm':
    weights = [
      float(place >= example['loss_start']) for place in range(1, len(tokens))
    ]
    return {
      'decoder_input_tokens': tokens[:-1],
      'decoder_target_tokens': tokens[1:],
      'decoder_loss_weights': np.array(weights),
    }
  values, weights = np.zeros(len(tokens)), np.zeros(len(tokens))
  for place, label in zip(example['positions'], example['labels'], strict=True):
    values[place], weights[place] = label, 1
  return {
    'decoder_input_tokens': tokens,
    'decoder_target_values': values,
    'decoder_loss_weights': weights,
  }


@pytest.mark.parametrize('kind', ['lm', 'value'])
def test_documents_are_the_examples(tmp_path, kind):
  examples = _examples(kind)
  features.write(tmp_path, kind, {'train': examples})
  registered = set(seqio.TaskRegistry.names())
  for _ in range(2):  # a second one in the process is no collision
    documents = tasks.documents(tasks.make_task(str(tmp_path), 31), 'train')
  assert set(seqio.TaskRegistry.names()) == registered
  assert len(documents) == len(examples)
  for i, example in enumerate(examples):
    part = slice(documents.starts[i], documents.starts[i + 1])
    for name, values in _expected(kind, example).items():
      assert (documents.features[name][part] == values).all()
  assert {k: v.dtype.name for k, v in documents.features.items()} == {
    k: 'int32' if k.endswith('tokens') else 'float32'
    for k in documents.features
  }


def test_documents_can_be_packed(tmp_path):
  features.write(tmp_path, 'value', {'train': _examples('value', 10)})
  documents = tasks.documents(tasks.make_task(str(tmp_path), 31), 'train')
  batch = next(packing.Batches(documents, batch=2, seq_len=16, seed=0))
  assert {k: v.shape for k, v in batch.items()} == dict.fromkeys(
    (
      'decoder_input_tokens',
      'decoder_target_values',
      'decoder_loss_weights',
      'decoder_segment_ids',
      'decoder_positions',
    ),
    (1, 2, 16),
  )


def test_tokens_outside_the_vocabulary_are_refused(tmp_path):
  features.write(tmp_path, 'lm', {'train': _examples('lm', 50)})
  task = tasks.make_task(str(tmp_path), 20)
  with pytest.raises(ValueError, match=r'in \[0, 30\].*has 20'):
    tasks.documents(task, 'train')
